# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A patch plan out of a rendered config context: every violation at once, or a Plan.

Pure. What is in a config context is data of others: any JSON may come, and gives a Plan or MspErrors, nothing else.
Whether the plan can work (a soak that does not fit, a ring without assets) is feasible.py's.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import forms
from ansible_collections.msp.ops.plugins.plugin_utils.contract.forms import shown
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, dotted
from ansible_collections.msp.ops.plugins.plugin_utils.patching import plan as plans
from ansible_collections.msp.ops.plugins.plugin_utils.patching import plan_schema, recurrence
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Limit, Plan, Recurrence
from ansible_collections.msp.ops.plugins.plugin_utils.patching.presets import PRESETS, bound_of
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import CLASSES
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

HERE: Path = (names.CONTEXT_PATCH_PLAN,)
CODES = forms.Codes(library="MSP-PAT-001", unknown="MSP-PAT-003", missing="MSP-PAT-004", form="MSP-PAT-005")
_UNITS = {
    "s": dt.timedelta(seconds=1),
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
}
# windows.AROUND covers it; a window that is longer is a whole week, and no window.
LONGEST_WINDOW = dt.timedelta(days=7)
TIMEOUT = "30s"  # of a check that says none


def read_context(context: Any) -> Plan:
    """The plan in a rendered config context. Raises MspErrors with everything that is wrong in it."""
    if not isinstance(context, Mapping) or names.CONTEXT_PATCH_PLAN not in context:
        raise MspErrors(
            [
                MspError(
                    "MSP-PAT-002",
                    f"the key {names.CONTEXT_PATCH_PLAN} in the config context",
                    "none",
                    "give the customer a config context with a patch plan; docs/patching.md has one",
                )
            ]
        )
    return read(context[names.CONTEXT_PATCH_PLAN])


def read(data: Any) -> Plan:
    """The plan in data of any form (what stands under msp_patch_plan). Raises MspErrors with all that is wrong."""
    try:
        form = list(forms.violations(data, plan_schema.PLAN, HERE, CODES))
        errors = [*form, *_contradictions(data)]
    except RecursionError:
        errors = [_error("MSP-PAT-005", (), "a few levels deep", "hundreds of levels", "write it plainly")]
    if errors:
        raise MspErrors(errors)
    return _plan(data)


def duration(text: str) -> dt.timedelta:
    """A duration as "30s", "45m", "4h" or "14d"; a day is 24 hours."""
    return int(text[:-1]) * _UNITS[text[-1]]


def _error(code: str, path: Path, *words: str) -> MspError:
    expected, found, action = words
    return MspError(code, f"{dotted((*HERE, *path))} to be {expected}", found, action)


# -- what values mean together: each looks at data of any form, and says nothing of what has not its form ---------


def _at(data: Any, *path: str) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def _entries(data: Any, key: str) -> list[tuple[Path, Any]]:
    """The entries of a list or a table of names, with their paths."""
    found = _at(data, key)
    if isinstance(found, Mapping):
        return [((key, str(name)), value) for name, value in sorted(found.items(), key=lambda item: str(item[0]))]
    return [((key, place), value) for place, value in enumerate(found if isinstance(found, list) else [])]


def _formed(value: Any, form: Mapping[str, Any]) -> bool:
    return forms.has(value, form)


def _contradictions(data: Any) -> Iterator[MspError]:
    zone = _at(data, "timezone")
    if isinstance(zone, str) and zone and zone not in _zones():
        near = difflib.get_close_matches(zone, _zones(), n=1, cutoff=0.6)
        advice = f"did you mean {near[0]}?" if near else "write Europe/Amsterdam, for instance"
        yield _error("MSP-PAT-005", ("timezone",), "a time zone of the IANA list", shown(zone), advice)
        zone = None
    yield from _recurring(data, ZoneInfo(zone) if isinstance(zone, str) and zone else ZoneInfo("UTC"))
    yield from _durations(data)
    for name in CLASSES:
        yield from _class(data, name)
    for key, words in (("rings", ("name", "tag")), ("apart", ("name",))):
        for word in words:
            yield from _twice(data, key, word)
    yield from _dates(data)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _recurring(data: Any, zone: ZoneInfo) -> Iterator[MspError]:
    """Rules that are none, or that never happen."""
    for path, entry in (*_entries(data, "windows"), *_entries(data, "batches")):
        rule, start = _at(entry, "rule"), _at(entry, "start")
        if not (_formed(rule, plan_schema.RULE) and _formed(start, plan_schema.START)):
            continue
        try:
            recurring = _recurrence(entry)
        except ValueError:
            yield _error("MSP-PAT-005", (*path, "start"), "a day of the calendar", start, "correct it")
            continue
        if problem := recurrence.refusal(recurring):
            yield _error("MSP-PAT-007", (*path, "rule"), "an RRULE of days", f"{shown(rule)}: {problem}", "correct it")
        elif recurrence.following(recurring, zone, recurrence.EARLIEST) is None:
            found = f"{shown(rule)}, which never happens"
            yield _error(
                "MSP-PAT-008", (*path, "rule"), "an RRULE that happens", found, "correct the rule or its start"
            )


