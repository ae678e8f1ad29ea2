"""A plan out of a config context: everything that is wrong at once, each with where, what and what to do."""

from __future__ import annotations

import copy
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import forms, yamlfile
from ansible_collections.msp.ops.plugins.plugin_utils.patching import plan as plans
from ansible_collections.msp.ops.plugins.plugin_utils.patching import presets, reading_plan, recurrence
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feasible import examine
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Limit, Recurrence
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import (
    data,
    local,
    member,
    plan,
    utc,
    without,
)

EXAMPLE = Path(__file__).resolve().parents[9] / "docs" / "examples" / "patching" / "plan.yml"
FREEZE = {"from": "2026-12-24", "until": "2026-12-26", "reason": "Christmas", "emergency": "allowed"}


def refused(found: Any) -> list[MspError]:
    with pytest.raises(MspErrors) as raised:
        reading_plan.read(found)
    return raised.value.errors


def only(found: Any) -> MspError:
    (error,) = refused(found)
    return error


# -- what a plan is read as ---------------------------------------------------------------------------------------


def test_a_plan_is_read() -> None:
    made = plan()
    assert (made.name, made.zone.key, made.automatic, made.preset) == ("office", "Europe/Amsterdam", "security", None)
    assert made.windows["night"].recurrence == Recurrence("FREQ=WEEKLY;BYDAY=TU,TH", dt.time(22, 0))
    assert (made.windows["night"].duration, made.windows["night"].usable) == (
        dt.timedelta(hours=4),
        dt.timedelta(hours=3),
    )
    assert made.classes["routine"].batch == "monthly" and made.classes["routine"].deferral == dt.timedelta(days=7)
    assert (made.classes["emergency"].any_time, made.classes["emergency"].windows) == (True, ())
    assert [ring.name for ring in made.rings] == ["pilot", "broad"]
    assert (made.rings[0].soak_for("emergency"), made.rings[0].soak_for("routine")) == (
        dt.timedelta(hours=2),
        dt.timedelta(hours=24),
    )
    assert made.rings[1].emergency_soak == made.rings[1].soak
    assert made.rates == plans.Rates(Limit(25, percent=True), Limit(1), Limit(10, percent=True))
    assert (made.freezes, made.apart, made.exclusions, made.checks) == ((), (), (), plans.Checks())
    assert made.stateful_tag == "msp-stateful"


def test_every_kind_of_check_is_read() -> None:
    checks = {
        "before": [{"baseline": ["units"]}],
        "after": [
            {"unit": "nginx.service"},
            {"tcp": 443},
            {"http": "https://localhost/health", "status": 204, "contains": "ok", "timeout": "2m"},
            {"command": ["/usr/local/bin/check", "--all"]},
        ],
    }
    made = plan(checks=checks).checks
    assert made.before == (plans.BaselineCheck(("units",)),)
    assert [plans.plain(check) for check in made.after] == [
        {"kind": "unit", "unit": "nginx.service"},
        {"kind": "tcp", "port": 443, "host": "localhost", "timeout": 30},
        {"kind": "http", "url": "https://localhost/health", "status": 204, "contains": "ok", "timeout": 120},
        {"kind": "command", "command": ["/usr/local/bin/check", "--all"], "timeout": 30},
    ]


def test_a_freeze_of_days_lasts_to_the_end_of_the_last_day_where_the_customer_is() -> None:
    (one,) = plan(freezes=[FREEZE]).freezes
    assert (one.start, one.end) == (utc("2026-12-23T23:00"), utc("2026-12-26T23:00"))
    assert (one.reason, one.emergency) == ("Christmas", True)


def test_a_freeze_may_say_times() -> None:
    (one,) = plan(freezes=[{**FREEZE, "from": "2026-12-24T16:00", "until": "2026-12-24T16:30"}]).freezes
    assert (one.start, one.end) == (local("2026-12-24T16:00"), local("2026-12-24T16:30"))


