# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what was found is what a rule wants, and both in short plain words for people. Pure.

What was found is data of a host: any JSON may come. null is what is not set, and a probe that could not tell says so in
its state. What a rule can't be held against is Unfit, neither yes nor no: a control is then an error, never compliant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

LONGEST = 300  # characters of a text for people
NOTHING = "nothing"


class Unfit(Exception):
    """What was found is not of the kind that the rule can be held against; says so in words."""


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path. In a list inside, the path goes into every item: "enabled.uri" is all addresses."""
    return _at(value, path.split("."), path) if path else value


def _at(value: Any, parts: Sequence[str], path: str) -> Any:
    if not isinstance(value, Mapping) or parts[0] not in value:
        raise Unfit(f"there is no {path} in what was measured")
    inner, rest = value[parts[0]], parts[1:]
    if not rest:
        return inner
    return [_at(item, rest, path) for item in inner] if isinstance(inner, list) else _at(inner, rest, path)


def same(one: Any, other: Any) -> bool:
    """Text "2" and number 2 are the same; true and "true" are not, and nothing is only nothing."""
    if _switch(one) or _switch(other):
        return one is other
    if isinstance(one, list | Mapping) or isinstance(other, list | Mapping):
        return bool(one == other)
    return str(one).strip() == str(other).strip()


def _switch(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def holds(rule: str, found: Any, value: Any) -> bool:
    """Whether what was found is as the rule wants it. Raises Unfit."""
    return _RULES[rule](found, value)


def _one_of(found: Any, value: Any) -> bool:
    return any(same(found, one) for one in value)


def _at_least(found: Any, value: Any) -> bool:
    number = _number(found)
    return number is not None and number >= value


def _at_most(found: Any, value: Any) -> bool:
    number = _number(found)
    return number is not None and number <= value


def _number(found: Any) -> int | None:
    """A whole number; None for a word such as "unlimited", and where nothing is set."""
    if isinstance(found, bool | list | Mapping):
        raise Unfit(f"{shown(found)} is no number")
    text = str(found).strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,30}", text, re.ASCII) else None


def _matches(found: Any, value: Any) -> bool:
    if isinstance(found, bool | list | Mapping):
        raise Unfit(f"{shown(found)} is no text")
    return found is not None and re.fullmatch(value, str(found)) is not None


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return str(value) in found
    return any(same(item, value) for item in _items(found))


def _contains_all(found: Any, value: Any) -> bool:
    return not missing(found, value)


def _only(found: Any, value: Any) -> bool:
    return not besides(found, value)


def _none_of(found: Any, value: Any) -> bool:
    return not among(found, value)


def _empty(found: Any, _value: Any) -> bool:
    if found is not None and not isinstance(found, str | list | Mapping):
        raise Unfit(f"{shown(found)} is neither text nor a list")
    return not found


def _not_empty(found: Any, value: Any) -> bool:
    return not _empty(found, value)


def _is_true(found: Any, _value: Any) -> bool:
    return _yes_or_no(found) is True


def _is_false(found: Any, _value: Any) -> bool:
    return _yes_or_no(found) is False


def _yes_or_no(found: Any) -> bool | None:
    """None: the host could not say, which is neither."""
    if not _switch(found):
        raise Unfit(f"{shown(found)} is neither true nor false")
    return found if isinstance(found, bool) else None


_RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": same,
    "one_of": _one_of,
    "at_least": _at_least,
    "at_most": _at_most,
    "matches": _matches,
    "contains": _contains,
    "contains_all": _contains_all,
    "only": _only,
    "none_of": _none_of,
    "empty": _empty,
    "not_empty": _not_empty,
    "is_true": _is_true,
    "is_false": _is_false,
}


def missing(found: Any, value: Any) -> list[Any]:
    """What a list lacks."""
    items = _items(found)
    return [one for one in value if not any(same(item, one) for item in items)]


def besides(found: Any, value: Any) -> list[Any]:
    """What a list has besides."""
    return [item for item in _items(found) if not any(same(item, one) for one in value)]


def among(found: Any, value: Any) -> list[Any]:
    """What a list has of those."""
    return [item for item in _items(found) if any(same(item, one) for one in value)]


def _items(found: Any) -> list[Any]:
    """A list; one thing is a list of itself, and nothing is an empty one."""
    if isinstance(found, bool | Mapping):
        raise Unfit(f"{shown(found)} is no list")
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


# -- words --------------------------------------------------------------------------------------------------------


# What is said in front of a rule's value; and of the rules that take none, all that is said.
_BEFORE: Mapping[str, str] = {
    "equals": "",
    "one_of": "",
    "at_least": "at least ",
    "at_most": "at most ",
    "matches": "text like ",
    "contains": "with ",
    "contains_all": "with ",
    "only": "only ",
    "none_of": "without ",
}
_WHOLE: Mapping[str, str] = {"empty": NOTHING, "not_empty": "something", "is_true": "yes", "is_false": "no"}
# What is left of a rule that is given an empty list.
_OF_NONE: Mapping[str, str] = {"only": NOTHING, "contains_all": "anything", "none_of": "anything"}


def wanted(rule: str, value: Any) -> str:
    """What a rule wants."""
    if rule in _WHOLE:
        return _WHOLE[rule]
    if rule in _OF_NONE and not value:
        return _OF_NONE[rule]
    if rule == "one_of":
        return short(" or ".join(shown(one) for one in value)) or NOTHING
    return short(_BEFORE[rule] + shown(value))


def seen(rule: str, found: Any, value: Any, *, held: bool) -> str:
    """What was found; of a list of which some are wrong, those that are wrong."""
    if not held and rule == "only":
        return ("also " if value else "") + listed(besides(found, value))
    if not held and rule == "none_of":
        return listed(among(found, value))
    if not held and rule == "contains_all":
        return f"without {listed(missing(found, value))}"
    return shown(found)


def shown(value: Any) -> str:
    """A value on one line, with nothing in it that could move a cursor."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return listed(value)
    if isinstance(value, Mapping):
        return short(" ".join(f"{key}={shown(one)}" for key, one in sorted(value.items())))
    return short(str(value)) or NOTHING


def listed(values: Iterable[Any]) -> str:
    return short(", ".join(shown(value) for value in values)) or NOTHING


def short(text: str) -> str:
    """At most LONGEST characters, printable ones, on one line."""
    line = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