def _durations(data: Any) -> Iterator[MspError]:
    for path, entry in _entries(data, "windows"):
        text = _at(entry, "duration")
        if _formed(text, plan_schema.DURATION) and not dt.timedelta(0) < duration(text) <= LONGEST_WINDOW:
            yield _error("MSP-PAT-006", (*path, "duration"), "more than nothing and at most 7d", text, "correct it")


def _class(data: Any, name: str) -> Iterator[MspError]:
    rule = _at(data, "classes", name)
    if not isinstance(rule, Mapping):
        return
    path: Path = ("classes", name)
    windows = rule.get("windows")
    known = _at(data, "windows")
    for window in windows if isinstance(windows, list) and isinstance(known, Mapping) else ():
        if isinstance(window, str) and window not in known:
            yield _unknown((*path, "windows"), window, known, "windows")
    batch = rule.get("batch")
    batches = _at(data, "batches") or {}
    if isinstance(batch, str) and isinstance(batches, Mapping) and batch not in batches:
        yield _unknown((*path, "batch"), batch, batches, "batches")
    yield from _deadline(data, name, path, rule)


def _unknown(path: Path, name: str, known: Iterable[Any], what: str) -> MspError:
    listed = ", ".join(sorted(map(str, known))) or "none"
    return _error("MSP-PAT-006", path, f"of the plan's {what} ({shown(listed)})", shown(name), "correct the name")


def _deadline(data: Any, name: str, path: Path, rule: Mapping[str, Any]) -> Iterator[MspError]:
    """A deadline is there, no laxer than the preset's, and after the deferral."""
    preset = _at(data, "preset")
    bound = bound_of(preset if isinstance(preset, str) else None, name)
    text: Any = rule.get("deadline")
    deferral: Any = rule.get("deferral", "0d")
    if "deadline" not in rule:
        if bound is None:
            here = dotted((*HERE, *path, "deadline"))
            yield MspError("MSP-PAT-004", f"the key {here}", "none, and no preset that gives one", "add it, as 14d")
            return
        found = bound.deadline
    elif _formed(text, plan_schema.DURATION):
        found = duration(text)
    else:
        return
    if bound is not None and found > bound.deadline:
        yield _error(
            "MSP-PAT-009",
            (*path, "deadline"),
            f"at most {in_words(bound.deadline)}, as the preset {preset} asks ({bound.rule})",
            shown(text),
            "shorten it, leave it out, or take the preset out of the plan",
        )
    if _formed(deferral, plan_schema.DURATION) and duration(deferral) >= found:
        wanted = f"shorter than the deadline of {in_words(found)}"
        yield _error("MSP-PAT-006", (*path, "deferral"), wanted, deferral, "shorten it")


def in_words(value: dt.timedelta) -> str:
    """A duration as it is written in a plan: 14d, 36h, 45m."""
    minutes = int(value.total_seconds()) // 60
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def _twice(data: Any, key: str, word: str) -> Iterator[MspError]:
    named = [(path, value) for path, entry in _entries(data, key) if isinstance(value := _at(entry, word), str)]
    counted = Counter(value for _path, value in named)
    for path, value in named:
        if counted[value] > 1:
            counted[value] = 0  # said once
            yield _error("MSP-PAT-006", (*path, word), f"unlike every other of {key}", shown(value), "change one")


def _dates(data: Any) -> Iterator[MspError]:
    for path, entry in _entries(data, "exclusions"):
        if _formed(_at(entry, "expires"), plan_schema.DATE) and _day(entry["expires"]) is None:
            yield _error("MSP-PAT-005", (*path, "expires"), "a day of the calendar", entry["expires"], "correct it")
    for path, entry in _entries(data, "freezes"):
        ends: dict[str, dt.datetime] = {}
        for key in ("from", "until"):
            text = _at(entry, key)
            if not _formed(text, plan_schema.MOMENT):
                continue
            found = _moment(text, last=key == "until")
            if found is None:
                yield _error("MSP-PAT-005", (*path, key), "a day of the calendar", text, "correct it")
            else:
                ends[key] = found
        if len(ends) == 2 and ends["until"] <= ends["from"]:
            wanted = f"after its beginning, {entry['from']}"
            yield _error("MSP-PAT-006", (*path, "until"), wanted, entry["until"], "correct one of the two")


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _moment(text: str, *, last: bool) -> dt.datetime | None:
    """A naive moment. A date alone is its beginning, or with last its end: the beginning of the next day."""
    day = _day(text[:10])
    if day is None:
        return None
    if "T" in text:
        return dt.datetime.combine(day, dt.time.fromisoformat(text[11:]))
    return dt.datetime.combine(day + dt.timedelta(days=1) if last else day, dt.time())