def test_a_preset_fills_the_deadlines_and_a_stricter_one_stays() -> None:
    made = data(preset="essential-eight", **{"classes.emergency": {"windows": "any"}})
    assert reading_plan.read(made).classes["emergency"].deadline == dt.timedelta(hours=48)
    made["preset"] = "cyber-essentials"
    assert reading_plan.read(made).classes["emergency"].deadline == dt.timedelta(days=14)
    made["classes"]["emergency"]["deadline"] = "24h"
    assert reading_plan.read(made).classes["emergency"].deadline == dt.timedelta(days=1)


def test_whole_numbers_that_json_wrote_with_a_point_are_whole_numbers() -> None:
    made = plan(**{"rings.1.percent": 100.0, "rates.at_once": 2.0})
    assert (repr(made.rings[1].percent), str(made.rates.at_once)) == ("100", "2")


def test_the_example_of_the_documentation_is_a_plan_that_can_work() -> None:
    source = yamlfile.read(EXAMPLE.read_text(encoding="utf-8"), "plan.yml")
    assert source.errors == []
    made = reading_plan.read_context(source.data)
    assets = [member(1, "msp-ring-pilot"), member(2, name="jansen-srv01"), member(3, name="jansen-nas01")]
    assets += [member(number) for number in range(4, 20)]
    assert [str(finding.why) for finding in examine(made, assets, utc("2026-11-26T08:00"))] == []


# -- what is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [None, [], "text", {}, {"msp_standard": {}}])
def test_a_context_without_a_plan_is_told(context: Any) -> None:
    with pytest.raises(MspErrors, match="MSP-PAT-002"):
        reading_plan.read_context(context)


@pytest.mark.parametrize(
    "key", ["name", "timezone", "classes", "classes.security", "windows.night.cutoff", "rates.most_lost"]
)
def test_a_missing_key_is_named_with_its_path(key: str) -> None:
    error = only(without(key))
    assert (error.code, error.expected) == ("MSP-PAT-004", f"the key msp_patch_plan.{key}")


def test_an_unknown_key_is_named_with_the_one_that_is_meant() -> None:
    error = only({**data(), "windos": {}})
    assert (error.code, error.found) == ("MSP-PAT-003", "windos")
    assert "did you mean windows?" in error.action


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("name", "Office", "lower-case letters"),
        ("name", "office\n", "lower-case letters"),
        ("timezone", "Europe/Amsterdm", "a time zone of the IANA list"),
        ("automatic", "yes", "one of true, false, security"),
        ("automatic", 1, "one of true, false, security"),
        ("windows", {}, "a table with one key at least"),
        ("windows.night.start", "25:00", "a time of day as 22:00"),
        ("windows.night.start", 1320, "a time of day as 22:00"),
        ("windows.night.start", "2026-02-30T22:00", "a day of the calendar"),
        ("windows.night.duration", "four hours", "a duration as 45m, 4h or 14d"),
        ("windows.night.duration", -1, "a duration as 45m, 4h or 14d"),
        ("classes.security.windows", "any", "a list"),
        ("classes.security.windows", [], "a list of 1 at least"),
        ("classes.emergency.windows", "some", "a list of windows, or the word any"),
        ("rings", [], "a list of 1 at least"),
        ("rings.0.tag", "pilot", "a tag as msp-ring-pilot"),
        ("rings.0.successes", -1, "at least 0"),
        ("rings.1.percent", 101, "at most 100"),
        ("rates.at_once", 0, "a number of hosts from 1"),
        ("rates.at_once", "0%", "a number of hosts from 1"),
        ("rates.most_lost", "110%", "a number of hosts from 0"),
        ("reboot", "if-needed", "one of never, if_needed, always"),
        ("freezes", [{**FREEZE, "from": "2026-02-30"}], "a day of the calendar"),
        ("freezes", [{**FREEZE, "reason": " "}], "words"),
        ("checks", {"after": [{"unit": "nginx"}]}, "a systemd unit as nginx.service"),
        ("checks", {"after": [{"unit": "--now.service"}]}, "a systemd unit as nginx.service"),
        ("checks", {"after": [{"tcp": 70000}]}, "at most 65535"),
        ("checks", {"after": [{"http": "file:///etc/shadow"}]}, "an address as http://localhost/health"),
        ("checks", {"after": [{"command": "reboot now"}]}, "a list"),
        ("checks", {"after": [{"command": []}]}, "a list of 1 at least"),
        ("checks", {"after": [{}]}, "a check with one of the keys unit, tcp, http, command, baseline"),
        ("checks", {"after": [{"baseline": ["memory"]}]}, "one of units, ports"),
    ],
)
def test_a_value_without_its_form_is_told_with_the_form(key: str, value: Any, wanted: str) -> None:
    first = refused(data(**{key: value}))[0]
    assert first.code == "MSP-PAT-005"
    assert first.expected.startswith(f"msp_patch_plan.{key.partition('.')[0]}") and wanted in first.expected


