# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""YAML read the careful way: lines known, keys once, numbers exact, nothing built from tags or aliases."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract import yamlfile


def test_every_value_knows_its_line() -> None:
    source = yamlfile.read("a:\n  - b: 1\n\n  - b: 2\n", "file.yml")

    assert source.data == {"a": [{"b": 1}, {"b": 2}]}
    assert source.where(("a", 1, "b")) == "file.yml:4"
    assert source.where(("a", 1, "missing")) == "file.yml:4"


def test_a_key_that_appears_twice_is_an_error_with_both_lines() -> None:
    source = yamlfile.read("a:\n  b: 1\n  c: 2\n  b: 3\n", "file.yml")

    [error] = source.errors
    assert error.code == "MSP-CON-002"
    assert "a.b" in error.expected
    assert "line 2" in error.found
    assert "file.yml:4" in error.found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1250.10", Decimal("1250.10")),
        ("7", 7),
        ("0123", "0123"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("1e3", "1e3"),
        ("true", True),
        ("no", False),
        ("on", "on"),
        ("null", None),
        ("'7'", "7"),
        ("!!python/object/apply:os.system [id]", ["id"]),
    ],
)
@pytest.mark.parametrize("ours", [False, True])
def test_a_scalar_is_what_was_typed_whoever_reads_it(text: str, value: object, ours: bool) -> None:
    source = yamlfile.read(f"a: {text}", "file.yml", ours=ours)

    assert source.data == {"a": value}
    assert type(source.data["a"]) is type(value)
    assert source.where(("a",)) == "file.yml:1"


def test_aliases_are_refused_so_that_a_small_file_stays_small() -> None:
    text = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"

    source = yamlfile.read(text, "file.yml")

    assert {error.code for error in source.errors} == {"MSP-CON-001"}
    assert source.data["d"] == [None, None]


@pytest.mark.parametrize(
    "text",
    ["", "# nothing", pytest.param("[" * 600, id="far too deep"), "a: [1", "a: 1\n---\nb: 2\n", "\t- x", "a: b: c"],
)
def test_what_is_not_one_yaml_document_is_refused(text: str) -> None:
    with pytest.raises(MspError, match="MSP-CON-001"):
        yamlfile.read(text, "file.yml")


@given(st.text(max_size=60))
def test_any_text_is_data_or_a_named_error(text: str) -> None:
    try:
        yamlfile.read(text, "file.yml")
    except MspError as error:
        assert error.code == "MSP-CON-001"


def test_a_path_is_written_as_people_write_it() -> None:
    assert yamlfile.dotted(("sites", 0, "prefixes", 1, "prefix")) == "sites[0].prefixes[1].prefix"
    assert yamlfile.dotted(()) == "the file"
