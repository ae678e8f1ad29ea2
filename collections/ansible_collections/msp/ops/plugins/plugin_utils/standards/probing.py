# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be measured on a host for the controls that it is held to: one request, each probe in it once.

Pure: asks nothing itself; msp.ops.control_facts does. The same controls always give the same request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    Assigned,
    AssignedControl,
    Check,
    Chosen,
    Strictness,
)


def probes(assigned: Assigned) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
    """The probes to send, each with an id of its own, and by key() of a probe that id."""
    sent: list[dict[str, Any]] = []
    ids: dict[str, str] = {}
    for held in assigned.controls:
        for check in _checks(held):
            probe = resolved(check.probe, held.parameters)
            if key(probe) not in ids:
                ids[key(probe)] = f"p{len(sent) + 1}"
                sent.append({"id": ids[key(probe)], **probe})
    return sent, ids


def resolved(probe: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A probe with the parameters' values in it."""
    return {name: value_of(value, parameters) for name, value in probe.items()}


def value_of(value: Any, parameters: Mapping[str, Any]) -> Any:
    """What stands in a check, or what was chosen for it."""
    if isinstance(value, Strictness):
        return value.from_(value_of(value.least, parameters))
    return parameters[value.parameter] if isinstance(value, Chosen) else value


def key(probe: Mapping[str, Any]) -> str:
    """Equal for equal probes."""
    return json.dumps(probe, sort_keys=True)


def _checks(held: AssignedControl) -> Iterator[Check]:
    for condition in held.control.not_applicable_when:
        yield condition.check
    yield from held.control.checks
    for decision in held.control.decide_when:
        yield decision.check
