"""Steps: nothing where nothing differs, only what is ours, and after them nothing more."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.awx import checking
from ansible_collections.msp.ops.plugins.plugin_utils.awx.checking import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.awx.difference import Step, diff, plan, summary
from ansible_collections.msp.ops.plugins.plugin_utils.awx.model import KEPT, SECTIONS, Found, Wanted, is_marked, marked
from ansible_collections.msp.ops.plugins.plugin_utils.awx.wanted import role_of, wanted

DATA = checking.read_directory(Path(__file__).resolve().parents[9] / "awx")
CUSTOMERS = [
    Customer("acme", "Acme BV", "Europe/Amsterdam", "nl", "site-acme", {}, {}),
    Customer("zed", "Zed", "UTC", "en", None, {}, {}),
]
ALL = wanted(DATA, CUSTOMERS)


def as_found(one: Wanted) -> Found:
    return Found(one.section, one.key, copy.deepcopy(dict(one.arguments)), ours=True)


def done(found: Sequence[Found], steps: Sequence[Step]) -> list[Found]:
    """What AWX has after these steps."""
    held = {(one.section, one.key): one for one in found}
    for step in steps:
        keys = [step.key]
        if step.section == "roles":
            kinds = ("job_templates", "workflows")
            keys = [(*step.key, kind, name) for kind in kinds for name in step.arguments.get(kind, [])]
        for key in keys:
            if step.state == "absent":
                held.pop((step.section, key))
            else:
                given = (
                    role_of(step.arguments["lookup_organization"], *key).arguments if len(key) == 4 else step.arguments
                )
                held[step.section, key] = Found(step.section, key, given, ours=True)
    return [one for one in held.values() if one.section != "roles" or _stands(one, held)]


def _stands(right: Found, held: dict[tuple[str, tuple[str, ...]], Found]) -> bool:
    """A right goes with its team and with what it is a right on."""
    team, _role, kind, name = right.key
    section = {"job_templates": "job_templates", "workflows": "workflow_job_templates"}[kind]
    return ("teams", (team,)) in held and (section, (name,)) in held


def test_an_empty_awx_is_told_all_of_it_in_an_order_that_works() -> None:
    steps = plan(ALL, [], most_removed=0)
    places = [SECTIONS.index(step.section) for step in steps]
    assert places == sorted(places)
    assert {step.section for step in steps} == set(SECTIONS)


def test_where_nothing_differs_there_is_nothing_to_do() -> None:
    assert plan(ALL, [as_found(one) for one in ALL], most_removed=0) == []


@pytest.mark.thorough
@given(st.data())
def test_after_the_steps_there_are_none_left_and_strangers_are_as_they_were(data: st.DataObject) -> None:
    """Any part of it there, any part of that changed, and things of others and old ones of ours beside it."""
    there = [
        as_found(one) for one in data.draw(st.lists(st.sampled_from(ALL), unique_by=lambda one: (one.section, one.key)))
    ]
    there = [one for one in there if one.section != "roles"]
    changed = data.draw(st.sets(st.sampled_from(range(len(there))))) if there else set()
    for place in changed:
        name = data.draw(st.sampled_from(sorted(there[place].arguments)))
        was = there[place].arguments[name]
        there[place].arguments[name] = {"other": 1} if isinstance(was, dict) else "other"  # type: ignore[index]
    old = [Found("teams", (f"old {n}",), {"name": f"old {n}"}, ours=True) for n in range(data.draw(st.integers(0, 3)))]
    theirs = [Found("teams", (f"their {n}",), {"name": f"their {n}"}, ours=False) for n in range(2)]
    found = [*there, *old, *theirs]
    steps = plan(ALL, found, most_removed=3)
    after = done(found, steps)
    assert plan(ALL, after, most_removed=0) == []
    assert [one for one in after if not one.ours] == theirs
    assert {step.key for step in steps if step.state == "absent"} == {one.key for one in old}


def test_a_customer_that_leaves_takes_its_objects_along_and_nobody_elses() -> None:
    found = [as_found(one) for one in ALL]
    steps = plan(wanted(DATA, CUSTOMERS[:1]), found, most_removed=1000)
    assert {step.state for step in steps} == {"absent"}
    # Rights of people of the customer end with their teams; what is taken away by name is the worker's alone.
    assert all(step.key[-1].startswith("zed ") for step in steps)
    places = [SECTIONS.index(step.section) for step in steps]
    assert places == sorted(places, reverse=True)
    assert plan(wanted(DATA, CUSTOMERS[:1]), done(found, steps), most_removed=0) == []


def test_the_organisation_is_never_removed() -> None:
    stranger = Found("organizations", ("Old name",), {"name": "Old name"}, ours=True)
    assert "organizations" in KEPT
    assert plan(ALL, [*(as_found(one) for one in ALL), stranger], most_removed=0) == []


def test_what_is_somebody_elses_stops_everything() -> None:
    stranger = Found("inventories", ("acme assets",), {}, ours=False)
    with pytest.raises(MspErrors) as caught:
        plan(ALL, [stranger], most_removed=0)
    assert caught.value.code == "MSP-AWX-004"


def test_a_secret_is_a_name_in_every_step_and_no_diff() -> None:
    steps = plan(ALL, [], most_removed=0)
    assert {name for step in steps for name in step.secrets.values()} == {
        "netbox_token", "store_url", "sops_age_key", "machine_key", "desk_password",
    }  # fmt: skip
    assert "netbox_token" not in str(diff(steps))
    assert "acme NetBox" in summary(steps)["credentials"]["made"]


def test_what_awx_hides_is_no_difference() -> None:
    found = [as_found(one) for one in ALL]
    for one in found:
        if one.section == "credentials":
            secrets = next(it.secrets for it in ALL if (it.section, it.key) == (one.section, one.key))
            one.arguments["inputs"].update(dict.fromkeys(secrets, "$encrypted$"))
    assert plan(ALL, found, most_removed=0) == []


@given(st.text(max_size=40), st.none() | st.integers(1, 1_000_000))
def test_a_marked_description_says_that_it_is_ours(text: str, generation: int | None) -> None:
    assert is_marked(marked(text, generation))


@pytest.mark.parametrize("text", ["", "Ours", "[msp.ops] of old", "msp.ops", "[msp.ops2]"])
def test_any_other_is_somebody_elses(text: str) -> None:
    assert not is_marked(text)
