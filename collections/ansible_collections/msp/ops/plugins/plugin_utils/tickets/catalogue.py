# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The known problems, out of the files beside this one, or out of text. Reads only its own files.

An error in any of them refuses all of them: a problem that is not understood is never left out quietly.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import forms, yamlfile
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import LANGUAGES, Problem

PLACE = Path(__file__).with_name("known")
CODES = forms.Codes("MSP-TIC-004", "MSP-TIC-004", "MSP-TIC-004", "MSP-TIC-004")

_NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "description": "a lower-case name such as disk_full"}
_WORDS = {"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 1, "uniqueItems": True}


def _in_both(form: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": dict.fromkeys(LANGUAGES, form),
        "required": list(LANGUAGES),
        "additionalProperties": False,
    }


FORM = {
    "type": "object",
    "properties": {
        "wordings": _in_both({**_WORDS, "minItems": 5}),
        "needs": {"type": "array", "items": _WORDS, "minItems": 1},
        "unless": _WORDS,
        "answer": _in_both({"type": "string", "minLength": 40, "maxLength": 1500}),
        "guide": _NAME,
        "runbook": _NAME,
    },
    "required": ["wordings", "needs", "unless", "answer"],
    "additionalProperties": False,
}


@functools.cache
def known() -> Mapping[str, Problem]:
    """Every known problem by its name."""
    return load({file.stem: file.read_text(encoding="utf-8") for file in sorted(PLACE.glob("*.yml"))})


def load(files: Mapping[str, str]) -> Mapping[str, Problem]:
    """The problems in the text of files by name. Raises MspErrors with all that is wrong in any of them."""
    errors: list[MspError] = []
    found: dict[str, Problem] = {}
    for name, text in sorted(files.items()):
        try:
            source = yamlfile.read(text, f"{name}.yml", ours=True)
        except MspError as error:
            errors.append(MspError("MSP-TIC-004", error.expected, error.found, error.action))
            continue
        wrong = [*source.errors, *forms.violations(source.data, FORM, (), CODES, source)]
        errors += wrong
        if not wrong:
            found[name] = _problem(name, source.data)
    if errors:
        raise MspErrors(errors)
    return MappingProxyType(found)


def _problem(name: str, data: Mapping[str, Any]) -> Problem:
    return Problem(
        name=name,
        wordings={language: tuple(data["wordings"][language]) for language in LANGUAGES},
        needs=tuple(tuple(group) for group in data["needs"]),
        unless=tuple(data["unless"]),
        answer={language: data["answer"][language].strip() for language in LANGUAGES},
        guide=data.get("guide", ""),
        runbook=data.get("runbook", ""),
    )