def test_a_ring_without_tag_and_percent_is_told() -> None:
    error = only(without("rings.1.percent") | {"rings": [{"name": "all", "soak": "0h", "successes": 1}]})
    assert "a ring with tag, percent or both" in error.expected


@pytest.mark.parametrize(
    ("key", "value", "path", "found"),
    [
        ("classes.security.windows", ["day"], "classes.security.windows", "day"),
        ("classes.routine.batch", "weekly", "classes.routine.batch", "weekly"),
        ("rings.1.name", "pilot", "rings[0].name", "pilot"),
        ("rings.1.tag", "msp-ring-pilot", "rings[0].tag", "msp-ring-pilot"),
        ("windows.night.duration", "8d", "windows.night.duration", "8d"),
        ("windows.night.duration", "0m", "windows.night.duration", "0m"),
        ("classes.security.deferral", "14d", "classes.security.deferral", "14d"),
        ("freezes", [{**FREEZE, "until": "2026-12-23"}], "freezes[0].until", "2026-12-23"),
        ("freezes", [{**FREEZE, "from": "2026-12-26T12:00", "until": "2026-12-26T12:00"}], "freezes[0].until", "2026"),
        ("apart", [{"name": "a", "assets": ["x", "y"]}] * 2, "apart[0].name", "a"),
    ],
)
def test_values_that_contradict_each_other_are_told(key: str, value: Any, path: str, found: str) -> None:
    error = only(data(**{key: value}))
    assert error.code == "MSP-PAT-006"
    assert error.expected.startswith(f"msp_patch_plan.{path} to be ") and found in error.found


def test_a_batch_is_looked_for_also_where_the_plan_has_none() -> None:
    assert only(without("batches")).code == "MSP-PAT-006"


def test_a_deadline_that_neither_plan_nor_preset_gives_is_missing() -> None:
    made = data(preset="cyber-essentials", **{"classes.routine": {"windows": ["night"]}})
    assert (only(made).code, only(made).expected) == ("MSP-PAT-004", "the key msp_patch_plan.classes.routine.deadline")


@pytest.mark.parametrize(
    ("preset", "name", "text", "rule"),
    [
        ("cyber-essentials", "security", "15d", "Cyber Essentials: 14 days"),
        ("cyber-essentials", "emergency", "337h", "Cyber Essentials: 14 days"),
        ("essential-eight", "emergency", "49h", "Essential Eight: 48 hours"),
        ("essential-eight", "security", "15d", "Essential Eight: two weeks"),
    ],
)
def test_a_deadline_that_is_laxer_than_the_presets_is_refused_with_the_rule(
    preset: str, name: str, text: str, rule: str
) -> None:
    classes: dict[str, dict[str, Any]] = {"emergency": {"windows": "any"}, "security": {"windows": ["night"]}}
    classes |= {name: {**classes[name], "deadline": text}}
    error = only(data(preset=preset, **{f"classes.{key}": value for key, value in classes.items()}))
    assert (error.code, error.found) == ("MSP-PAT-009", text)
    assert rule in error.expected


