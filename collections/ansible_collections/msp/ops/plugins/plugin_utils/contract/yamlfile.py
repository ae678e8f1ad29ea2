# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads YAML the careful way: every value knows its line, a key that is there twice is an error, numbers are exact.

Pure: text in, data out. Never builds an object from a tag, never follows an alias (a small file can hide a huge one),
never turns 0123 into octal or 12:30 into minutes: what is no plain number stays the text that was typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

try:
    import yaml
except ImportError:  # pragma: no cover - ansible-core brings it
    yaml = None  # type: ignore[assignment]

Path = tuple[str | int, ...]

_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]*)\.[0-9]+")
_WORDS: Mapping[str, Any] = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


@dataclass(slots=True)
class Source:
    """A file's data with the line on which every value begins, and what reading it found wrong."""

    name: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    errors: list[MspError] = field(default_factory=list)

    def where(self, path: Path) -> str:
        """file:line of a value, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"


def dotted(path: Path) -> str:
    """The path as people write it: sites[0].prefixes[1].prefix."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


def read(text: str, name: str, *, ours: bool = False) -> Source:
    """The one document in text; what is no YAML raises, a key that appears twice or an alias is in errors.

    ours: the file comes with msp.ops. libyaml then reads it, which is ten times as quick, and which a file of somebody
    else could end this process with, by thousands of levels.
    """
    if yaml is None:
        raise MspError("MSP-CON-001", "the Python library PyYAML", "none", "install it in the controller's environment")
    try:
        nodes = list(yaml.compose_all(text, Loader=_loader(ours=ours)))
    except yaml.YAMLError as error:
        raise MspError("MSP-CON-001", "valid YAML", _explain(error, name), "correct the line that is named") from None
    except RecursionError:
        raise MspError("MSP-CON-001", "YAML a few levels deep", f"thousands in {name}", "write it plainly") from None
    if len(nodes) != 1:
        raise MspError(
            "MSP-CON-001",
            f"one YAML document in {name}",
            f"{len(nodes) or 'nothing'}",
            "write one, without '---' in it",
        )
    source = Source(name)
    source.data = _value(nodes[0], (), source, set())
    return source


def _loader(*, ours: bool) -> Any:
    # Where PyYAML was built without libyaml there is only the slow one.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader) if ours else yaml.SafeLoader


def _explain(error: Any, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{getattr(error, 'problem', None) or error} ({name}:{mark.line + 1 if mark else 1})"


def _value(node: Any, path: Path, source: Source, seen: set[int]) -> Any:
    line = node.start_mark.line + 1
    source.lines.setdefault(path, line)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if id(node) in seen:
        source.errors.append(
            MspError(
                "MSP-CON-001",
                f"{dotted(path)} written out",
                f"a YAML alias ({source.name}:{line})",
                "write the value again",
            )
        )
        return None
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), source, seen) for index, item in enumerate(node.value)]
    return _mapping(node, path, source, seen)


def _mapping(node: Any, path: Path, source: Source, seen: set[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    first: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = str(getattr(key_node, "value", ""))
        line = key_node.start_mark.line + 1
        if key in first:
            source.errors.append(
                MspError(
                    "MSP-CON-002",
                    f"{dotted((*path, key))} once",
                    f"it on line {first[key]} and again ({source.name}:{line})",
                    "keep the one that is meant",
                )
            )
            continue
        first[key] = line
        source.lines[(*path, key)] = line
        found[key] = _value(value_node, (*path, key), source, seen)
    return found


def _scalar(node: Any) -> Any:
    text: str = node.value
    if node.style:  # a plain one has none, or an empty one
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    return text
