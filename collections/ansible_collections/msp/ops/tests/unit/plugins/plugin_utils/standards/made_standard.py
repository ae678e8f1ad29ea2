"""Controls, standards and config contexts for tests: small, made up, and complete."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning, catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Assigned, Control, Standard

TODAY = dt.date(2026, 11, 26)
AGREED = {"by": "A. Bakker", "on": "2026-11-01", "reference": "mail of 1 November"}
WAIVER = {"reason": "The till needs it", "owner": "Noor", "expires": "2027-01-31", "agreed": AGREED}


def control(**changes: Any) -> dict[str, Any]:
    """A control as a file has it. A key that is changed to None is left out."""
    made: dict[str, Any] = {
        "id": "ssh-root-login",
        "area": "ssh",
        "role": "msp_baseline_linux",
        "title": {"en": "No root by ssh", "nl": "Geen root via ssh"},
        "reason": {"en": "Nobody is named root.", "nl": "Niemand heet root."},
        "severity": "high",
        "references": [{"source": "NIS2", "section": "Art. 21(2)(i)"}],
        "platforms": ["debian", "ubuntu", "redhat"],
        "parameters": {"allowed": {"type": "choice", "choices": ["no", "prohibit-password"], "default": "no"}},
        "checks": [
            {
                "probe": {"kind": "sshd", "name": "permitrootlogin"},
                "field": "value",
                "rule": "equals",
                "value": {"parameter": "allowed"},
            }
        ],
        "not_applicable_when": [
            {
                "probe": {"kind": "package", "name": "openssh-server"},
                "field": "installed",
                "rule": "is_false",
                "because": {"en": "there is no ssh server", "nl": "er is geen ssh-server"},
            }
        ],
        "lockout": "ssh",
        "minutes": 6,
    }
    changed = {**made, **copy.deepcopy(changes)}
    return {key: value for key, value in changed.items() if value is not None}


def tries(**changes: Any) -> dict[str, Any]:
    """A control with a whole number in it and no condition."""
    made = {
        "id": "ssh-tries",
        "severity": "medium",
        "parameters": {"most": {"type": "integer", "minimum": 2, "maximum": 6, "default": 4}},
        "checks": [check("at_most", {"parameter": "most"}, {"kind": "sshd", "name": "maxauthtries"}, "value")],
        "not_applicable_when": None,
    }
    return control(**{**made, **changes})


def check(rule: str, value: Any = None, probe: Mapping[str, Any] | None = None, field: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"probe": dict(probe or {"kind": "accounts"}), "rule": rule}
    if field:
        made["field"] = field
    if value is not None:
        made["value"] = value
    return made


def controls(*made: Mapping[str, Any], area: str = "ssh") -> Mapping[str, Control]:
    """As the loader reads them; JSON is YAML."""
    return catalogue.load({f"{area}.yml": json.dumps(made or [control(), tries()])})


def standard(name: str = "linux-server", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "version": "1.0",
        "title": {"en": "Linux server", "nl": "Linux-server"},
        "class": "linux-server",
        "controls": {"ssh-root-login": {}, "ssh-tries": {}},
    }
    changed = {**made, **copy.deepcopy(changes)}
    return {key: value for key, value in changed.items() if value is not None}


def own(**changes: Any) -> dict[str, Any]:
    """A standard of an MSP, which has its name as its key."""
    made = standard(**{"extends": "linux-server", "version": "3", "controls": {}, **changes})
    del made["name"]
    return made


def shipped(known: Mapping[str, Control], *made: Mapping[str, Any]) -> Mapping[str, Standard]:
    files = {f"{one['name']}.yml": json.dumps(one) for one in (made or (standard(),))}
    return catalogue.load_standards(files, known)


def context(**changes: Any) -> dict[str, Any]:
    return {"name": "linux-server", **copy.deepcopy(changes)}


def assigned(*made: Mapping[str, Any], today: dt.date = TODAY, **changes: Any) -> Assigned:
    """What an asset is held to by a standard of all of these controls, with what the context says besides."""
    known = controls(*made)
    standards = shipped(known, standard(controls={id: {} for id in known}))
    return assigning.assign_of(context(**changes), None, known, standards, today=today)