def test_a_rule_that_is_none_and_one_that_never_happens_are_told() -> None:
    made = data(**{"windows.night.rule": "FREQ=HOURLY", "batches.monthly.rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"})
    assert [(error.code, error.expected) for error in refused(made)] == [
        ("MSP-PAT-007", "msp_patch_plan.windows.night.rule to be an RRULE of days"),
        ("MSP-PAT-008", "msp_patch_plan.batches.monthly.rule to be an RRULE that happens"),
    ]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    made = data(name="X", reboot=3, freezes=[{**FREEZE, "until": "2026-12-01"}], **{"windows.night.rule": "FREQ=DAYLY"})
    del made["rates"]
    made["wat"] = 1
    codes = {"MSP-PAT-003", "MSP-PAT-004", "MSP-PAT-005", "MSP-PAT-006", "MSP-PAT-007"}
    found = refused(made)
    assert {error.code for error in found} == codes and len(found) == 6
    assert str(MspErrors(found)).startswith("6 error(s):\n- ")


def test_what_is_shown_of_a_value_is_short_and_on_one_line() -> None:
    error = refused(data(name="x\ny" * 500))[0]
    assert "\n" not in error.found and len(error.found) < 100


def test_without_the_libraries_the_error_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "LIBRARY_ERROR", ImportError("No module named 'jsonschema'"))
    with pytest.raises(MspErrors, match=r"MSP-PAT-001: expected the Python library jsonschema"):
        reading_plan.read(data())
    monkeypatch.undo()
    monkeypatch.setattr(recurrence, "LIBRARY_ERROR", ImportError("No module named 'dateutil'"))
    recurrence._compiled.cache_clear()
    with pytest.raises(MspError, match=r"MSP-PAT-001: expected the Python library python-dateutil"):
        reading_plan.read(data())


def test_every_bound_of_a_preset_says_its_rule() -> None:
    bounds = [bound for classes in presets.PRESETS.values() for bound in classes.values()]
    assert all(bound.rule and bound.deadline > dt.timedelta(0) for bound in bounds)


# -- any JSON -----------------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**6),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(
        ["any", "4h", "14d", "0m", "22:00", "2026-02-30", "2026-12-31T10:00", "FREQ=DAILY", "10%", "night"]
    ),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "rule", "start", "windows", "unit", "tcp", "from", "until", "x"]), inner
        ),
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, inner in items for found in places(inner, (*path, key))]


RICH = data(
    freezes=[FREEZE],
    apart=[{"name": "pair", "assets": ["a", "b"]}],
    exclusions=[{"package": "x*", "reason": "r", "owner": "o", "expires": "2027-01-01"}],
    checks={"after": [{"unit": "a.service"}, {"tcp": 1}, {"http": "http://h/"}, {"command": ["c"]}]},
    preset="cyber-essentials",
)
PLACES = places(RICH)


def changed(path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(RICH)
    place: Any = made
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return made


@pytest.mark.thorough
@settings(max_examples=80, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_a_plan_with_anything_anywhere_in_it_is_a_plan_or_errors(path: tuple[Any, ...], value: Any) -> None:
    try:
        reading_plan.read(changed(path, value))
    except MspErrors as found:
        assert all(error.code.startswith("MSP-PAT-00") and error.found and error.action for error in found.errors)
        assert "None" not in {error.expected for error in found.errors}


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(JSON)
def test_any_json_is_a_plan_or_errors(value: Any) -> None:
    for read in (reading_plan.read, reading_plan.read_context):
        with pytest.raises(MspErrors):
            read(value)
