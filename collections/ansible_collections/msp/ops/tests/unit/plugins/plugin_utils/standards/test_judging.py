"""What a host's answers make of its controls: a record for each of them, and never a pass without evidence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.standards import judging, model, probing, said
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Assigned, ControlRecord
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards.made_standard import (
    TODAY,
    WAIVER,
    assigned,
    check,
    control,
    tries,
)

ROOT = {"kind": "sshd", "name": "permitrootlogin"}
TRIES = {"kind": "sshd", "name": "maxauthtries"}
SERVER = {"kind": "package", "name": "openssh-server"}


def ok(value: Any) -> dict[str, Any]:
    return {"state": "ok", "value": value}


GOOD = [
    (SERVER, ok({"installed": True})),
    (ROOT, ok({"value": "no"})),
    (TRIES, ok({"value": "4"})),
]


def answers(held: Assigned, *more: tuple[Mapping[str, Any], Any]) -> dict[str, Any]:
    """By id what the host answered: all is well, but for what is said here."""
    ids = probing.probes(held)[1]
    said = {probing.key(probe): answer for probe, answer in [*GOOD, *more]}
    return {ids[key]: answer for key, answer in said.items() if key in ids}


def told(records: Iterable[ControlRecord]) -> tuple[ControlRecord, ...]:
    """With their texts in English."""
    return tuple(ControlRecord(**one.told()) for one in records)


def judge(
    held: Assigned, *more: tuple[Mapping[str, Any], Any], platform: str = "debian-12", today: dt.date = TODAY
) -> tuple[ControlRecord, ...]:
    return told(judging.judge(held, answers(held, *more), platform, today=today))


def root(*more: tuple[Mapping[str, Any], Any], **changes: Any) -> ControlRecord:
    """The record of the control about root's login."""
    (record,) = judge(assigned(control(**changes)), *more)
    return record


# -- compliant, or drift ------------------------------------------------------------------------------------------


def test_what_is_as_it_should_be_is_compliant() -> None:
    first, second = judge(assigned())
    assert first == ControlRecord(
        "ssh-root-login", "high", "compliant", "permitrootlogin: no", "permitrootlogin: no", "", None
    )
    assert (second.desired, second.found) == ("maxauthtries: at most 4", "maxauthtries: 4")


def test_what_is_not_is_drift() -> None:
    record = root((ROOT, ok({"value": "yes"})))
    assert (record.status, record.desired, record.found, record.reason) == (
        "drift",
        "permitrootlogin: no",
        "permitrootlogin: yes",
        "",
    )


def test_a_customers_choice_is_what_is_desired() -> None:
    held = assigned(parameters={"ssh-root-login": {"allowed": "prohibit-password"}, "ssh-tries": {"most": 6}})
    records = judge(held, (ROOT, ok({"value": "prohibit-password"})), (TRIES, ok({"value": 6})))
    assert [record.status for record in records] == ["compliant", "compliant"]
    assert records[0].desired == "permitrootlogin: prohibit-password"


def test_all_checks_must_hold_and_only_those_that_do_not_are_shown() -> None:
    made = control(checks=[check("equals", "no", ROOT, "value"), check("at_most", 4, TRIES, "value")])
    (record,) = judge(assigned(made), (TRIES, ok({"value": "9"})))
    assert record.status == "drift"
    assert (record.desired, record.found) == ("permitrootlogin: no; maxauthtries: at most 4", "maxauthtries: 9")


@pytest.mark.parametrize(("others", "status"), [("3", "compliant"), ("4", "compliant"), ("5", "drift")])
def test_a_match_block_may_be_stricter_and_what_is_shown_says_so(others: str, status: str) -> None:
    measured = {"value": f"4; {others} for Match User eve", "values": ["4", others], "each": ["4", others]}
    _root, record = judge(assigned(), (TRIES, ok(measured)))

    assert (record.status, record.found) == (status, f"maxauthtries: 4; {others} for Match User eve")


# -- what no role reaches -----------------------------------------------------------------------------------------


