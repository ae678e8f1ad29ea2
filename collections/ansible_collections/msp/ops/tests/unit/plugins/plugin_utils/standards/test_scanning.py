# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a host's answer to the record of its check: every assigned control is in it, whatever the host sent."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.standards import course, model, probing, said, scanning
from ansible_collections.msp.ops.plugins.plugin_utils.standards.scanning import Answer
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards import made_standard

AT = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
ASSET = Subject("srv01", "harbour-dental", "device:1")
ASSIGNED = made_standard.assigned()
GONE = MspError("MSP-AUD-003", "an answer", "no route to host", "look at the cable")


def answer(root: str = "no", tries: str | None = "3") -> Answer:
    """As a host gives it, by the ids of the probes: what its ssh server is set to, None for what it could not tell."""
    values = {
        "permitrootlogin": {"value": root},
        "maxauthtries": {"value": tries},
        "openssh-server": {"installed": True},
    }
    found = {one["id"]: {"state": "ok", "value": values[one["name"]]} for one in probing.probes(ASSIGNED)[0]}
    silent = {one["id"] for one in probing.probes(ASSIGNED)[0] if tries is None and one["name"] == "maxauthtries"}
    return Answer("ok", found | {one: {"state": "error", "reason": "no answer"} for one in silent}, "debian-12", 0.25)


def checked(found: Answer, **more: Any) -> tuple[Any, tuple[model.ControlRecord, ...]]:
    return scanning.check(ASSET, ASSIGNED, found, AT, AT.date(), **{"phase": "before", **more})


def told(found: Answer, before: dict[str, str] | None = None, *, diff: bool = False, **more: Any) -> dict[str, Any]:
    return scanning.told(ASSIGNED, found, checked(found, **more)[1], before, today=AT.date(), diff=diff)


def test_what_the_module_packed_is_read() -> None:
    packed = pack({"answers": {"p1": {"state": "ok", "value": 1}}, "platform": "debian-12", "seconds": 0.5})

    found = scanning.read("srv01", {"packed": packed})

    assert found == Answer("ok", {"p1": {"state": "ok", "value": 1}}, "debian-12", 0.5)


@pytest.mark.parametrize(
    "sent",
    [
        "not packed",
        pack({"answers": {}, "platform": "debian-12"}),
        pack({"answers": [], "platform": "debian-12", "seconds": 1}),
        pack({"answers": {}, "platform": 12, "seconds": 1}),
        pack({"answers": {}, "platform": "debian-12", "seconds": "soon"}),
        pack({"answers": {}, "platform": "debian-12", "seconds": 10**400}),
        pack({"answers": {}, "platform": "debian-12", "seconds": float("nan")}),
        pack([]),  # type: ignore[arg-type]
    ],
)
def test_an_answer_of_another_shape_is_a_failed_attempt_and_says_so(sent: str) -> None:
    found = scanning.read("srv01", {"packed": sent})

    assert (found.outcome, found.answers) == ("failed", {})
    assert found.error is not None
    assert found.error.code == "MSP-STD-165"


def test_a_module_that_failed_is_told_in_its_own_words_and_a_missing_python_as_that() -> None:
    refused = scanning.read("srv01", {"failed": True, "msg": "a password is required"}).error
    bare = scanning.read("srv01", {"failed": True, "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found"}).error

    assert refused is not None
    assert bare is not None
    assert (refused.code, "a password is required" in refused.found) == ("MSP-STD-163", True)
    assert (bare.code == "MSP-STD-163", "python" in bare.found) == (False, True)


def test_the_record_has_each_control_and_whose_host_it_is() -> None:
    record, found = checked(answer(root="yes"), run="run-1")

    assert (record.customer, record.asset, record.host) == ("harbour-dental", "device:1", "srv01")
    assert (record.at, record.phase, record.outcome, record.run) == (AT, "before", "ok", "run-1")
    assert (record.standard, record.version, record.error) == ("linux-server", "1.0", None)
    assert record.records == tuple(one.as_dict() for one in found)
    assert {one.control: one.status for one in found} == {"ssh-root-login": "drift", "ssh-tries": "compliant"}


