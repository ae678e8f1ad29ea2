# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a runbook is told: the form of each parameter, and values held against it. Pure.

Values come from labels of alerts, which anybody may have written who can reach the monitoring: a label is text, so text
is read as the number or list that is asked for, and what has not the form is refused. No pattern here takes a brace, a
blank at the start, an option's hyphen or a path with dots in it; a test holds every pattern that we ship against that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

STRING, PATH, INTEGER, NUMBER, BOOLEAN, LIST, TABLE = TYPES = (
    *("string", "path", "integer", "number", "boolean", "list", "table"),
)
MOST_ITEMS = 50
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,9})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?")
_WORDS = {"true": True, "yes": True, "false": False, "no": False}
UNKNOWN, MISSING, FORM = ("MSP-RUN-010", "MSP-RUN-011", "MSP-RUN-012")


@dataclass(frozen=True, slots=True)
class Parameter:
    """pattern: what text, or each item of a list, is in whole. least and most: of a number."""

    name: str
    type: str
    description: str
    pattern: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    required: bool = False
    default: Any = None

    @property
    def form(self) -> str:
        """In words, for an error and the documentation."""
        if self.type in (INTEGER, NUMBER):
            kind = "a whole number" if self.type == INTEGER else "a number"
            return f"{kind} from {self.least:g} to {self.most:g}"
        if self.choices:
            return f"{'some' if self.type == LIST else 'one'} of {', '.join(self.choices)}"
        if self.type == BOOLEAN:
            return "true or false"
        if self.type == TABLE:
            return "a table"
        what = {LIST: f"a list of at most {MOST_ITEMS} texts, each", PATH: "an absolute path", STRING: "text"}[
            self.type
        ]
        return f"{what} that is in whole {self.pattern}"

    def read(self, value: Any) -> Any:
        """The value as the module takes it. ValueError where it has not the form."""
        if self.type == LIST:
            items = [one.strip() for one in value.split(",")] if isinstance(value, str) else value
            if not isinstance(items, list | tuple) or len(items) > MOST_ITEMS:
                raise ValueError
            return [self._text(one) for one in items if one != ""]
        if self.type == TABLE:
            if not isinstance(value, Mapping):
                raise ValueError
            return dict(value)
        if self.type == BOOLEAN:
            return value if isinstance(value, bool) else _word(value)
        return self._number(value) if self.type in (INTEGER, NUMBER) else self._text(value)

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        text = str(value)
        if self.choices and text not in self.choices:
            raise ValueError
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ValueError
        return text

    def _number(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        if isinstance(value, str) and not (_WHOLE if self.type == INTEGER else _DECIMAL).fullmatch(value):
            raise ValueError
        number = float(value)
        if not math.isfinite(number) or (self.type == INTEGER and number != int(number)):
            raise ValueError
        if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
            raise ValueError
        return int(number) if self.type == INTEGER else number


def _word(value: Any) -> bool:
    if not isinstance(value, str) or value.lower() not in _WORDS:
        raise ValueError
    return _WORDS[value.lower()]


def checked(
    runbook: str, what: str, forms: Mapping[str, Parameter], given: Mapping[str, Any], do: str
) -> dict[str, Any]:
    """Every value that was given or has a default. what: whose they are, for an error; do: what to do about one."""
    for name in given:
        if name not in forms:
            raise MspError(UNKNOWN, f"{what} that {runbook} has ({', '.join(forms) or 'none'})", _shown(name), do)
    found: dict[str, Any] = {}
    for name, form in forms.items():
        value = given.get(name)
        if value is None or (value == "" and not form.required):
            if form.required:
                raise MspError(MISSING, f"{name} for {runbook}: {form.description.rstrip('.')}", "nothing", do)
            if form.default is not None:
                found[name] = form.default
            continue
        try:
            found[name] = form.read(value)
        except ValueError:
            raise MspError(FORM, f"{name} of {runbook} to be {form.form}", _shown(value), do) from None
    return found


def _shown(value: Any) -> str:
    """A value that was refused: cut, and without what a terminal or a template would act on."""
    text = "".join(one if one.isprintable() else "?" for one in str(value)).replace("{", "(").replace("}", ")")
    return repr(text[:80])
