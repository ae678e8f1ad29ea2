"""The schema that NetBox checks config contexts with is the one that plans are read by, and says what it wants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from ansible_collections.msp.ops.plugins.plugin_utils.patching import plan_schema
from ansible_collections.msp.ops.plugins.plugin_utils.register import model_desk, names
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data


def profile() -> Mapping[str, Any]:
    (found,) = [item for item in model_desk.profiles().items if item.key == names.PROFILE_PATCH_PLAN]
    return dict(found.body["schema"])


def test_netboxs_profile_holds_the_plans_schema_as_plain_json() -> None:
    schema = profile()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["properties"][names.CONTEXT_PATCH_PLAN] == plan_schema.PLAN


def test_netboxs_profile_takes_a_plan_beside_what_other_tools_keep_there() -> None:
    validator = jsonschema.Draft202012Validator(profile())
    assert validator.is_valid({names.CONTEXT_PATCH_PLAN: data(), "ntp": ["192.0.2.1"]})
    assert not validator.is_valid({names.CONTEXT_PATCH_PLAN: data(reboot="sometimes")})
    assert not validator.is_valid({"ntp": []})


def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, Mapping):
        yield schema
        for inner in schema.values():
            yield from parts(inner)
    elif isinstance(schema, list | tuple):
        for inner in schema:
            yield from parts(inner)


def test_whatever_has_a_pattern_or_a_choice_says_in_words_what_it_wants() -> None:
    choices = [part["anyOf"] for part in parts(plan_schema.PLAN) if "anyOf" in part]
    inside = [inner for choice in choices for inner in choice]  # their choice speaks for them
    speaking = [part for part in parts(plan_schema.PLAN) if "pattern" in part or "anyOf" in part]
    assert len(speaking) > 15
    assert [part for part in speaking if "description" not in part and part not in inside] == []


def test_no_pattern_takes_a_line_break_behind_what_it_wants() -> None:
    patterns = [part["pattern"] for part in parts(plan_schema.PLAN) if isinstance(part.get("pattern"), str)]
    whole = [pattern for pattern in patterns if pattern.startswith("^")]
    assert len(whole) > 10 and all(pattern.endswith("$(?!\\n)") for pattern in whole)
