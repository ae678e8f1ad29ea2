# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a host answered to a Scan, its counts and what is told of it. Pure: no I/O.

A host that did not answer, or has no package lists, has a Scan too: it says so, and never that nothing is pending.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.packed import unpack
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit import outcome as audit_outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit import schema
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.patching import judging
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answer_schema import SCHEMA
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import DEBIAN, EPSS, OSV, Feeds
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import CLASSES, Judged, Scan, Update, Version

OK, NO_METADATA, FAILED, UNREACHABLE, NO_PYTHON = "ok", "no metadata", "failed", "unreachable", "no_python"
# What does not bear on which updates wait is told to the caller, and is no warning of the record.
_ASIDE = ("reboot", "services that run with replaced files")
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one attempt. found is the host's answer in its shape; error is set when outcome is not "ok"."""

    outcome: str
    found: Mapping[str, Any] = field(default_factory=dict)
    error: MspError | None = None


def read(host: str, result: Mapping[str, Any]) -> Answer:
    """The attempt in what the module returned for a host."""
    if result.get("failed") or not isinstance(result.get("packed"), str):
        said = audit_outcome.words_of(result)
        if reason := audit_outcome.lacks_python(said):
            return Answer(NO_PYTHON, error=audit_outcome.no_python(host, reason))
        return Answer(FAILED, error=failed(host, str(result.get("msg") or said)))
    try:
        found = unpack(result["packed"])
        schema.check(found, SCHEMA)
        if (found["updates"] is None) == (found["outcome"] == OK):
            raise ValueError("an outcome that does not fit its updates")
    except ValueError as error:
        return Answer(FAILED, error=malformed(host, str(error)))
    if found["outcome"] == NO_METADATA:
        return Answer(NO_METADATA, found, no_metadata(host, str(found["why"])))
    if found["outcome"] == FAILED:
        return Answer(FAILED, found, failed(host, str(found["why"])))
    return Answer(OK, found)


def updates_of(found: Mapping[str, Any]) -> tuple[Update, ...]:
    return tuple(_update(row) for row in found.get("updates") or ())


def asked(updates: Iterable[Update], platform: str) -> tuple[set[str], set[tuple[str, str]]]:
    """What feeds are asked of: names of holes and advisories, and source packages with their platform."""
    names: set[str] = set()
    packages = set()
    for update in updates:
        names.update(update.cves, update.advisories)
        packages.add((platform, update.source))
    return names, packages


def _update(row: Mapping[str, Any]) -> Update:
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    # An advisory's own words are in vendor, cves and advisories already.
    del plain["notices"]
    plain["versions"] = tuple(Version(**{**version, "cves": tuple(version["cves"])}) for version in row["versions"])
    return Update(**plain)


def scan(
    subject: Subject,
    answer: Answer,
    feeds: Feeds,
    at: dt.datetime,
    *,
    exposed: bool | None,
    metadata_age: int,
    run: str | None = None,
) -> Scan:
    """The record of one attempt. metadata_age is the number of days that package lists may be old without a warning.

    exposed: whether the internet reaches the host; None: as NetBox says of the asset. EPSS is no feed that its classes
    rest on: it decides nothing.
    """
    found = answer.found
    judged = None
    if answer.outcome == OK:
        reached = subject.exposed if exposed is None else exposed
        judged = judging.judge_all(updates_of(found), feeds, platform=found["platform"], exposed=reached)
    return Scan(
        subject.customer,
        subject.asset,
        subject.host,
        at,
        answer.outcome,
        str(found.get("platform", "")),
        str(found.get("manager", "")),
        judged,
        _moment(found.get("metadata_at")),
        warnings(found, [*feeds.warnings, *_unnamed(found, feeds)], at, metadata_age) if found else (),
        None if answer.error is None else str(answer.error),
        run,
        str(found.get("machine_id", "")),
        tuple(found.get("blind", ())),
        _moment(found.get("booted_at")),
        _reboot(found.get("reboot", {})),
        None if found.get("services") is None else tuple(found["services"]),
        {kind: f"{date:%Y-%m-%d}" for kind, date in feeds.dates.items() if kind != EPSS} if judged is not None else {},
    )


def _unnamed(found: Mapping[str, Any], feeds: Feeds) -> list[str]:
    """That nobody told apt's updates by the holes that they close: without their names no feed can raise a class."""
    read = (version["changelog"] for row in found["updates"] or () for version in row["versions"])
    told = found["manager"] != "apt" or not found["updates"] or feeds.dates.keys() & {DEBIAN, OSV} or any(read)
    return [] if told else [_NO_NAMES]


_NO_NAMES = (
    "nothing names the holes that updates close: neither a feed (debian, osv) is given nor were changelogs read, so"
    " none can be an emergency"
)