def matched(general: str, others: str) -> dict[str, Any]:
    """As the probe says it where a Match block makes the number of tries another."""
    where = ["Match User eve"]
    return {
        "value": f"{general}; {others} for {where[0]}",
        "values": [general, others],
        "each": [general, others],
        "within_reach": {"value": general, "values": [general]},
        "out_of_reach": {"value": where, "values": where},
    }


@pytest.mark.parametrize(
    ("general", "others", "status", "left"),
    [("4", "3", "compliant", False), ("4", "9", "drift", True), ("9", "9", "drift", False), ("9", "3", "drift", False)],
)
def test_what_only_a_match_block_makes_weaker_is_left_to_a_person_and_said(
    general: str, others: str, status: str, left: bool
) -> None:
    held = assigned(tries())
    (record,) = judging.judge(held, answers(held, (TRIES, ok(matched(general, others)))), "debian-12", today=TODAY)

    assert (record.status, judging.left(record)) == (status, left)
    # It is brought about where there is anything to bring about; who asks for what is left is told both.
    assert judging.enforced(record, held.controls[0].control, TODAY) == (status == "drift")
    reason = said.english(record.reason)
    assert reason.startswith("to be put right by hand: ") and "Match User eve" in reason if left else not reason
    assert "met de hand" in said.worded(record.reason, Words("nl")) if left else True


def test_of_several_places_those_are_named_that_are_weaker() -> None:
    places = ["Match User strict", "Match User weak", "-o MaxAuthTries=4"]
    measured = {**matched("4", "3"), "each": ["4", "3", "9"], "out_of_reach": {"value": places}}
    held = assigned(tries())

    (record,) = judging.judge(held, answers(held, (TRIES, ok(measured))), "debian-12", today=TODAY)

    assert judging.left(record)
    assert said.english(record.reason).endswith("change or take out Match User weak, -o MaxAuthTries=4")


@pytest.mark.parametrize(("first", "left"), [("no", True), ("yes", False)])
def test_a_control_is_left_only_where_nothing_of_it_can_be_brought_about(first: str, left: bool) -> None:
    held = assigned(control(checks=[check("equals", "no", ROOT, "value"), check("at_most", 4, TRIES, "value")]))
    found = answers(held, (ROOT, ok({"value": first})), (TRIES, ok(matched("4", "9"))))

    (record,) = judging.judge(held, found, "debian-12", today=TODAY)

    assert (record.status, judging.left(record)) == ("drift", left)


@pytest.mark.parametrize(
    "more",
    [
        {"within_reach": {}},
        {"within_reach": 7},
        {"within_reach": {"value": "many"}},
        {"within_reach": {"value": ["4"]}},
    ],
)
def test_what_is_not_said_to_be_out_of_reach_is_brought_about(more: dict[str, Any]) -> None:
    held = assigned(tries())
    found = answers(held, (TRIES, ok({**matched("4", "9"), **more})))

    (record,) = judging.judge(held, found, "debian-12", today=TODAY)

    assert (record.status, judging.left(record)) == ("drift", False)


def test_what_is_out_of_reach_is_waived_as_long_as_that_holds_and_left_afterwards() -> None:
    held = assigned(tries(), waivers={"ssh-tries": WAIVER})
    found = answers(held, (TRIES, ok(matched("4", "9"))))

    (now,) = judging.judge(held, found, "debian-12", today=TODAY)
    (later,) = judging.judge(held, found, "debian-12", today=dt.date(2027, 3, 1))

    assert (now.status, judging.left(now)) == ("waived", False)
    assert (later.status, judging.left(later)) == ("drift", True)
    assert "Match User eve" in said.english(later.reason) and "expired" in said.english(later.reason)


SUDO = {"kind": "sudo"}


