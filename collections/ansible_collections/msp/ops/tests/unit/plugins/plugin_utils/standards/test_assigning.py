"""What an asset is held to, out of its config context; or everything that is wrong in it, and then nothing."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Agreement, Assigned, Waiver
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards.made_standard import (
    AGREED,
    TODAY,
    WAIVER,
    context,
    control,
    controls,
    own,
    shipped,
    standard,
    tries,
)

CONTROLS = controls(control(), tries(), tries(id="ssh-forwarding"))
SHIPPED = shipped(CONTROLS, standard(), standard("linux-till", extends="linux-server", controls={"ssh-forwarding": {}}))


def assign(found: Any, of_own: Any = None) -> Assigned:
    return assigning.assign_of(found, of_own, CONTROLS, SHIPPED, today=TODAY)


def refused(found: Any, of_own: Any = None) -> list[MspError]:
    with pytest.raises(MspErrors) as raised:
        assign(found, of_own)
    return raised.value.errors


def only(found: Any, of_own: Any = None) -> MspError:
    (error,) = refused(found, of_own)
    return error


def parameters(assigned: Assigned) -> dict[str, Any]:
    return {one.control.id: one.parameters for one in assigned.controls}


# -- what is assigned ---------------------------------------------------------------------------------------------


def test_an_asset_has_every_control_of_its_standard_with_the_defaults() -> None:
    found = assign(context())
    assert (found.standard, found.version, found.asset_class) == ("linux-server", "1.0", "linux-server")
    assert parameters(found) == {"ssh-root-login": {"allowed": "no"}, "ssh-tries": {"most": 4}}
    assert [one.waiver for one in found.controls] == [None, None]


def test_the_controls_of_what_a_standard_extends_come_with_it_in_the_order_of_the_catalogue() -> None:
    found = assign(context(name="linux-till"))
    assert [one.control.id for one in found.controls] == ["ssh-root-login", "ssh-tries", "ssh-forwarding"]


def test_what_a_customer_chose_is_before_what_the_standard_chose() -> None:
    mine = {"till": own(controls={"ssh-tries": {"most": 3}, "ssh-root-login": {"allowed": "prohibit-password"}})}
    found = assign(context(name="till", version="3", parameters={"ssh-tries": {"most": 2}}), mine)
    assert (found.standard, found.version) == ("till", "3")
    assert parameters(found) == {"ssh-root-login": {"allowed": "prohibit-password"}, "ssh-tries": {"most": 2}}


def test_an_own_standard_may_leave_a_control_out() -> None:
    mine = {"till": own(without={"ssh-tries": "its maker logs in"})}
    assert list(parameters(assign(context(name="till"), mine))) == ["ssh-root-login"]


def test_own_standards_may_extend_each_other() -> None:
    mine = {"till": own(controls={"ssh-tries": {"most": 3}}), "till-old": own(extends="till", version="3.1")}
    assert parameters(assign(context(name="till-old"), mine))["ssh-tries"] == {"most": 3}


def test_a_waiver_is_read() -> None:
    found = assign(context(waivers={"ssh-tries": WAIVER}))
    assert found.controls[1].waiver == Waiver(
        "The till needs it",
        "Noor",
        dt.date(2027, 1, 31),
        Agreement("A. Bakker", dt.date(2026, 11, 1), "mail of 1 November"),
    )
    assert found.controls[1].waiver.as_dict() == WAIVER


def test_an_expired_waiver_is_no_error_for_the_judging_says_it() -> None:
    (_first, second) = assign(context(waivers={"ssh-tries": {**WAIVER, "expires": "2026-11-02"}})).controls
    assert second.waiver is not None and not second.waiver.holds(TODAY)


def test_what_a_customer_sets_for_other_standards_is_told_and_changes_nothing() -> None:
    settings_of_all = {"parameters": {"ssh-forwarding": {"most": 2}}, "waivers": {"ssh-forwarding": WAIVER}}
    found = assign(context(**settings_of_all))
    assert found.unused == ("ssh-forwarding",)
    assert parameters(found) == parameters(assign(context()))
    assert assign(context(name="linux-till", **settings_of_all)).unused == ()


def test_values_are_copies_and_nobody_can_change_what_others_have() -> None:
    lists = {"users": {"type": "list", "items": {"type": "string", "pattern": "[a-z]+"}, "default": ["ops"]}}
    check = {"probe": {"kind": "accounts"}, "field": "uid0", "rule": "only", "value": {"parameter": "users"}}
    known = controls(control(parameters=lists, checks=[check]))
    standards = shipped(known, standard(controls={"ssh-root-login": {}}))
    chosen = context(parameters={"ssh-root-login": {"users": ["noor"]}})
    first = assigning.assign_of(context(), None, known, standards, today=TODAY)
    first.controls[0].parameters["users"].append("x")
    second = assigning.assign_of(chosen, None, known, standards, today=TODAY)
    second.controls[0].parameters["users"].append("x")
    assert known["ssh-root-login"].parameters["users"].default == ["ops"]
    assert chosen["parameters"] == {"ssh-root-login": {"users": ["noor"]}}


# -- what is wrong ------------------------------------------------------------------------------------------------


def test_an_asset_without_a_standard_is_told() -> None:
    error = only(None)
    assert (error.code, error.found) == ("MSP-STD-010", "none")


@pytest.mark.parametrize("found", [[], "linux-server", 1, {}, {"name": 3}, {"name": "Linux Server"}])
def test_what_is_no_assignment_is_refused(found: Any) -> None:
    assert {error.code for error in refused(found)} == {"MSP-STD-011"}


def test_an_unknown_key_is_named() -> None:
    error = only({**context(), "waiver": {}})
    assert (error.code, error.found) == ("MSP-STD-011", "waiver")
    assert error.action == "did you mean waivers? Correct the name"


def test_an_unknown_standard_is_named_with_the_ones_there_are() -> None:
    error = only(context(name="linux-srever"), {"till": own()})
    assert (error.code, error.found) == ("MSP-STD-013", "linux-srever")
    assert error.expected == "msp_standard.name to be a standard (linux-server, linux-till, till)"


def test_a_version_that_is_not_known_is_refused() -> None:
    error = only(context(version="2.0"))
    assert (error.code, error.found) == ("MSP-STD-014", "2.0")
    assert "(1.0)" in error.expected


def test_a_version_is_text() -> None:
    assert only(context(version=1.0)).expected == 'msp_standard.version to be a version as text, as "1.0"'


def test_an_unknown_control_is_named() -> None:
    error = only(context(parameters={"ssh-trie": {"most": 2}}))
    assert (error.code, error.found) == ("MSP-STD-016", "ssh-trie")
    assert error.action == "did you mean ssh-tries? Correct the name"
    assert only(context(waivers={"ssh-trie": WAIVER})).code == "MSP-STD-016"


def test_a_parameter_that_the_control_has_not_is_named() -> None:
    error = only(context(parameters={"ssh-tries": {"moast": 2}}))
    assert (error.code, error.found) == ("MSP-STD-017", "moast")
    assert error.expected == "in msp_standard.parameters.ssh-tries only parameters of the control (most)"


@pytest.mark.parametrize("value", [1, 7, "3", True, None, [3]])
def test_a_parameter_outside_its_limits_is_named_with_them(value: Any) -> None:
    error = only(context(parameters={"ssh-tries": {"most": value}}))
    assert error.code == "MSP-STD-018"
    assert error.expected == "msp_standard.parameters.ssh-tries.most to be a whole number from 2 up to 6"


def test_limits_hold_for_own_standards_too() -> None:
    error = only(context(), {"till": own(controls={"ssh-tries": {"most": 60}})})
    assert error.code == "MSP-STD-018"
    assert error.expected.startswith("msp_standards.till.controls.ssh-tries.most to be")


@pytest.mark.parametrize("key", ["reason", "owner", "expires", "agreed"])
def test_a_waiver_without_one_of_its_four_parts_is_none(key: str) -> None:
    waiver = {name: value for name, value in WAIVER.items() if name != key}
    error = only(context(waivers={"ssh-tries": waiver}))
    assert (error.code, error.expected) == ("MSP-STD-019", f"the key msp_standard.waivers.ssh-tries.{key}")


@pytest.mark.parametrize("key", ["by", "on", "reference"])
def test_a_waiver_says_who_agreed_when_and_where_that_is(key: str) -> None:
    agreed = {name: value for name, value in AGREED.items() if name != key}
    error = only(context(waivers={"ssh-tries": {**WAIVER, "agreed": agreed}}))
    assert (error.code, error.expected) == ("MSP-STD-019", f"the key msp_standard.waivers.ssh-tries.agreed.{key}")


@pytest.mark.parametrize(
    "changes",
    [{"reason": "  "}, {"owner": ""}, {"expires": "never"}, {"agreed": True}, {"agreed": {**AGREED, "by": " "}}],
)
def test_a_waiver_with_an_empty_part_is_none(changes: dict[str, Any]) -> None:
    assert only(context(waivers={"ssh-tries": {**WAIVER, **changes}})).code == "MSP-STD-019"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"expires": "2027-02-30"}, "2027-02-30"),
        ({"agreed": {**AGREED, "on": "2026-02-31"}}, "2026-02-31"),
        ({"agreed": {**AGREED, "on": "2026-11-27"}}, "2026-11-27"),
    ],
)
def test_a_waivers_days_are_days_and_nobody_agrees_in_the_future(changes: dict[str, Any], found: str) -> None:
    error = only(context(waivers={"ssh-tries": {**WAIVER, **changes}}))
    assert (error.code, error.found) == ("MSP-STD-022", found)


def test_a_waiver_agreed_today_is_one() -> None:
    assert assign(context(waivers={"ssh-tries": {**WAIVER, "agreed": {**AGREED, "on": TODAY.isoformat()}}}))


def test_a_cycle_in_own_standards_is_named() -> None:
    mine = {"till": own(extends="till-old"), "till-old": own(extends="till")}
    error = only(context(name="till"), mine)
    assert (error.code, error.found) == ("MSP-STD-015", "till -> till-old -> till")


def test_an_own_standard_has_a_name_of_its_own() -> None:
    error = only(context(), {"linux-server": own(extends="linux-till")})
    assert (error.code, error.found) == ("MSP-STD-021", "linux-server")


def test_nothing_is_chosen_in_a_control_that_the_standard_leaves_out() -> None:
    mine = {"till": own(without={"ssh-tries": "its maker logs in"})}
    error = only(context(name="till", parameters={"ssh-tries": {"most": 2}}), mine)
    assert (error.code, error.found) == ("MSP-STD-020", "ssh-tries")
    assert "its maker logs in" in error.expected


@pytest.mark.parametrize("of_own", [[], "x", {"Till": own()}, {"till": {}}, {"till": {**own(), "controls": []}}])
def test_own_standards_that_have_not_their_form_are_refused(of_own: Any) -> None:
    assert {error.code for error in refused(context(), of_own)} == {"MSP-STD-012"}


def test_an_own_standard_that_cannot_be_read_is_not_also_unknown() -> None:
    assert {error.code for error in refused(context(name="till"), {"till": {}})} == {"MSP-STD-012"}


def test_everything_wrong_is_told_at_once() -> None:
    mine = {"a": own(extends="b"), "b": own(extends="a"), "c": own(controls={"ssh-tries": {"most": 0}, "none": {}})}
    found = context(
        name="d",
        parameters={"ssh-tries": {"most": 99}, "no-such": {}},
        waivers={"ssh-root-login": {"reason": "x"}, "neither": {**WAIVER, "expires": "2027-02-30"}},
    )
    codes = [error.code for error in refused(found, mine)]
    assert sorted(set(codes)) == [f"MSP-STD-{number:03}" for number in (13, 15, 16, 18, 19, 22)]
    assert codes.count("MSP-STD-019") == 3 and codes.count("MSP-STD-016") == 3 and codes.count("MSP-STD-018") == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "ssh-tries", "most", "waivers", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
WHOLE = context(
    version="1.0",
    parameters={"ssh-tries": {"most": 3}, "ssh-root-login": {"allowed": "no"}},
    waivers={"ssh-tries": WAIVER},
)
PLACES: list[tuple[str, ...]] = [
    (),
    ("name",),
    ("version",),
    ("parameters",),
    ("parameters", "ssh-tries"),
    ("parameters", "ssh-tries", "most"),
    ("waivers",),
    ("waivers", "ssh-tries"),
    ("waivers", "ssh-tries", "agreed"),
    ("waivers", "ssh-tries", "expires"),
]


def put(path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    made = copy.deepcopy(WHOLE)
    inner = made
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return made


@pytest.mark.thorough
@settings(max_examples=80, deadline=None)
@given(place=st.sampled_from(PLACES), value=JSON, of_own=st.none() | st.just({"till": own()}) | JSON)
def test_whatever_stands_in_a_config_context_gives_an_assignment_within_limits_or_errors(
    place: tuple[str, ...], value: Any, of_own: Any
) -> None:
    try:
        found = assign(put(place, value), of_own)
    except MspErrors as raised:
        assert all(error.code.startswith("MSP-STD-0") for error in raised.errors)
        return
    for one in found.controls:
        assert set(one.parameters) == set(one.control.parameters)
        assert one.control.id != "ssh-tries" or one.parameters["most"] in range(2, 7)


@pytest.mark.parametrize(("planned", "policy"), [(True, "none"), (False, "security")])
def test_only_an_asset_with_a_patch_plan_is_told_to_update_nothing_by_itself(planned: bool, policy: str) -> None:
    found = assigning.assign({"name": "linux-base"}, None, today=TODAY, planned=planned)

    assert parameters(found)["updates-automatic"] == {"policy": policy, "reboot": False}


def test_what_a_standard_chooses_for_updates_is_its_word_with_a_plan_and_without() -> None:
    chosen = {"name": "linux-base", "parameters": {"updates-automatic": {"policy": "download"}}}
    for planned in (True, False):
        found = assigning.assign(chosen, None, today=TODAY, planned=planned)
        assert parameters(found)["updates-automatic"]["policy"] == "download"


GIVES = {"rules": ["%admins: ALL", "%users: /usr/bin/id"]}


def server(**chosen: dict[str, Any]) -> dict[str, Any]:
    return {"name": "linux-server", "parameters": {id.replace("_", "-"): values for id, values in chosen.items()}}


def test_what_one_control_gives_and_another_would_take_away_again_is_refused() -> None:
    """Of the controls that come along: the directory's administrators, whom sudo-who would take out in each run."""
    with pytest.raises(MspErrors) as raised:
        assigning.assign(server(sso_sudo=GIVES, sudo_people={"allowed": ["%admins"]}), None, today=TODAY)

    assert [(error.code, error.found) for error in raised.value.errors] == [("MSP-SSO-009", "not %admins")]
    agreed = {"allowed": ["root", "%sudo", "%admins"]}
    found = assigning.assign(
        server(sso_sudo=GIVES, sudo_who=agreed, sudo_people={"allowed": ["%admins"]}), None, today=TODAY
    )
    assert any(held.control.id == "sso-sudo" for held in found.controls)
