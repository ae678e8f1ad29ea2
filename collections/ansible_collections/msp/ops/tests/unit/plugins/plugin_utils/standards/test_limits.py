"""A value is within the limits that its parameter declares, or it is said where it is not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.standards import limits
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Parameter

NUMBER = Parameter("integer", minimum=2, maximum=6)
CHOICE = Parameter("choice", choices=("no", "prohibit-password"))
WORD = Parameter("string", pattern="[a-z]+")
PORTS = Parameter("list", items=Parameter("string", pattern="(tcp|udp)/[0-9]+"), unique=True)
PACKAGES = Parameter("map", values=Parameter("string", pattern="[0-9.]*"), keys="[a-z]+")
OPEN = Parameter("list", items=Parameter("string", pattern="[a-z0-9]+.*", form="open_port"))
ALL = (NUMBER, CHOICE, WORD, PORTS, PACKAGES, Parameter("boolean"))


def where(parameter: Parameter, value: Any) -> list[tuple[Any, ...]]:
    return [path for path, _wanted, _found in limits.outside(parameter, value)]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (NUMBER, 2),
        (NUMBER, 6),
        (Parameter("integer"), -100),
        (CHOICE, "no"),
        (WORD, "abc"),
        (Parameter("string"), "two\nlines\tand a tab"),
        (PORTS, []),
        (PORTS, ["tcp/22", "udp/53"]),
        (PACKAGES, {"nginx": "1.22", "curl": ""}),
        (Parameter("boolean"), False),
        (OPEN, ["tcp/22", "vrrp from 192.0.2.0/24"]),
    ],
)
def test_a_value_within_its_limits_is_taken(parameter: Parameter, value: Any) -> None:
    assert where(parameter, value) == []


@pytest.mark.parametrize(
    ("parameter", "value", "place"),
    [
        (NUMBER, 1, ()),
        (OPEN, ["tcp/22", "tcp/99999"], (1,)),
        (OPEN, ["tcp/22 from 999.1.1.1"], (0,)),
        (OPEN, ["tcp/22 from 192.0.2.1/24"], (0,)),
        (NUMBER, 7, ()),
        (NUMBER, "4", ()),
        (NUMBER, True, ()),
        (NUMBER, 4.5, ()),
        (CHOICE, False, ()),  # what YAML makes of a plain no
        (CHOICE, "yes", ()),
        (WORD, "abc\n", ()),
        (WORD, "ab1", ()),
        (WORD, None, ()),
        (Parameter("string"), "bell\x07", ()),
        (Parameter("string"), "a\rb", ()),
        (Parameter("string"), "x" * (limits.LONGEST + 1), ()),
        (PORTS, "tcp/22", ()),
        (PORTS, ["tcp/22", "ssh"], (1,)),
        (PORTS, ["tcp/22", "udp/53", "tcp/22"], (2,)),
        (PORTS, ["tcp/22"] * (limits.MOST + 1), ()),
        (PACKAGES, ["nginx"], ()),
        (PACKAGES, {"Nginx": "1"}, ()),
        (PACKAGES, {"nginx": "new"}, ("nginx",)),
        (Parameter("boolean"), "true", ()),
        (Parameter("boolean"), 1, ()),
    ],
)
def test_a_value_outside_its_limits_is_told_with_its_place(parameter: Parameter, value: Any, place: Any) -> None:
    assert where(parameter, value) == [place]


def test_what_is_wanted_is_said_in_words() -> None:
    ((_path, wanted, found),) = limits.outside(NUMBER, 9)
    assert (wanted, found) == ("a whole number from 2 up to 6", "9")
    ((_path, wanted, found),) = limits.outside(CHOICE, False)
    assert wanted.startswith("one of no, prohibit-password") and found == "false"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.thorough
@settings(max_examples=80, deadline=None)
@given(parameter=st.sampled_from(ALL), value=ANYTHING)
def test_whatever_comes_is_taken_only_if_it_is_what_the_parameter_says(parameter: Parameter, value: Any) -> None:
    if where(parameter, value):
        return
    match parameter.kind:
        case "integer":
            assert isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 6
        case "choice":
            assert value in ("no", "prohibit-password")
        case "string":
            assert isinstance(value, str) and re.fullmatch("[a-z]+", value)
        case "list":
            assert isinstance(value, list) and all(re.fullmatch("(tcp|udp)/[0-9]+", item) for item in value)
        case "map":
            assert isinstance(value, dict) and all(re.fullmatch("[a-z]+", key) for key in value)
        case _:
            assert isinstance(value, bool)
