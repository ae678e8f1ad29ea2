# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan touches only what is ours, deletes nothing, keeps what people added, and is empty once carried out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.register import model, names
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import Item, Section
from ansible_collections.msp.ops.plugins.plugin_utils.register.plan import Plan, is_ours, plan

TODAY = dt.date(2026, 3, 1)


def fields(*items: Item) -> Section:
    return Section(
        "custom_fields", "extras/custom-fields", "name", ("msp_",), items, fixed=("type",), includes=("object_types",)
    )


def item(key: str = "msp_a", *, formerly: tuple[str, ...] = (), **more: Any) -> Item:
    return Item(key, {"type": "text", "label": "A", "object_types": ["dcim.device"], **more}, formerly)


def row(id: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "name": name,
        "type": {"value": "text", "label": "Text"},
        "label": "A",
        "object_types": ["dcim.device"],
        **more,
    }


def planned(section: Section, *rows: Mapping[str, Any]) -> Plan:
    return plan([section], {section.name: rows})


def test_what_is_missing_is_created() -> None:
    made = planned(fields(item()))

    assert made.summary() == {"custom_fields": {"created": ["msp_a"]}}
    assert made.rights(fields()) == {"add"}


def test_what_is_there_is_left_alone() -> None:
    assert planned(fields(item()), row(1, "msp_a")).steps == []


def test_only_what_differs_is_written() -> None:
    made = planned(fields(item()), row(1, "msp_a", label="Old"))

    assert made.diff() == {
        "before": {"custom_fields": {"msp_a": {"label": "Old"}}},
        "after": {"custom_fields": {"msp_a": {"label": "A"}}},
    }
    assert made.rights(fields()) == {"change"}


def test_a_renamed_field_is_changed_in_place_so_that_it_keeps_its_values() -> None:
    made = planned(fields(item(formerly=("msp_old",))), row(7, "msp_old"))

    (step,) = made.steps
    assert (step.id, step.renamed_from) == (7, "msp_old")
    assert step.changes["name"].after == "msp_a"
    assert made.obsolete == []


def test_a_field_renamed_already_leaves_the_old_one_reported_and_untouched() -> None:
    made = planned(fields(item(formerly=("msp_old",))), row(1, "msp_a"), row(2, "msp_old"))

    assert made.steps == []
    assert made.obsolete == ["custom_fields: msp_old"]


def test_a_changed_type_is_refused_with_the_way_out() -> None:
    made = planned(fields(item()), row(1, "msp_a", type={"value": "json", "label": "JSON"}))

    (refusal,) = made.refusals
    assert refusal.code == "MSP-MOD-003"
    assert "'json'" in refusal.found
    assert made.steps == []


def test_two_of_one_name_are_refused() -> None:
    made = planned(fields(item()), row(1, "msp_a"), row(2, "msp_a"))

    assert [refusal.code for refusal in made.refusals] == ["MSP-MOD-004"]


def test_an_object_type_that_people_added_stays() -> None:
    made = planned(fields(item()), row(1, "msp_a", object_types=["dcim.rack", "dcim.device"]))

    assert made.steps == []


def test_a_missing_object_type_is_added_to_what_people_added() -> None:
    made = planned(fields(item()), row(1, "msp_a", object_types=["dcim.rack"]))

    assert made.steps[0].changes["object_types"].after == ["dcim.device", "dcim.rack"]


def test_a_choice_and_a_colour_that_people_added_stay() -> None:
    section = Section(
        "choice_sets",
        "extras/custom-field-choice-sets",
        "name",
        ("msp_",),
        (Item("msp_c", {"extra_choices": [["a", "A"]], "choice_colors": {"a": "red"}}),),
        includes=("extra_choices", "choice_colors"),
    )
    have = {"id": 1, "name": "msp_c", "extra_choices": [["z", "Z"], ["a", "old"]], "choice_colors": {"z": "blue"}}

    made = planned(section, have)

    assert made.steps[0].changes["extra_choices"].after == [["a", "A"], ["z", "Z"]]
    assert made.steps[0].changes["choice_colors"].after == {"z": "blue", "a": "red"}


def test_a_group_that_people_gave_the_user_stays() -> None:
    section = Section(
        "users", "users/users", "username", ("msp-",), (Item("msp-x", {"groups": ["msp-x"]}),), includes=("groups",)
    )
    other = {"id": 5, "url": "…", "display": "theirs", "name": "theirs"}
    ours = {"id": 6, "url": "…", "display": "msp-x", "name": "msp-x"}

    both = planned(section, {"id": 1, "username": "msp-x", "groups": [other, ours]})
    one = planned(section, {"id": 1, "username": "msp-x", "groups": [other]})

    assert both.steps == []
    assert one.steps[0].changes["groups"].after == ["msp-x", 5]