# -- the plan: only of data that has its form and does not contradict itself --------------------------------------


def _plan(data: Mapping[str, Any]) -> Plan:
    zone = ZoneInfo(data["timezone"])
    return Plan(
        name=data["name"],
        zone=zone,
        classes={name: _class_rule(data, name) for name in CLASSES},
        rings=tuple(_ring(entry) for entry in data["rings"]),
        windows={name: _window(name, entry) for name, entry in sorted(data["windows"].items())},
        batches={
            name: plans.Batch(name, _recurrence(entry)) for name, entry in sorted(data.get("batches", {}).items())
        },
        freezes=tuple(_freeze(entry, zone) for entry in data.get("freezes", ())),
        rates=plans.Rates(**{name: _limit(value) for name, value in data["rates"].items()}),
        apart=tuple(plans.Apart(entry["name"], tuple(entry["assets"])) for entry in data.get("apart", ())),
        checks=plans.Checks(
            **{when: tuple(_check(entry) for entry in checks) for when, checks in data.get("checks", {}).items()}
        ),
        reboot=data["reboot"],
        rollback=data["rollback"],
        stateful_tag=data.get("stateful_tag", names.TAG_STATEFUL),
        exclusions=tuple(_exclusion(entry) for entry in data.get("exclusions", ())),
        automatic=data["automatic"],
        preset=data.get("preset"),
    )


def _class_rule(data: Mapping[str, Any], name: str) -> plans.ClassRule:
    rule = data["classes"][name]
    deadline = duration(rule["deadline"]) if "deadline" in rule else PRESETS[data["preset"]][name].deadline
    any_time = rule["windows"] == plan_schema.ANY
    return plans.ClassRule(
        name=name,
        deferral=duration(rule.get("deferral", "0d")),
        deadline=deadline,
        windows=() if any_time else tuple(rule["windows"]),
        any_time=any_time,
        batch=rule.get("batch"),
    )


def _ring(entry: Mapping[str, Any]) -> plans.Ring:
    percent = entry.get("percent")
    return plans.Ring(
        name=entry["name"],
        tag=entry.get("tag"),
        percent=None if percent is None else int(percent),
        soak=duration(entry["soak"]),
        emergency_soak=duration(entry.get("emergency_soak", entry["soak"])),
        successes=int(entry["successes"]),
    )


def _window(name: str, entry: Mapping[str, Any]) -> plans.Window:
    return plans.Window(name, _recurrence(entry), duration(entry["duration"]), duration(entry["cutoff"]))


def _recurrence(entry: Mapping[str, Any]) -> Recurrence:
    """Raises ValueError where its first day is no day."""
    day, _t, time = entry["start"].rpartition("T")
    return Recurrence(entry["rule"], dt.time.fromisoformat(time), dt.date.fromisoformat(day) if day else None)


def _freeze(entry: Mapping[str, Any], zone: ZoneInfo) -> plans.Freeze:
    ends = [_moment(entry[key], last=key == "until") for key in ("from", "until")]
    start, end = (one.replace(tzinfo=zone).astimezone(dt.UTC) for one in ends if one is not None)
    return plans.Freeze(start, end, entry["reason"].strip(), entry["emergency"] == plan_schema.ALLOWED)


def _limit(value: int | str) -> Limit:
    return Limit(int(value[:-1]), percent=True) if isinstance(value, str) else Limit(int(value))


def _check(entry: Mapping[str, Any]) -> plans.Check:
    timeout = duration(entry.get("timeout", TIMEOUT))
    if "unit" in entry:
        return plans.UnitCheck(entry["unit"])
    if "tcp" in entry:
        return plans.TcpCheck(int(entry["tcp"]), entry.get("host", "localhost"), timeout)
    if "http" in entry:
        return plans.HttpCheck(entry["http"], int(entry.get("status", 200)), entry.get("contains", ""), timeout)
    if "command" in entry:
        return plans.CommandCheck(tuple(entry["command"]), timeout)
    return plans.BaselineCheck(tuple(entry["baseline"]))


def _exclusion(entry: Mapping[str, Any]) -> plans.Exclusion:
    return plans.Exclusion(
        package=entry["package"],
        assets=tuple(entry.get("assets", ())),
        reason=entry["reason"].strip(),
        owner=entry["owner"].strip(),
        expires=dt.date.fromisoformat(entry["expires"]),
    )