def test_a_host_that_gave_no_answer_has_every_control_unknown_and_why() -> None:
    record, found = checked(Answer("unreachable", error=GONE))

    assert record.outcome == "unreachable"
    assert "MSP-AUD-003" in (record.error or "")
    told = [(one.status, said.english(one.reason)) for one in found]
    assert told == [("unknown", "unreachable: no route to host")] * 2


def test_a_host_that_was_not_begun_has_every_control_unknown_and_why() -> None:
    why = scanning.not_begun("srv01", "ring pilot of office: 1 of 1 failed, 0 may")

    record, found = checked(Answer(scanning.NOT_ATTEMPTED, error=why))

    assert (record.outcome, len(found)) == ("not attempted", len(ASSIGNED.controls))
    assert {(one.status, said.english(one.reason)) for one in found} == {
        ("unknown", "not attempted: ring pilot of office: 1 of 1 failed, 0 may")
    }


def test_what_was_drift_before_and_holds_now_is_fixed() -> None:
    before = scanning.drift(told(answer(root="yes"))["drift"])

    record, found = checked(answer(), phase="after", drifted=before)

    assert {one.control: one.status for one in found} == {"ssh-root-login": "fixed", "ssh-tries": "compliant"}
    assert record.phase == "after"


@pytest.mark.parametrize("rows", [[{"control": "ssh-tries"}], ["ssh-tries"], [None], 7])
def test_drift_that_is_none_is_refused(rows: Any) -> None:
    with pytest.raises(MspError) as caught:
        scanning.drift(rows)

    assert caught.value.code == "MSP-STD-162"


def test_only_what_drifts_is_to_be_brought_about_and_what_could_not_be_measured_is_said_and_left() -> None:
    found = told(answer(root="yes", tries=None))

    assert found["counts"] == {"drift": 1, "error": 1}
    assert found["enforce"] == {"msp_baseline_linux": ["ssh-root-login"]}
    assert [(row["control"], row["status"]) for row in found["unmeasured"]] == [("ssh-tries", "error")]
    assert list(scanning.left_alone(found)) == ["not measured, so left as it is: ssh-tries"]
    assert found["seconds"] == 0.25


SAFE = made_standard.tries(lockout=None, enforce_unmeasured=True)


def test_what_could_not_be_measured_is_brought_about_where_the_control_says_that_it_is_safe() -> None:
    found, silent = scan(made_standard.assigned(made_standard.control(), SAFE), answer(tries=None))

    assert found["enforce"] == {"msp_baseline_linux": ["ssh-tries"]}
    assert ([row["control"] for row in found["drift"]], found["unmeasured"]) == (["ssh-tries"], [])
    assert silent["ssh-tries"] == "error"


@pytest.mark.parametrize("expires", ["2026-11-26", "2027-01-31", "2026-11-25"])
@pytest.mark.parametrize("tries", ["9", None])
def test_a_waiver_that_holds_keeps_a_control_from_being_brought_about_whatever_was_found(
    expires: str, tries: str | None
) -> None:
    waiver = {**made_standard.WAIVER, "expires": expires}
    held = made_standard.assigned(made_standard.control(), SAFE, waivers={"ssh-tries": waiver})

    found, _statuses = scan(held, answer(tries=tries))

    over = expires < AT.date().isoformat()
    assert found["enforce"] == ({"msp_baseline_linux": ["ssh-tries"]} if over else {})


