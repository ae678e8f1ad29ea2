"""What was found is as the rule wants it, is not, or cannot be told; and both sides in a few plain words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.standards import control_schema, rules, said

HELD: list[tuple[str, Any, Any]] = [
    ("equals", "no", "no"),
    ("equals", "4", 4),
    ("equals", 4, "4"),
    ("equals", " 1 ", "1"),
    ("equals", True, True),
    ("one_of", "2", ["1", "2"]),
    ("one_of", 2, ["1", "2"]),
    ("as_strict", "no", ["prohibit-password", "no"]),
    ("no_less", "1G", "500M"),
    ("no_less", "1024M", "1G"),
    ("no_less", None, "1G"),
    ("no_less", "1year", "3month"),
    ("no_less", "13w 1day", "3month"),
    ("no_less", "0", "3month"),
    ("no_less", None, "3month"),
    ("at_least", "4", 4),
    ("at_least", 5, 4),
    ("at_most", "4", 4),
    ("at_most", -1, 4),
    ("matches", "0640", "0[0-7]40"),
    ("contains", ["ro", "nodev"], "ro"),
    ("contains", "read-only", "only"),
    ("contains_all", ["a", "b", "c"], ["c", "a"]),
    ("contains_all", [], []),
    ("contains_all", ["a"], []),
    ("contains_all", None, []),
    ("only", ["a"], ["a", "b"]),
    ("only", [], []),
    ("only", None, []),
    ("none_of", ["a"], ["b"]),
    ("none_of", "inactive", ["active", "activating"]),
    ("none_of", None, ["active"]),
    ("each", {"eth0": "0", "lo": 0}, "0"),
    ("empty", [], None),
    ("empty", "", None),
    ("empty", None, None),
    ("empty", {}, None),
    ("not_empty", ["a"], None),
    ("is_true", True, None),
    ("is_false", False, None),
]
BROKEN: list[tuple[str, Any, Any]] = [
    ("equals", "yes", "no"),
    ("equals", True, "true"),
    ("equals", False, "no"),
    ("equals", None, "None"),
    ("equals", None, ""),
    ("equals", "14", "4"),
    ("one_of", "3", ["1", "2"]),
    ("one_of", None, ["1"]),
    ("one_of", "1", []),
    ("as_strict", "yes", ["prohibit-password", "no"]),
    ("as_strict", "no; yes for Match User eve", ["no"]),
    ("as_strict", None, ["no"]),
    ("no_less", "499M", "500M"),
    ("no_less", "0", "500M"),
    ("no_less", "1week", "3month"),
    ("no_less", "3m", "3month"),  # minutes
    ("at_least", "3", 4),
    ("at_least", None, 0),
    ("at_least", "unlimited", 4),
    ("at_most", "5", 4),
    ("at_most", None, 4),
    ("at_most", "4s", 4),
    ("at_most", "٣", 4),  # a digit, and not one of ours
    ("matches", "0640\n", "0[0-7]40"),
    ("matches", "x0640", "0[0-7]40"),
    ("matches", None, ".*"),
    ("contains", ["row"], "ro"),
    ("contains", None, "ro"),
    ("contains_all", ["a"], ["a", "b"]),
    ("contains_all", None, ["a"]),
    ("only", ["a", "c"], ["a", "b"]),
    ("only", ["a"], []),
    ("none_of", ["a", "b"], ["b"]),
    ("none_of", "active", ["active"]),
    ("each", {"eth0": "1", "lo": "0"}, "0"),
    ("each", {"eth0": None}, "0"),
    ("empty", ["a"], None),
    ("not_empty", [], None),
    ("not_empty", None, None),
    ("is_true", False, None),
    ("is_true", None, None),
    ("is_false", True, None),
    ("is_false", None, None),
]
UNFIT: list[tuple[str, Any, Any]] = [
    ("no_less", "much", "1G"),
    ("no_less", "1 fortnight", "3month"),
    ("no_less", "", "3month"),
    ("no_less", True, "1G"),
    ("at_least", [4], 4),
    ("at_most", True, 4),
    ("matches", ["a"], "a"),
    ("matches", True, "True"),
    ("contains", {"a": 1}, "a"),
    ("only", {"a": 1}, ["a"]),
    ("none_of", False, ["a"]),
    ("each", {}, "0"),
    ("each", ["0"], "0"),
    ("each", "0", "0"),
    ("empty", 0, None),
    ("empty", False, None),
    ("is_true", "true", None),
    ("is_false", 0, None),
]


@pytest.mark.parametrize(("rule", "found", "value"), HELD)
def test_a_rule_holds(rule: str, found: Any, value: Any) -> None:
    assert rules.holds(rule, found, value) is True


@pytest.mark.parametrize(("rule", "found", "value"), BROKEN)
def test_a_rule_does_not_hold(rule: str, found: Any, value: Any) -> None:
    assert rules.holds(rule, found, value) is False


@pytest.mark.parametrize(("rule", "found", "value"), UNFIT)
def test_what_cannot_be_held_against_a_rule_is_neither(rule: str, found: Any, value: Any) -> None:
    with pytest.raises(rules.Unfit):
        rules.holds(rule, found, value)


def test_every_rule_that_a_control_may_have_is_tried_above_both_ways() -> None:
    assert {rule for rule, _found, _value in HELD} == set(control_schema.RULES)
    assert {rule for rule, _found, _value in BROKEN} == set(control_schema.RULES)


# -- where in the answer ------------------------------------------------------------------------------------------


def test_a_path_goes_into_tables_and_into_every_item_of_a_list() -> None:
    value = {"enabled": [{"uri": "a", "by": {"key": 1}}, {"uri": "b", "by": {"key": 2}}], "disabled": 0}
    assert rules.at(value, "") == value
    assert rules.at(value, "disabled") == 0
    assert rules.at(value, "enabled.uri") == ["a", "b"]
    assert rules.at(value, "enabled.by.key") == [1, 2]
    assert rules.at({"enabled": []}, "enabled.uri") == []


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({}, "value"),
        (None, "value"),
        ([], "value"),
        ("text", "value"),
        ({"a": [{"b": 1}, {}]}, "a.b"),
        ({"a": [1]}, "a.b"),
    ],
)
def test_a_path_that_is_not_in_the_answer_is_never_read_as_nothing(value: Any, path: str) -> None:
    with pytest.raises(rules.Unfit, match="in what was measured"):
        rules.at(value, path)


# -- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ("equals", "no", "no"),
        ("equals", True, "yes"),
        ("one_of", ["1", "2"], "1 or 2"),
        ("at_least", 4, "at least 4"),
        ("at_most", 4, "at most 4"),
        ("matches", "0[0-7]40", "text like 0[0-7]40"),
        ("contains", "ro", "with ro"),
        ("contains_all", ["a", "b"], "with a, b"),
        ("only", ["a", "b"], "only a, b"),
        ("each", "0", "0"),
        ("only", [], "nothing"),
        ("contains_all", [], "anything"),
        ("none_of", [], "anything"),
        ("none_of", ["a"], "without a"),
        ("empty", None, "nothing"),
        ("not_empty", None, "something"),
        ("is_true", None, "yes"),
        ("is_false", None, "no"),
    ],
)
def test_what_a_rule_wants_is_said(rule: str, value: Any, words: str) -> None:
    assert said.english(rules.wanted(rule, value)) == words


def test_of_a_list_only_what_is_wrong_is_shown() -> None:
    assert seen("only", ["root", "toor", "ops"], ["root"]) == "also toor, ops"
    assert seen("none_of", ["nginx", "telnet"], ["telnet"]) == "telnet"
    assert seen("contains_all", ["nodev"], ["nodev", "nosuid"]) == "without nosuid"
    assert seen("only", ["root"], ["root", "ops"], held=True) == "root"
    assert seen("only", ["toor"], []) == "toor"
    assert seen("each", {"eth0": "1", "lo": "0", "wg0": "1"}, "0") == "eth0=1 wg0=1"


def seen(rule: str, found: Any, value: Any, *, held: bool = False) -> str:
    return said.english(rules.seen(rule, found, value, held=held))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
VALUES: dict[str, Any] = {"one": "a", "many": ["a", "b"], "number": 4, "pattern": "a*", "nothing": None}


@pytest.mark.thorough
@settings(max_examples=80, deadline=None)
@given(rule=st.sampled_from(sorted(control_schema.RULES)), found=JSON)
def test_whatever_a_host_answers_is_held_against_a_rule_or_unfit_and_can_be_shown(rule: str, found: Any) -> None:
    value = VALUES[control_schema.RULES[rule]]
    try:
        held = rules.holds(rule, found, value)
    except rules.Unfit as unfit:
        text = said.english(unfit.said)
    else:
        text = seen(rule, found, value, held=held)
    assert text.isprintable() and 0 < len(text) <= said.LONGEST


@settings(max_examples=50, deadline=None)
@given(found=st.lists(st.sampled_from("abcd"), max_size=5), value=st.lists(st.sampled_from("abcd"), max_size=4))
def test_the_rules_of_lists_are_those_of_sets(found: list[str], value: list[str]) -> None:
    assert rules.holds("contains_all", found, value) is (set(value) <= set(found))
    assert rules.holds("only", found, value) is (set(found) <= set(value))
    assert rules.holds("none_of", found, value) is set(found).isdisjoint(value)