@pytest.mark.parametrize(
    ("field", "rule", "measured", "left"),
    [
        (
            "defaults.use_pty",
            "is_true",
            {
                "defaults": {"use_pty": False, "timestamp_timeout": 5},
                "within_reach": {"defaults": {"use_pty": True}},
                "out_of_reach": {"defaults": {"use_pty": ["Defaults for bert"]}},
            },
            "Defaults for bert",
        ),
        (
            "defaults.timestamp_timeout",
            "at_most",
            {
                "defaults": {"use_pty": False, "timestamp_timeout": 50},
                "within_reach": {"defaults": {"use_pty": True}},
                "out_of_reach": {"defaults": {"use_pty": ["Defaults for bert"]}},
            },
            "",
        ),
        (
            "files_wrong",
            "empty",
            {
                "files_wrong": ["/opt/rules 0644 root:root"],
                "within_reach": {"files_wrong": []},
                "out_of_reach": {"files_wrong": ["/opt/rules 0644 root:root"]},
            },
            "/opt/rules 0644 root:root",
        ),
        (
            "files_wrong",
            "empty",
            {
                "files_wrong": ["/opt/rules 0644 root:root", "/etc/sudoers 0644 root:root"],
                "within_reach": {"files_wrong": ["/etc/sudoers 0644 root:root"]},
                "out_of_reach": {"files_wrong": ["/opt/rules 0644 root:root"]},
            },
            "",
        ),
    ],
)
def test_what_stands_in_files_of_sudo_that_no_role_changes_is_left_field_by_field(
    field: str, rule: str, measured: dict[str, Any], left: str
) -> None:
    held = assigned(control(checks=[check(rule, 5 if rule == "at_most" else None, SUDO, field)]))

    (record,) = judging.judge(held, answers(held, (SUDO, ok(measured))), "debian-12", today=TODAY)

    assert (record.status, judging.left(record)) == ("drift", bool(left))
    assert left in said.english(record.reason)


@pytest.mark.thorough
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9))
def test_a_weaker_match_block_never_passes_and_never_hides_what_a_role_can_mend(general: int, others: int) -> None:
    held = assigned(tries())
    (record,) = judging.judge(
        held, answers(held, (TRIES, ok(matched(str(general), str(others))))), "debian-12", today=TODAY
    )

    assert (record.status == "compliant") == (general <= 4 and others <= 4)
    assert judging.left(record) == (general <= 4 < others)
    assert judging.left(ControlRecord(**read(record))) == judging.left(record)


def test_a_check_names_its_kind_and_its_field_where_that_says_more() -> None:
    made = control(checks=[check("only", ["root"], {"kind": "accounts"}, "uid0")])
    (record,) = judge(assigned(made), ({"kind": "accounts"}, ok({"uid0": ["root", "toor"]})))
    assert (record.desired, record.found) == (
        "accounts with root's number: only root",
        "accounts with root's number: also toor",
    )


def test_what_two_checks_say_alike_is_said_once_and_files_are_named() -> None:
    probes = [
        {"kind": "file_rights", "paths": paths, "mode": "0600"}
        for paths in (["/etc/crontab"], ["/etc/cron.d", "/etc/cron.daily"], ["/etc/cron.d", "/etc/cron.hourly"])
    ]
    made = control(checks=[check("empty", None, probe, "wrong") for probe in probes])
    (record,) = judge(assigned(made), *((probe, ok({"wrong": []})) for probe in probes))
    assert (
        record.desired
        == record.found
        == ("wrong rights in /etc/crontab: nothing; wrong rights in /etc/cron.d + 1: nothing")
    )


# -- no evidence is never a pass ----------------------------------------------------------------------------------


def test_what_nobody_measured_is_unknown_with_the_reason() -> None:
    records = judging.judge(assigned(), None, "debian-12", today=TODAY, unmeasured="unreachable")
    assert [(record.status, record.reason, record.found) for record in records] == [("unknown", "unreachable", "")] * 2
    assert judging.judge(assigned(), None, "", today=TODAY)[0].reason == judging.NOT_MEASURED


def test_on_a_host_that_does_not_say_what_it_is_everything_is_unknown() -> None:
    held = assigned()
    records = judging.judge(held, answers(held), "", today=TODAY)
    assert [record.status for record in records] == ["unknown", "unknown"]


def test_a_probe_that_could_not_measure_makes_an_error() -> None:
    record = root((ROOT, {"state": "error", "reason": "sshd -T: timed out"}))
    assert (record.status, record.found) == ("error", "")
    assert record.reason == "permitrootlogin: sshd -T: timed out"


def test_what_is_not_on_the_host_is_drift() -> None:
    record = root((ROOT, {"state": "absent", "reason": "there is no sshd"}))
    assert (record.status, record.found) == ("drift", "permitrootlogin: there is no sshd")


