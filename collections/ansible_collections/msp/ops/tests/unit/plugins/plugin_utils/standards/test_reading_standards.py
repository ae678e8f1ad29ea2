"""Standards extend each other: what comes of that, and what is wrong among them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.standards import reading_standards
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Standard
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards.made_standard import controls, standard

CONTROLS = controls()


def made(name: str, extends: str | None = None, **changes: Any) -> Standard:
    return reading_standards.standard(name, standard(name, extends=extends, **{"controls": {}, **changes}))


def by_name(*standards: Standard) -> dict[str, Standard]:
    return {one.name: one for one in standards}


def wrong(*standards: Standard) -> list[MspError]:
    known = by_name(*standards)
    return list(reading_standards.contradictions(known, known, CONTROLS, ("msp_standards",)))


def test_a_later_standard_decides_parameter_by_parameter() -> None:
    base = made("base", controls={"a": {"x": 1, "y": 1}, "b": {}})
    line = (base, made("middle", "base", controls={"a": {"y": 2}}), made("last", "middle", controls={"a": {"z": 3}}))
    assert reading_standards.chosen(line) == {"a": {"x": 1, "y": 2, "z": 3}, "b": {}}


def test_a_control_left_out_takes_its_parameters_with_it_and_may_come_back_without_them() -> None:
    base = made("base", controls={"a": {"x": 1}, "b": {}})
    middle = made("middle", "base", without={"a": "the till"})
    assert reading_standards.chosen((base, middle)) == {"b": {}}
    assert reading_standards.left_out((base, middle)) == {"a": "the till"}
    last = made("last", "middle", controls={"a": {}})
    assert reading_standards.chosen((base, middle, last)) == {"b": {}, "a": {}}
    assert reading_standards.left_out((base, middle, last)) == {}


def test_a_lineage_begins_with_what_extends_nothing() -> None:
    known = by_name(made("c", "b"), made("b", "a"), made("a"))
    assert [one.name for one in reading_standards.lineage("c", known)] == ["a", "b", "c"]


def test_a_cycle_is_named_once_from_its_first_name() -> None:
    errors = wrong(made("c", "a"), made("a", "b"), made("b", "c"), made("outside", "b"))
    assert [(error.code, error.found) for error in errors] == [("MSP-STD-015", "a -> b -> c -> a")]


def test_a_standard_that_extends_itself_is_a_cycle() -> None:
    assert [error.found for error in wrong(made("a", "a"))] == ["a -> a"]


def test_every_cycle_is_named() -> None:
    errors = wrong(made("a", "b"), made("b", "a"), made("y", "z"), made("z", "y"))
    assert [error.found for error in errors] == ["a -> b -> a", "y -> z -> y"]


def test_a_standard_extends_one_that_is_there() -> None:
    (error,) = wrong(made("linux-server"), made("till", "linux-servr"))
    assert (error.code, error.found) == ("MSP-STD-013", "linux-servr")
    assert error.expected == "msp_standards.till.extends to be a standard (linux-server, till)"
    assert error.action == "did you mean linux-server? Correct the name"


def test_a_control_is_in_a_standard_or_left_out_of_it() -> None:
    base = made("base", controls={"ssh-tries": {}})
    (error,) = wrong(base, made("till", "base", controls={"ssh-tries": {"most": 2}}, without={"ssh-tries": "old till"}))
    assert (error.code, error.found) == ("MSP-STD-020", "it in both")


def test_only_what_would_be_there_is_left_out() -> None:
    base = made("base", controls={"ssh-tries": {}})
    errors = wrong(base, made("till", "base", without={"ssh-root-login": "x"}), made("a", without={"ssh-tries": "x"}))
    assert [(error.code, error.found) for error in errors] == [
        ("MSP-STD-020", "ssh-tries"),
        ("MSP-STD-020", "ssh-root-login"),
    ]


def test_an_unknown_control_is_named_where_it_is_left_out_too() -> None:
    (error,) = wrong(made("base", without={"ssh-trees": "x"}))
    assert (error.code, error.found) == ("MSP-STD-016", "ssh-trees")
    assert error.action == "did you mean ssh-tries? Correct the name"


def test_of_a_broken_lineage_nobody_says_what_it_would_have() -> None:
    (error,) = wrong(made("till", "nothing", without={"ssh-tries": "x"}))
    assert error.code == "MSP-STD-013"


NAMES = "abcde"


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from(NAMES)))
def test_whatever_extends_whatever_every_lineage_ends_and_is_whole_where_there_is_no_error(
    extends: dict[str, str | None],
) -> None:
    known = {name: made(name, other) for name, other in extends.items()}
    rings = reading_standards.cycles(known, known)
    for name in known:
        line = reading_standards.lineage(name, known)
        assert line[-1].name == name
        assert len({one.name for one in line}) == len(line)
        endless = any(one.name in ring for ring in rings for one in line)
        assert endless or line[0].extends is None or line[0].extends not in known