@pytest.mark.thorough
@given(
    st.sampled_from(["no", "yes"]),
    st.sampled_from(["3", "9", None]),
    st.sets(st.sampled_from(["ssh-root-login", "ssh-tries"])),
    st.booleans(),
    st.booleans(),
)
def test_nothing_is_ever_brought_about_that_is_waived_today(
    root: str, tries: str | None, waived: set[str], safe: bool, over: bool
) -> None:
    waiver = {**made_standard.WAIVER, **({"expires": "2026-11-25"} if over else {})}
    second = SAFE if safe else made_standard.tries()
    held = made_standard.assigned(made_standard.control(), second, waivers=dict.fromkeys(waived, waiver))

    found, statuses = scan(held, answer(root, tries))

    enforced = {control for controls in found["enforce"].values() for control in controls}
    assert over or not enforced & waived
    assert enforced == {row["control"] for row in found["drift"]}
    off = {control for control, status in statuses.items() if status in ("drift", "error")}
    assert enforced <= off
    # Whatever is off and left is waived, or said.
    assert off - enforced <= waived | {row["control"] for row in found["unmeasured"]}


def scan(held: model.Assigned, found: Answer) -> tuple[dict[str, Any], dict[str, str]]:
    """What is told of another set of controls, and the status of each."""
    records = scanning.check(ASSET, held, found, AT, AT.date(), phase="before")[1]
    told = scanning.told(held, found, records, None, today=AT.date(), diff=False)
    return told, {one.control: one.status for one in records}


# -- what somebody has to decide first ----------------------------------------------------------------------------

DECIDE: dict[str, Any] = {
    **made_standard.check("equals", "yes", {"kind": "sshd", "name": "permitrootlogin"}, "value"),
    "because": {"en": "root is used", "nl": "root wordt gebruikt"},
}