@pytest.mark.parametrize("answer", [None, {}, [], "ok", {"state": "fine", "value": {"value": "no"}}, {"value": {}}])
def test_an_answer_that_is_none_makes_an_error(answer: Any) -> None:
    record = root((ROOT, answer))
    assert (record.status, record.reason) == ("error", "permitrootlogin: the host gave no answer")


@pytest.mark.parametrize("value", [None, {}, [], {"values": ["no"]}])
def test_an_answer_without_what_is_asked_makes_an_error(value: Any) -> None:
    assert root((ROOT, ok(value))).status == "error"


def test_an_answer_of_another_kind_than_the_rule_makes_an_error() -> None:
    (record,) = judge(assigned(tries()), (TRIES, ok({"value": ["4"]})))
    assert (record.status, record.reason) == ("error", "maxauthtries: 4 is no number")


def test_one_check_that_does_not_hold_is_drift_whatever_another_could_tell() -> None:
    made = control(checks=[check("equals", "no", ROOT, "value"), check("at_most", 4, TRIES, "value")])
    (record,) = judge(assigned(made), (ROOT, {"state": "error", "reason": "broken"}), (TRIES, ok({"value": "9"})))
    assert (record.status, record.found, record.reason) == ("drift", "maxauthtries: 9", "permitrootlogin: broken")


# -- not applicable only where the control says so ----------------------------------------------------------------


def test_a_control_says_nothing_of_platforms_that_it_does_not_name() -> None:
    held = assigned(control(platforms=["redhat"]))
    (record,) = judge(held)
    assert (record.status, record.found) == ("not applicable", "")
    assert record.reason == "only for redhat; the host runs debian-12"


@pytest.mark.parametrize(
    ("platform", "family"),
    [
        ("debian-13", "debian"),
        ("ubuntu-24.04", "ubuntu"),
        ("rhel-9", "redhat"),
        ("Rocky-9.4", "redhat"),
        ("almalinux-9", "redhat"),
        ("redhat", "redhat"),
        ("arch", "arch"),
    ],
)
def test_a_platform_is_of_a_family(platform: str, family: str) -> None:
    assert judging.family(platform) == family


def test_a_condition_that_holds_makes_a_control_not_applicable_with_its_reason() -> None:
    record = root((SERVER, ok({"installed": False})), (ROOT, {"state": "absent", "reason": "no sshd"}))
    assert (record.status, record.reason, record.found) == ("not applicable", "there is no ssh server", "")


def test_a_condition_that_cannot_be_told_makes_an_error_even_where_the_checks_hold() -> None:
    record = root((SERVER, {"state": "error", "reason": "dpkg is locked"}))
    assert record.status == "error"
    assert record.reason == "whether it applies can't be told: openssh-server installed: dpkg is locked"


def test_a_condition_that_holds_is_enough_whatever_another_could_tell() -> None:
    because = {"en": "no sshd", "nl": "geen sshd"}
    condition = {**check("absent", probe=ROOT), "because": because}
    held = assigned(control(not_applicable_when=[*control()["not_applicable_when"], condition]))
    (record,) = judge(held, (SERVER, {"state": "error", "reason": "x"}), (ROOT, {"state": "absent", "reason": "y"}))
    assert (record.status, record.reason) == ("not applicable", "no sshd")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"state": "absent", "reason": "no sshd"}, "not applicable"),
        ({"state": "error", "reason": "broken"}, "error"),
        (ok({"value": "no"}), "compliant"),
        (ok({"value": "yes"}), "drift"),
    ],
)
def test_absent_holds_only_where_the_host_says_that_it_has_no_such_thing(answer: Any, status: str) -> None:
    condition = {**check("absent", probe=ROOT), "because": {"en": "no sshd", "nl": "geen sshd"}}
    assert root((ROOT, answer), not_applicable_when=[condition]).status == status


def test_another_condition_does_not_hold_of_what_is_absent() -> None:
    record = root((SERVER, {"state": "absent", "reason": "no package manager"}))
    assert record.status == "compliant"


# -- waivers ------------------------------------------------------------------------------------------------------