def _moment(said: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(said) if said else None


def _reboot(said: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Why the host needs a reboot: Scan.reboot."""
    if said.get("needed") is None:
        return None
    return (tuple(said["reasons"]) or ("it says so",)) if said["needed"] else ()


def warnings(found: Mapping[str, Any], of_feeds: Iterable[str], at: dt.datetime, metadata_age: int) -> tuple[str, ...]:
    """All that a person should know before trusting the list, in a fixed order."""
    told = [*found["blind"], *found["broken"], *found["warnings"], *of_feeds]
    told += [f"{note['what']}: {note['why']}" for note in found["unknown"] if note["what"] not in _ASIDE]
    metadata_at = found["metadata_at"]
    if metadata_at is None and found["outcome"] == OK:
        told.append("nothing on the host tells how old its package lists are")
    elif metadata_at is not None:
        age = at - dt.datetime.fromisoformat(metadata_at)
        if age > dt.timedelta(days=metadata_age):
            told.append(f"the package lists are {age.days} days old: what was published since is missing")
    return tuple(dict.fromkeys(told))


def counts(judged: Sequence[Judged]) -> dict[str, int]:
    """By class, and how many of all are exploited, held or take effect only after a reboot."""
    by_class = Counter(one.patch_class for one in judged)
    return {
        "total": len(judged),
        **{name: by_class[name] for name in CLASSES},
        "exploited": sum(one.exploited for one in judged),
        "held": sum(bool(one.update.held) for one in judged),
        "reboot": sum(one.update.needs == "reboot" for one in judged),
    }


def summary(scan: Scan, found: Mapping[str, Any]) -> dict[str, Any]:
    """What a helpdesk asks first. urgent names the most urgent updates, the worst first, and not all of many."""
    ordered = sorted(scan.updates or (), key=lambda one: (CLASSES.index(one.patch_class), one.update.name))
    return {
        "platform": scan.platform,
        "manager": scan.manager,
        "metadata_at": found.get("metadata_at"),
        "refreshed": bool(found.get("refreshed")),
        "reboot_needed": (found.get("reboot") or {}).get("needed"),
        "installs": _named(found.get("installs")),
        "removes": _named(found.get("removes")),
        "urgent": [one.update.name for one in ordered if one.patch_class != CLASSES[-1]][:MOST_NAMED],
    }


def _named(changes: Sequence[Mapping[str, Any]] | None) -> list[str] | None:
    return None if changes is None else [str(change["name"]) for change in changes]


def listed(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """The whole list as plain values, each update with its class beside its own fields."""
    rows = []
    for one in judged:
        row = asdict(one)
        rows.append({**row.pop("update"), **row, "class": row.pop("patch_class")})
    return rows


def lines(judged: Iterable[Judged]) -> dict[str, str]:
    """For a diff, and to see what is new: "name:architecture" to its versions and class."""
    found = {}
    for one in judged:
        update = one.update
        found[f"{update.name}:{update.architecture}"] = f"{update.installed} -> {update.candidate}, {one.patch_class}"
    return found


def told(scan: Scan, answer: Answer, before: Mapping[str, str] | None, *, whole: bool, diff: bool) -> dict[str, Any]:
    """What the task returns. before is what was pending at the last scan; a list only where the whole is asked for."""
    found = answer.found
    result: dict[str, Any] = {
        "changed": bool(found.get("changed")),
        "outcome": scan.outcome,
        "scan_warnings": list(scan.warnings),
    }
    if found:
        result.update(summary=summary(scan, found), unknown=list(found["unknown"]), seconds=found["seconds"])
    if answer.error is not None:
        result.update(msg=str(answer.error), error=answer.error.as_dict())
        result["unreachable"] = scan.outcome == UNREACHABLE
    if scan.updates is None:
        return result
    after = lines(scan.updates)
    result["counts"] = counts(scan.updates)
    result["new"] = None if before is None else sorted(set(after) - set(before))
    if whole:
        result["updates"] = listed(scan.updates)
    if diff and after != before:
        result["diff"] = {"before": dict(before or {}), "after": after}
    return result


def failed(host: str, said: str) -> MspError:
    return audit_outcome.not_ended(
        "MSP-PAT-037",
        "the scan for updates",
        host,
        said,
        "mend what it names on the host, then scan it again (--limit); to renew package lists it has to become root",
    )


def hung(host: str, seconds: float) -> MspError:
    return audit_outcome.not_ended_in_time(
        "MSP-PAT-038",
        "the scan for updates",
        host,
        seconds,
        "log in to the host and see what hangs there (a mirror that does not answer, a failing disk), then scan again",
    )


def malformed(host: str, why: str) -> MspError:
    return audit_outcome.of_no_shape("MSP-PAT-036", "an answer", host, "docs/patching.md", why)


def no_metadata(host: str, why: str) -> MspError:
    return MspError(
        "MSP-PAT-039",
        f"package lists on {host} that tell what is pending",
        audit_outcome.short(why),
        "renew them (refresh: true), and see that the host has a source of security updates",
    )
