"""The schemas that NetBox checks config contexts with are those that they are read by, and say what they want."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.register import model_desk, names
from ansible_collections.msp.ops.plugins.plugin_utils.standards import control_schema, standard_schema
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards.made_standard import WAIVER, context, own

FORMS = (
    control_schema.CONTROLS,
    *control_schema.PARAMETERS.values(),
    *control_schema.VALUES.values(),
    standard_schema.ASSIGNMENT,
    standard_schema.ASSIGNMENT_PART,
    standard_schema.WAIVER,
    standard_schema.STANDARDS,
    standard_schema.SHIPPED,
)


def profile(name: str) -> Mapping[str, Any]:
    (found,) = [item for item in model_desk.profiles().items if item.key == name]
    return dict(found.body["schema"])


def takes(name: str, data: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(profile(name)).is_valid(data))


@pytest.mark.parametrize("name", [names.PROFILE_STANDARD, names.PROFILE_STANDARDS])
def test_netboxs_profile_is_plain_json(name: str) -> None:
    schema = profile(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_netbox_takes_an_assignment_and_what_a_customer_adds_to_one_in_another_context() -> None:
    whole = context(version="1.0", parameters={"ssh-tries": {"most": 3}}, waivers={"ssh-tries": WAIVER})
    assert takes(names.PROFILE_STANDARD, {names.CONTEXT_STANDARD: whole, "ntp": []})
    assert takes(names.PROFILE_STANDARD, {names.CONTEXT_STANDARD: {"waivers": {"ssh-tries": WAIVER}}})


@pytest.mark.parametrize(
    "wrong",
    [
        context(version=1),
        context(parameters=[]),
        context(waivers={"ssh-tries": {**WAIVER, "owner": ""}}),
        context(waivers={"ssh-tries": {key: value for key, value in WAIVER.items() if key != "agreed"}}),
        {"nome": "linux-server"},
    ],
)
def test_netbox_refuses_what_has_not_its_form(wrong: Any) -> None:
    assert not takes(names.PROFILE_STANDARD, {names.CONTEXT_STANDARD: wrong})


def test_netbox_checks_own_standards_too() -> None:
    assert takes(names.PROFILE_STANDARDS, {names.CONTEXT_STANDARDS: {"till": own()}})
    assert not takes(names.PROFILE_STANDARDS, {names.CONTEXT_STANDARDS: {"till": {**own(), "extend": "linux-server"}}})
    assert not takes(names.PROFILE_STANDARDS, {"ntp": []})


def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, Mapping):
        yield schema
        for inner in schema.values():
            yield from parts(inner)
    elif isinstance(schema, list | tuple):
        for inner in schema:
            yield from parts(inner)


def test_whatever_has_a_pattern_or_a_choice_of_forms_says_in_words_what_it_wants() -> None:
    found = [part for form in FORMS for part in parts(form)]
    speaking = [part for part in found if isinstance(part.get("pattern"), str) or "anyOf" in part]
    assert len(speaking) > 20
    assert [part for part in speaking if not isinstance(part.get("description"), str)] == []


def test_no_pattern_takes_a_line_break_behind_what_it_wants() -> None:
    patterns = [part["pattern"] for form in FORMS for part in parts(form) if isinstance(part.get("pattern"), str)]
    whole = [pattern for pattern in patterns if pattern.startswith("^")]
    assert len(whole) > 20 and all(pattern.endswith("$(?!\\n)") for pattern in whole)
