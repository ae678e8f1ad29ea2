# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what was found is what a rule wants, and what is said of both. Pure.

What was found is data of a host: any JSON may come. null is what is not set, and a probe that could not tell says so in
its state. What a rule can't be held against is Unfit, neither yes nor no: a control is then an error, never compliant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.standards import amounts, said
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import Text, phrase

NOTHING = phrase("nothing")


class Unfit(Exception):
    """What was found is not of the kind that the rule can be held against; said has why."""

    def __init__(self, why: Text) -> None:
        super().__init__(said.english(why))
        self.said = why


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path. In a list inside, the path goes into every item: "enabled.uri" is all addresses."""
    return _at(value, path.split("."), path) if path else value


def _at(value: Any, parts: Sequence[str], path: str) -> Any:
    if not isinstance(value, Mapping) or parts[0] not in value:
        raise Unfit(phrase("no_field", path=path))
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


def _no_less(found: Any, value: Any) -> bool:
    if found is None:
        return True
    enough = None if isinstance(found, bool | list | Mapping) else amounts.enough(str(found), str(value))
    if enough is None:
        raise Unfit(phrase("no_amount", found=shown(found)))
    return enough


def _at_least(found: Any, value: Any) -> bool:
    number = _number(found)
    return number is not None and number >= value


def _at_most(found: Any, value: Any) -> bool:
    number = _number(found)
    return number is not None and number <= value


def _number(found: Any) -> int | None:
    """A whole number; None for a word such as "unlimited", and where nothing is set."""
    if isinstance(found, bool | list | Mapping):
        raise Unfit(phrase("no_number", found=shown(found)))
    text = str(found).strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,30}", text, re.ASCII) else None


def _matches(found: Any, value: Any) -> bool:
    if isinstance(found, bool | list | Mapping):
        raise Unfit(phrase("no_text", found=shown(found)))
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
        raise Unfit(phrase("no_text_or_list", found=shown(found)))
    return not found


def _not_empty(found: Any, value: Any) -> bool:
    return not _empty(found, value)


def _each(found: Any, value: Any) -> bool:
    return not unlike(found, value)


def _is_true(found: Any, _value: Any) -> bool:
    return _yes_or_no(found) is True


def _is_false(found: Any, _value: Any) -> bool:
    return _yes_or_no(found) is False


def _yes_or_no(found: Any) -> bool | None:
    """None: the host could not say, which is neither."""
    if not _switch(found):
        raise Unfit(phrase("no_yes_or_no", found=shown(found)))
    return found if isinstance(found, bool) else None


_RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": same,
    "one_of": _one_of,
    "as_strict": _one_of,
    "at_least": _at_least,
    "at_most": _at_most,
    "no_less": _no_less,
    "matches": _matches,
    "contains": _contains,
    "contains_all": _contains_all,
    "only": _only,
    "none_of": _none_of,
    "each": _each,
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


def unlike(found: Any, value: Any) -> dict[str, Any]:
    """What of a table is another. An empty table says nothing of anything."""
    if not isinstance(found, Mapping) or not found:
        raise Unfit(phrase("no_table", found=shown(found)))
    return {name: one for name, one in found.items() if not same(one, value)}


def _items(found: Any) -> list[Any]:
    """A list; one thing is a list of itself, and nothing is an empty one."""
    if isinstance(found, bool | Mapping):
        raise Unfit(phrase("no_list", found=shown(found)))
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


# -- words --------------------------------------------------------------------------------------------------------


# Of rules that say more than their value, the key of what they say with it; and of those without one, all that is said.
_WITH: Mapping[str, str] = {
    "at_least": "at_least",
    "at_most": "at_most",
    "no_less": "at_least",
    "matches": "like",
    "contains": "with",
    "contains_all": "with",
    "only": "only",
    "none_of": "without",
}
_WHOLE: Mapping[str, Text] = {
    "empty": NOTHING,
    "not_empty": phrase("something"),
    "is_true": phrase("yes"),
    "is_false": phrase("no"),
}
# What is left of a rule that is given an empty list.
_OF_NONE: Mapping[str, Text] = {
    "only": NOTHING,
    "contains_all": phrase("anything"),
    "none_of": phrase("anything"),
    "one_of": NOTHING,
}


def wanted(rule: str, value: Any) -> Text:
    """What a rule wants."""
    if rule in _WHOLE:
        return _WHOLE[rule]
    if rule in _OF_NONE and not value:
        return _OF_NONE[rule]
    if rule in ("one_of", "as_strict"):
        return said.several(said.ANY, (shown(one) for one in value))
    return phrase(_WITH[rule], value=shown(value)) if rule in _WITH else shown(value)


def seen(rule: str, found: Any, value: Any, *, held: bool) -> Text:
    """What was found; of a list or a table of which some are wrong, those that are wrong."""
    if not held and rule == "only":
        more = listed(besides(found, value))
        return phrase("also", what=more) if value else more
    if not held and rule == "none_of":
        return listed(among(found, value))
    if not held and rule == "contains_all":
        return phrase("without", value=listed(missing(found, value)))
    if not held and rule == "each":
        return shown(unlike(found, value))
    return shown(found)


def shown(value: Any) -> Text:
    """A value on one line, with nothing in it that could move a cursor."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return phrase("yes" if value else "no")
    if isinstance(value, list):
        return listed(value)
    if isinstance(value, Mapping):
        pairs = (phrase("pair", name=said.short(str(name)), value=shown(one)) for name, one in sorted(value.items()))
        return said.several(said.PAIRS, pairs)
    return said.short(str(value)) or NOTHING


def listed(values: Iterable[Any]) -> Text:
    """Several values; none at all are nothing."""
    found = [shown(value) for value in values]
    return said.several(said.ALL, found) if found else NOTHING