def deciding(**more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """One control that asks first, and one that goes with it."""
    first = made_standard.control(decide_when=[{**DECIDE, **more}])
    return first, made_standard.tries(together=["ssh-root-login"])


def test_what_is_to_be_decided_first_is_said_and_not_brought_about_nor_what_goes_with_it() -> None:
    found, statuses = scan(made_standard.assigned(*deciding()), answer(root="yes", tries="9"))

    assert statuses == {"ssh-root-login": "drift", "ssh-tries": "drift"}
    assert (found["enforce"], found["drift"]) == ({}, [])
    assert [row["control"] for row in found["undecided"]] == ["ssh-root-login", "ssh-tries"]
    assert found["undecided"][0]["reason"] == "needs a decision first: root is used (permitrootlogin: yes)"
    (warning,) = scanning.left_alone(found)
    assert "MSP-STD-200" in warning and "ssh-root-login, ssh-tries" in warning


def test_where_it_was_chosen_or_nothing_asks_for_it_nothing_is_to_be_decided() -> None:
    chosen = {"ssh-root-login": {"allowed": "no"}}
    held = made_standard.assigned(*deciding(unless_chosen="allowed"), parameters=chosen)
    assert scan(held, answer(root="yes"))[0]["enforce"] == {"msp_baseline_linux": ["ssh-root-login"]}

    undecided = made_standard.assigned(*deciding(unless_chosen="allowed"))
    assert scan(undecided, answer(root="yes"))[0]["enforce"] == {}
    prohibit = scan(undecided, answer(root="prohibit-password"))[0]
    assert prohibit["enforce"] == {"msp_baseline_linux": ["ssh-root-login"]}


def test_what_cannot_be_told_is_decided_by_somebody() -> None:
    probe = {"probe": {"kind": "sshd", "name": "maxauthtries"}, "value": "9"}
    held = made_standard.assigned(*deciding(**probe))

    found, statuses = scan(held, answer(root="yes", tries=None))

    assert (statuses["ssh-root-login"], found["enforce"]) == ("drift", {})
    assert "no answer" in found["undecided"][0]["reason"]


def test_a_diff_shows_what_is_to_be_decided() -> None:
    held = made_standard.assigned(*deciding())
    records = scanning.check(ASSET, held, answer(root="yes"), AT, AT.date(), phase="before")[1]

    found = scanning.told(held, answer(root="yes"), records, None, today=AT.date(), diff=True)

    assert found["diff"]["before"] == (
        "ssh-root-login: permitrootlogin: yes; needs a decision first: root is used (permitrootlogin: yes)\n"
    )


def test_a_waiver_of_the_control_that_another_one_is_a_part_of_holds_for_both() -> None:
    controls = (made_standard.control(), made_standard.tries(waived_with="ssh-root-login"))
    held = made_standard.assigned(*controls, waivers={"ssh-root-login": made_standard.WAIVER})

    found, statuses = scan(held, answer(root="yes", tries="9"))

    assert (statuses, found["enforce"]) == ({"ssh-root-login": "waived", "ssh-tries": "waived"}, {})
    other = made_standard.assigned(*controls, waivers={"ssh-tries": made_standard.WAIVER})
    assert scan(other, answer(root="yes", tries="9"))[1] == {"ssh-root-login": "drift", "ssh-tries": "waived"}


def test_of_two_waivers_the_one_that_holds_longest_counts() -> None:
    over = {**made_standard.WAIVER, "expires": "2026-01-01"}
    controls = (made_standard.control(), made_standard.tries(waived_with="ssh-root-login"))
    held = made_standard.assigned(*controls, waivers={"ssh-root-login": made_standard.WAIVER, "ssh-tries": over})

    assert scan(held, answer(tries="9"))[1]["ssh-tries"] == "waived"


def test_a_role_gets_the_parameters_of_all_its_controls_also_where_nothing_is_to_do() -> None:
    found = told(answer())

    assert (found["enforce"], found["drift"]) == ({}, [])
    assert found["parameters"] == {
        "msp_baseline_linux": {"ssh-root-login": {"allowed": "no"}, "ssh-tries": {"most": 4}}
    }


def test_a_waived_control_is_counted_and_left_alone() -> None:
    assigned = made_standard.assigned(waivers={"ssh-root-login": made_standard.WAIVER})
    found = answer(root="yes")
    records = scanning.check(ASSET, assigned, found, AT, AT.date(), phase="before")[1]

    said = scanning.told(assigned, found, records, None, today=AT.date(), diff=False)

    assert (said["counts"], said["enforce"]) == ({"waived": 1, "compliant": 1}, {})
    assert "ssh-root-login" in said["parameters"]["msp_baseline_linux"]
    assert said["held"] == ["ssh-tries"]


@pytest.mark.parametrize("remove", [False, True])
def test_what_a_standard_does_not_have_put_right_by_itself_is_drift_and_left_to_a_person(remove: bool) -> None:
    root = made_standard.control()
    gated = {**root["parameters"], "remove": {"type": "boolean", "default": False}}
    made = made_standard.control(parameters=gated, enforced_if="remove")
    assigned = made_standard.assigned(
        made, made_standard.tries(), parameters={"ssh-root-login": {"remove": remove}} if remove else {}
    )
    found = answer(root="yes")
    records = scanning.check(ASSET, assigned, found, AT, AT.date(), phase="before")[1]

    said = scanning.told(assigned, found, records, None, today=AT.date(), diff=False)

    assert [one["control"] for one in said["drift"]] == ["ssh-root-login"]
    assert [one.left for one in scanning.records(said) or () if one.control] == [not remove]
    assert said["left"] == ([] if remove else ["ssh-root-login"])
    assert said["enforce"] == ({"msp_baseline_linux": ["ssh-root-login"]} if remove else {})


def test_what_only_a_person_can_put_right_is_drift_and_never_brought_about() -> None:
    assigned = made_standard.assigned(made_standard.control(by_hand=True), made_standard.tries())
    found = answer(root="yes")
    records = scanning.check(ASSET, assigned, found, AT, AT.date(), phase="before")[1]

    said = scanning.told(assigned, found, records, None, today=AT.date(), diff=False)

    assert (said["left"], said["enforce"]) == (["ssh-root-login"], {})
    assert [(one["control"], one["left"]) for one in said["drift"]] == [("ssh-root-login", True)]
    # On record too, for what is measured by it; others are as they were before that was said.
    kept = [one.as_dict() for one in records]
    assert [one.get("left") for one in kept] == [True, None]


def matched(general: str) -> Answer:
    """root may log in where a Match block says so; general is what holds for everybody else."""
    found = answer(root="yes")
    probe = next(one["id"] for one in probing.probes(ASSIGNED)[0] if one["name"] == "permitrootlogin")
    where = {"within_reach": {"value": general}, "out_of_reach": {"value": ["Match User root"]}}
    value = {"value": f"{general}; yes for Match User root", "each": [general, "yes"], **where}
    return replace(found, answers={**found.answers, probe: {"state": "ok", "value": value}})


def test_drift_that_no_role_reaches_is_left_to_a_person_and_no_role_runs_for_it() -> None:
    found = told(matched("no"), diff=True)

    assert (found["counts"], found["enforce"], found["left"]) == ({"drift": 1, "compliant": 1}, {}, ["ssh-root-login"])
    (row,) = found["drift"]
    assert "by hand" in row["reason"] and "Match User root" in row["reason"]
    assert row["reason"] in found["diff"]["before"]
    assert (found["undecided"], found["unmeasured"], list(scanning.left_alone(found))) == ([], [], [])


def test_what_a_role_can_mend_of_it_is_mended_and_the_rest_is_left_then() -> None:
    before = told(matched("yes"))
    after = told(matched("no"), phase="after", drifted=scanning.drift(before["drift"]))

    assert (before["enforce"], before["left"]) == ({"msp_baseline_linux": ["ssh-root-login"]}, [])
    assert (after["enforce"], after["left"], after["fixed"]) == ({}, ["ssh-root-login"], [])
    assert course.outcome(before, after) == course.WELL
    assert course.outcome(after, None) == course.WELL
    # Where the role did not get its part right the host is not well.
    assert course.outcome(before, before) == course.FAILED


def test_new_is_what_drifts_and_did_not_the_last_time() -> None:
    found = answer(root="yes")

    assert told(found)["new"] is None
    assert told(found, {"ssh-root-login": "compliant"})["new"] == ["ssh-root-login"]
    assert told(found, {})["new"] == ["ssh-root-login"]
    assert told(found, {"ssh-root-login": "drift"})["new"] == []


def test_of_an_attempt_that_failed_nothing_is_told_but_its_error() -> None:
    found = told(Answer("failed", error=GONE))

    assert set(found) == {"outcome", "standard", "version", "counts", "msg", "error"}
    assert list(scanning.left_alone(found)) == []
    assert (found["counts"], found["error"]["code"]) == ({"unknown": 2}, "MSP-AUD-003")


def test_a_diff_shows_what_is_and_what_should_be_and_of_what_was_put_right_what_it_was() -> None:
    found = told(answer(root="yes"), diff=True)
    assert found["diff"]["before"] == "ssh-root-login: permitrootlogin: yes\n"
    assert found["diff"]["after"] == "ssh-root-login: permitrootlogin: no\n"

    after = told(answer(), diff=True, drifted=scanning.drift(found["drift"]))
    assert after["fixed"] == ["ssh-root-login"]
    assert after["diff"]["before"] == "ssh-root-login: was permitrootlogin: yes\n"
    assert after["diff"]["after"] == "ssh-root-login: permitrootlogin: no\n"

    assert "diff" not in told(answer(), diff=True)
    assert "diff" not in told(answer(root="yes"))


@settings(max_examples=60)
@given(st.sampled_from(["no", "yes", "prohibit-password"]), st.sampled_from(["0", "3", "9", "", None]))
def test_the_records_out_of_a_result_count_as_the_check_itself(root: str, tries: str | None) -> None:
    found = checked(answer(root, tries))[1]

    read = scanning.records(told(answer(root, tries)))

    assert read is not None
    assert Counter(one.status for one in read) == Counter(one.status for one in found)
    assert [one.told() for one in read if one.control] == [one.told() for one in found if one.status == "drift"]


@pytest.mark.parametrize("result", [None, {}, {"outcome": "failed"}, {"skipped": True}, {"outcome": "no standard"}])
def test_a_host_that_was_not_measured_has_no_records(result: dict[str, Any] | None) -> None:
    assert scanning.records(result) is None