def waived(today: dt.date, answer: Any) -> ControlRecord:
    held = assigned(tries(), today=TODAY, waivers={"ssh-tries": WAIVER})
    (record,) = judge(held, (TRIES, answer), today=today)
    return record


LAST = dt.date(2027, 1, 31)


def test_drift_that_the_customer_agreed_to_is_waived_and_stays_visible() -> None:
    record = waived(LAST, ok({"value": "9"}))
    assert (record.status, record.found) == ("waived", "maxauthtries: 9")
    assert record.reason == "waived until 2027-01-31 by Noor: The till needs it"
    assert record.waiver == WAIVER


def test_a_waiver_that_expired_is_drift_and_says_so() -> None:
    record = waived(LAST + dt.timedelta(days=1), ok({"value": "9"}))
    assert record.status == "drift"
    assert record.reason == "the waiver of Noor expired on 2027-01-31: The till needs it"
    assert record.waiver == WAIVER


@pytest.mark.parametrize(
    ("answer", "status"), [(ok({"value": "4"}), "compliant"), ({"state": "error", "reason": "x"}, "error")]
)
def test_a_waiver_makes_nothing_of_what_is_no_drift(answer: Any, status: str) -> None:
    record = waived(TODAY, answer)
    assert (record.status, record.waiver) == (status, WAIVER)
    assert "waive" not in str(record.reason)


# -- before and after ---------------------------------------------------------------------------------------------


def record(status: str, control: str = "ssh-tries", found: str = "x") -> ControlRecord:
    return ControlRecord(control, "high", status, "y", found)


@pytest.mark.parametrize("before", model.STATUSES)
@pytest.mark.parametrize("later", model.STATUSES)
def test_only_what_was_drift_and_is_compliant_is_fixed(before: str, later: str) -> None:
    (found,) = told(judging.after([record(before, found="9")], [record(later)]))
    fixed = (before, later) == ("drift", "compliant")
    assert found.status == ("fixed" if fixed else later)
    assert found.reason == ("was 9" if fixed else "")


def test_a_control_that_nobody_looked_at_before_is_not_fixed() -> None:
    assert judging.after([record("drift", "other")], [record("compliant")]) == (record("compliant"),)


# -- whatever comes -----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "installed", "uid0", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
ANSWER = JSON | st.fixed_dictionaries(
    {"state": st.sampled_from(["ok", "absent", "error", "odd"])}, optional={"value": JSON, "reason": JSON}
)


def read(one: ControlRecord) -> dict[str, Any]:
    """A record as a page gets it out of the store."""
    kept = one.as_dict()
    return {**kept, **{name: said.read(kept[name]) for name in ("desired", "found", "reason")}}


HELD = assigned(
    control(checks=[check("equals", "no", ROOT, "value"), check("only", ["root"], {"kind": "accounts"}, "uid0")]),
    tries(),
    tries(id="ssh-waived"),
    waivers={"ssh-waived": WAIVER},
)


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(
    answered=st.none() | st.dictionaries(st.sampled_from(["p1", "p2", "p3", "p4", "p5"]), ANSWER),
    platform=st.sampled_from(["debian-12", "arch", ""]),
    today=st.dates(dt.date(2026, 1, 1), dt.date(2028, 1, 1)),
)
def test_every_control_has_one_record_and_passes_only_by_what_was_measured(
    answered: dict[str, Any] | None, platform: str, today: dt.date
) -> None:
    judged = judging.judge(HELD, answered, platform, today=today)
    records = told(judged)
    assert [one.control for one in records] == [one.control.id for one in HELD.controls]
    measured = answered is not None and platform == "debian-12"
    assert [ControlRecord(**read(one)) for one in judged] == list(judged)
    for one in records:
        assert one.status in model.STATUSES
        texts = [str(one.told()[name]) for name in ("desired", "found", "reason")]
        assert all(text.isprintable() and len(text) <= said.LONGEST for text in texts)
        assert one.status in ("compliant", "drift") or one.reason
        assert measured or one.status in ("unknown", "not applicable")
    if records[1].status == "compliant":
        assert answered is not None and answered["p4"]["state"] == "ok"
        assert int(answered["p4"]["value"]["value"]) <= 4
