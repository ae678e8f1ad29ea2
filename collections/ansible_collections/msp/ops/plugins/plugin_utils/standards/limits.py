# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a value is within the limits that a control's parameter declares. Pure: any JSON may come.

Never corrects a value: what is outside its limits is said, and refused by who asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.standards import open_ports
from ansible_collections.msp.ops.plugins.plugin_utils.contract.forms import shown
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path
from ansible_collections.msp.ops.plugins.plugin_utils.standards import model
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Parameter

LONGEST = 20_000  # characters of a text: a banner fits, and a public key with many signatures
MOST = 1000  # items of a list or keys of a map
_LINES = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f]*")  # no control character but tab and line feed


def outside(parameter: Parameter, value: Any, path: Path = ()) -> Iterator[tuple[Path, str, str]]:
    """Where a value leaves its parameter's limits: the path in it, what is wanted there, and what is there."""
    match parameter.kind:
        case model.INTEGER:
            fits = isinstance(value, int) and not isinstance(value, bool) and _between(parameter, value)
            wanted = _integers(parameter)
        case model.CHOICE:
            fits = isinstance(value, str) and value in parameter.choices
            wanted = f"one of {', '.join(parameter.choices)} (as text, so in quotes where YAML reads another thing)"
        case model.BOOLEAN:
            fits, wanted = isinstance(value, bool), "true or false"
        case model.STRING:
            fits, wanted = _text(parameter.pattern, value), _texts(parameter.pattern)
            if fits and (why := _malformed(parameter.form, value)):
                fits, wanted = False, why
        case model.LIST:
            yield from _list(parameter, value, path)
            return
        case _:
            yield from _map(parameter, value, path)
            return
    if not fits:
        yield path, wanted, shown(value)


def _between(parameter: Parameter, value: int) -> bool:
    above = parameter.minimum is None or value >= parameter.minimum
    return above and (parameter.maximum is None or value <= parameter.maximum)


def _integers(parameter: Parameter) -> str:
    ends = [
        f"{word} {end}" for word, end in (("from", parameter.minimum), ("up to", parameter.maximum)) if end is not None
    ]
    return " ".join(["a whole number", *ends])


def _text(pattern: str | None, value: Any) -> bool:
    if not isinstance(value, str) or len(value) > LONGEST or not _LINES.fullmatch(value):
        return False
    return pattern is None or re.fullmatch(pattern, value) is not None


def _malformed(form: str, value: str) -> str:
    """What a text should be that is not in its form; empty where it is, or has none."""
    if form == model.OPEN_PORT:
        try:
            open_ports.read(value)
        except ValueError as error:
            return str(error)
    return ""


def _texts(pattern: str | None) -> str:
    plain = f"plain text of at most {LONGEST} characters"
    return plain if pattern is None else f"{plain} that is in whole {pattern}"


def _list(parameter: Parameter, value: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    if not isinstance(value, list | tuple) or len(value) > MOST:
        yield path, f"a list of at most {MOST} items", shown(value)
        return
    items = parameter.items
    if items is None:
        raise ValueError("a parameter that is a list has a form for its items")
    for place, item in enumerate(value):
        yield from outside(items, item, (*path, place))
        if parameter.unique and item in value[:place]:
            yield (*path, place), "unlike every item before it", shown(item)


def _map(parameter: Parameter, value: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    if not isinstance(value, Mapping) or len(value) > MOST:
        yield path, f"a table of at most {MOST} keys", shown(value)
        return
    values = parameter.values
    if values is None:
        raise ValueError("a parameter that is a map has a form for its values")
    for key in sorted(value, key=str):
        if not _text(parameter.keys, key):
            yield path, f"only keys that are {_texts(parameter.keys)}", shown(key)
        else:
            yield from outside(values, value[key], (*path, key))
