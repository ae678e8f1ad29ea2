# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbooks that there are, out of the files in declared/: what each may and never does, and what it may be told.

Reads only its own files. One that is not understood refuses all of them: a runbook without its limits is none.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import forms, yamlfile
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks import parameters
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.declaration import DECLARATION
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.limits import Limits
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.parameters import Parameter

DECLARED = Path(__file__).with_name("declared")
NO_RUNBOOK, FILE = ("MSP-RUN-013", "MSP-RUN-014")
ALERT = "correct the label of the alert, or what was typed; nothing was done on the host"
POLICY = "correct the customer's policy (msp_runbook_policy); nothing was done on the host"


@dataclass(frozen=True, slots=True)
class Declared:
    """One runbook. parameters may come from an alert; policy only from the customer's settings and the controller.

    one_of: the parameters of which exactly one has to be given. offer: by language, and empty where none is made to end
    users.
    """

    name: str
    title: str
    symptom: str
    check: str
    may_change: tuple[str, ...]
    never: tuple[str, ...]
    success: str
    gives_up: str
    offer: Mapping[str, str]
    parameters: Mapping[str, Parameter]
    policy: Mapping[str, Parameter]
    one_of: tuple[str, ...]
    limits: Limits
    minutes_by_hand: float
    minutes_source: str

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What an alert or a person asks, with what was not said filled in; checked again it is the same.

        MSP-RUN-010 to 012 for what is unknown, missing or ill-formed. What only the policy may say is unknown here: an
        alert allows nothing.
        """
        found = parameters.checked(self.name, "a parameter", self.parameters, given, ALERT)
        chosen = [name for name in self.one_of if found.get(name) is not None]
        if self.one_of and len(chosen) != 1:
            wanted = f"exactly one of {' and '.join(self.one_of)} for {self.name}"
            raise MspError(parameters.MISSING, wanted, " and ".join(chosen) or "none", ALERT)
        return found

    def arguments(self, given: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of its module: what is asked, and what the policy allows. The same errors."""
        allowed = parameters.checked(self.name, "a setting", self.policy, policy, POLICY)
        return {**self.checked(given), **allowed}


@functools.cache
def catalogue() -> Mapping[str, Declared]:
    """Every runbook by its name. Raises MspErrors with all that is wrong in any file."""
    return load({file.stem: file.read_text(encoding="utf-8") for file in sorted(DECLARED.glob("*.yml"))})


def declared(name: str) -> Declared:
    """MSP-RUN-013 where there is none of this name."""
    found = catalogue().get(name)
    if found is None:
        shown = "".join(one if one.isalnum() or one == "_" else "?" for one in name[:48])
        raise MspError(NO_RUNBOOK, f"one of the runbooks {', '.join(catalogue())}", shown, "correct the name")
    return found


def load(files: Mapping[str, str]) -> Mapping[str, Declared]:
    """The runbooks in the text of files by name. Raises MspErrors with all that is wrong in any of them."""
    found: dict[str, Declared] = {}
    errors: list[MspError] = []
    for name, text in files.items():
        source = yamlfile.read(text, f"{name}.yml", ours=True)
        wrong = [
            *source.errors,
            *forms.violations(source.data, DECLARATION, (), forms.Codes(FILE, FILE, FILE, FILE), source),
        ]
        errors += wrong or _contradictions(name, source.data)
        if not errors:
            found[name] = _declared(name, source.data)
    if errors:
        raise MspErrors(errors)
    return MappingProxyType(found)


def _contradictions(name: str, data: Mapping[str, Any]) -> list[MspError]:
    """What the form of a file cannot say: bounds where they belong, patterns that can be read, defaults that fit."""
    found: list[str] = []
    both = {**data["parameters"], **data["policy"]}
    if len(both) < len(data["parameters"]) + len(data["policy"]):
        found.append("a parameter has the name of a setting of the policy")
    found += [f"one_of names {one}" for one in data.get("one_of", ()) if one not in data["parameters"]]
    for key, row in both.items():
        if (row["type"] in (parameters.INTEGER, parameters.NUMBER)) != ("range" in row):
            found.append(f"{key} is a number without a range, or has one and is none")
        if row["type"] in (parameters.STRING, parameters.PATH, parameters.LIST) and not row.keys() & {
            "pattern",
            "choices",
        }:
            found.append(f"{key} is text without a pattern or choices")
        try:
            re.compile(row.get("pattern", ""))
            form = _parameter(key, row)
            if form.default is not None and form.read(form.default) != form.default:
                found.append(f"the default of {key} does not fit it")
        except (re.error, ValueError) as error:
            found.append(f"{key}: {error or 'its default does not fit it'}")
    return [
        MspError(FILE, "the declaration of a runbook that fits together", f"{name}.yml: {one}", "correct the file")
        for one in found
    ]


def _parameter(name: str, data: Mapping[str, Any]) -> Parameter:
    least, most = data.get("range", (None, None))
    default = data.get("default")
    if data["type"] == parameters.NUMBER and default is not None:
        default = float(default)
    return Parameter(
        name,
        data["type"],
        data["description"],
        data.get("pattern", ""),
        tuple(data.get("choices", ())),
        None if least is None else float(least),
        None if most is None else float(most),
        data.get("required", False),
        default,
    )


def _declared(name: str, data: Mapping[str, Any]) -> Declared:
    limits = data["limits"]
    return Declared(
        name,
        data["title"],
        data["symptom"],
        data["check"],
        tuple(data["may_change"]),
        tuple(data["never"]),
        data["success"],
        data["gives_up"],
        MappingProxyType(dict(data.get("offer", {}))),
        MappingProxyType({key: _parameter(key, row) for key, row in data["parameters"].items()}),
        MappingProxyType({key: _parameter(key, row) for key, row in data["policy"].items()}),
        tuple(data.get("one_of", ())),
        Limits(limits["per_asset_a_day"], limits["breaker"]["failures"], float(limits["breaker"]["within_hours"])),
        float(data["minutes_by_hand"]),
        data["minutes_source"],
    )