def test_a_property_that_this_netbox_does_not_have_is_no_change() -> None:
    have = row(1, "msp_a")
    del have["label"]

    assert planned(fields(item()), have).steps == []


def test_what_is_given_once_is_not_insisted_on() -> None:
    section = Section("tags", "extras/tags", "slug", ("msp-",), (Item("msp-t", {}, once={"color": "ff0000"}),))

    created = planned(section)
    present = planned(section, {"id": 1, "slug": "msp-t", "color": "00ff00"})

    assert created.steps[0].changes["color"].after == "ff0000"
    assert present.steps == []


def test_a_ring_that_people_made_is_not_obsolete() -> None:
    section = Section("tags", "extras/tags", "slug", ("msp-",), (), free_prefixes=("msp-ring-",))

    made = planned(section, {"id": 1, "slug": "msp-ring-lab"}, {"id": 2, "slug": "msp-old"}, {"id": 3, "slug": "x"})

    assert made.obsolete == ["tags: msp-old"]


# -- the whole model --------------------------------------------------------------------------------------------------


def stored(section: Section, number: int, declared: Item) -> dict[str, Any]:
    """A declared object as NetBox would read it."""
    found: dict[str, Any] = {"id": number, section.key: declared.key, **declared.body}
    for name, target in section.references.items():
        nested = [{"id": 1, "url": "…", "display": value, "name": value} for value in _list(found[name]) if value]
        found[name] = nested if isinstance(found[name], list) else next(iter(nested), None)
        assert target in model.SECTION_NAMES
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def everything() -> dict[str, list[dict[str, Any]]]:
    return {
        section.name: [stored(section, number, declared) for number, declared in enumerate(section.items, 1)]
        for section in model.sections(TODAY)
    }


def test_the_model_carried_out_leaves_nothing_to_do() -> None:
    made = plan(model.sections(TODAY), everything())

    assert (made.steps, made.refusals, made.obsolete) == ([], [], [])


def test_on_another_day_only_the_dates_in_the_saved_filters_are_renewed() -> None:
    made = plan(model.sections(TODAY + dt.timedelta(days=1)), everything())

    assert made.summary() == {
        "saved_filters": {"changed": ["msp-warranty-ends", "msp-os-support-ends", "msp-contract-ends"]}
    }


@pytest.mark.thorough
@given(st.lists(st.text(min_size=1, max_size=12), max_size=6), st.integers(0, 200))
def test_no_step_ever_touches_what_is_not_ours(theirs: list[str], missing: int) -> None:
    rows = everything()
    for section in model.sections(TODAY):
        here = rows[section.name]
        if here:
            del here[missing % len(here)]
        here += [
            {"id": 1000 + number, section.key: key, "label": "theirs"}
            for number, key in enumerate(theirs)
            if not is_ours(section, key)
        ]

    made = plan(model.sections(TODAY), rows)

    assert all(step.id is None or step.id < 1000 for step in made.steps)
    assert not any(key in entry for entry in made.obsolete for key in theirs if not key.startswith(("msp", "MSP")))


@pytest.mark.parametrize("section", model.sections(TODAY), ids=lambda section: section.name)
def test_every_object_is_recognised_as_ours_by_its_name(section: Section) -> None:
    assert all(is_ours(section, declared.key) for declared in section.items)
    assert len({declared.key for declared in section.items}) == len(section.items)


def test_every_custom_field_named_in_names_is_declared_and_no_other() -> None:
    (section,) = model.sections(TODAY, ["custom_fields"])
    named = {
        value
        for name, value in vars(names).items()
        if isinstance(value, str) and value.startswith("msp_") and not name.startswith(("CONTEXT_", "FIELD_PREFIX"))
    }

    assert {declared.key for declared in section.items} == named


def test_the_automation_may_delete_nothing_and_write_only_within_constraints() -> None:
    (section,) = model.sections(TODAY, ["permissions"])

    for declared in section.items:
        actions = set(declared.body["actions"])
        assert "delete" not in actions
        if "change" in actions:
            assert declared.body["constraints"], declared.key


def test_every_choice_of_a_status_has_a_label_and_a_colour() -> None:
    (section,) = model.sections(TODAY, ["choice_sets"])
    statuses = next(declared for declared in section.items if declared.key == "msp_contract_statuses")

    assert [value for value, _unused in statuses.body["extra_choices"]] == list(names.CONTRACT_STATUSES)
    assert set(statuses.body["choice_colors"]) == set(names.CONTRACT_STATUSES)
