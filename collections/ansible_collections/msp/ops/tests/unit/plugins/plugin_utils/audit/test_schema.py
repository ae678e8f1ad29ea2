# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of a result: a library and the check of ours agree on it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit import survey
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.plugin_utils.audit import schema

# Made once: jsonschema.validate() looks through the schema itself each time, which takes longest.
VALIDATOR = jsonschema.Draft202012Validator(schema.SCHEMA, format_checker=jsonschema.FormatChecker())
ROOT = next(parent for parent in Path(__file__).resolve().parents if (parent / "pyproject.toml").exists())


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    facts, volatile = survey.audit(Host(str(tmp_path_factory.mktemp("host"))), 1000.0)
    facts["packages"] = [{"name": "bash", "version": "5", "architecture": "amd64", "origin": None}]
    return {"facts": facts, "volatile": volatile, "seconds": 0.1}


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("facts",), None),
        (("facts", "schema"), 2),
        (("facts", "packages"), {}),
        (("facts", "packages", 0, "name"), None),
        (("facts", "packages", 0, "extra"), 1),
        (("facts", "updates", "known"), "yes"),
        (("facts", "updates", "known"), 1),
        (("facts", "hostname", "name"), ["x"]),
        (("volatile", "neighbours"), [{"address": "192.0.2.1"}]),
        (("facts", "os", "support_end"), "not-a-date"),
        (("facts", "os", "support_end"), "2026-02-30"),
        (("facts", "patches", "last"), "yesterday"),
        (("volatile", "uptime_seconds"), -1),
        (("seconds",), "fast"),
        (("seconds",), -1),
        (("more",), 1),
    ],
)
def test_a_result_out_of_shape_is_refused_by_both(result: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    wrong = copy.deepcopy(result)
    place: Any = wrong
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value

    with pytest.raises(ValueError, match="result"):
        schema.check(wrong)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(wrong)


@pytest.mark.parametrize("value", ["2026-01-01\n", "\u0662026-01-01", "2026-01-01T00:00:00Z"])
def test_a_date_is_ten_ascii_characters_and_nothing_after_them(result: dict[str, Any], value: str) -> None:
    wrong = copy.deepcopy(result)
    wrong["facts"]["os"]["support_end"] = value

    with pytest.raises(ValueError, match=r"support_end"):
        schema.check(wrong)


def test_a_time_that_no_clock_shows_is_refused(result: dict[str, Any]) -> None:
    wrong = copy.deepcopy(result)
    wrong["facts"]["patches"]["last"] = "2026-01-01T25:00:00Z"

    with pytest.raises(ValueError, match=r"patches\.last"):
        schema.check(wrong)


def test_a_number_that_is_none_is_refused(result: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"seconds"):
        schema.check({**result, "seconds": float("nan")})


def test_a_result_in_shape_passes_both(result: dict[str, Any]) -> None:
    schema.check(result)
    VALIDATOR.validate(result)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3), max_leaves=5)
)
def test_no_value_of_a_host_breaks_the_check(value: Any) -> None:
    with pytest.raises(ValueError, match="result"):
        schema.check({"facts": value, "volatile": value, "seconds": value})


@pytest.mark.parametrize("system", ["windows", "darwin"])
def test_the_schema_has_room_for_other_systems(result: dict[str, Any], system: str) -> None:
    other = copy.deepcopy(result)
    other["facts"]["os"] = {
        "family": system, "id": system, "name": "Example OS", "version": "11", "codename": None, "kernel": "10.0.22631",
        "architecture": "x86_64", "support_end": "2027-10-12", "support_end_source": "maker",
    }  # fmt: skip
    other["facts"]["administrators"] = [
        {"name": r"EXAMPLE\anna", "uid": "S-1-5-21-1-2-3-1001", "via": ["Administrators"]}
    ]
    other["facts"]["encryption"] = {
        "root": True, "swap": None, "unencrypted": ["D:"],
        "volumes": [{"name": "C:", "kind": "BitLocker", "on": ["disk0"], "open": True}],
    }  # fmt: skip

    schema.check(other)
    VALIDATOR.validate(other)


def test_the_documentation_names_every_section() -> None:
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")

    sections = schema.SCHEMA["properties"]["facts"]["properties"]
    assert [name for name in sections if f"`{name}`" not in text] == []
    assert json.dumps(schema.VERSION) in text
