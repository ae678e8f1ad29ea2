# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of a host's answer to what is pending, for a check that needs no library. Pure: no I/O.

module_utils/patching/shape.py says what each key means. A host is never trusted: what it sent is held against all of
this before anything reads it.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.audit.schema import (
    FLAG_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TIME_OR_NULL,
    list_of,
    object_of,
)

# A name goes to a command line later, and a version too: nothing else than the package managers themselves allow.
NAME = {"type": "string", "pattern": r"[A-Za-z0-9][A-Za-z0-9+._~-]*"}
NUMBER = {"type": "string", "pattern": r"[A-Za-z0-9][A-Za-z0-9.+~^:_-]*"}
MACHINE_ID = {"type": "string", "pattern": r"[0-9A-Za-z-]{0,64}"}
ARCHITECTURE = {"type": "string", "pattern": r"[a-z0-9_-]*"}
_CVE = {"type": "string", "pattern": r"CVE-\d{4}-\d{4,}"}
_CHANGE = object_of(
    {"name": NAME, "architecture": ARCHITECTURE, "version": {**NUMBER, "pattern": NUMBER["pattern"] + "|"}}
)
_CHANGES = {"anyOf": [list_of(_CHANGE), {"type": "null"}]}
_VERSION = object_of(
    {
        "version": NUMBER,
        "origin": TEXT_OR_NULL,
        "security": {"type": "boolean"},
        "cves": list_of(_CVE),
        "changelog": {"type": "boolean"},
    }
)
_NOTICE = object_of({"id": TEXT, "type": TEXT, "severity": TEXT, "cves": list_of(_CVE), "reboot": {"type": "boolean"}})
_UPDATE = object_of(
    {
        "name": NAME,
        "architecture": ARCHITECTURE,
        "installed": NUMBER,
        "candidate": NUMBER,
        "origin": TEXT_OR_NULL,
        "security": FLAG_OR_NULL,
        "versions": list_of(_VERSION),
        "cves": list_of(_CVE),
        "advisories": list_of(TEXT),
        "vendor": TEXT,
        "notices": list_of(_NOTICE),
        "held": TEXT,
        "installs": list_of(NAME),
        "removes": list_of(NAME),
        "needs": {"enum": ["reboot", "restart", "nothing", "unknown"]},
        "services": list_of(TEXT),
        "source": TEXT,
        "source_from": TEXT,
        "source_to": TEXT,
    }
)
SCHEMA = object_of(
    {
        "schema": {"const": 1},
        "outcome": {"enum": ["ok", "no metadata", "failed"]},
        "why": TEXT_OR_NULL,
        "manager": TEXT,
        "platform": TEXT,
        "machine_id": MACHINE_ID,
        "metadata_at": TIME_OR_NULL,
        "refreshed": {"type": "boolean"},
        "changed": {"type": "boolean"},
        "updates": {"anyOf": [list_of(_UPDATE), {"type": "null"}]},
        "installs": _CHANGES,
        "removes": _CHANGES,
        "broken": list_of(TEXT),
        "warnings": list_of(TEXT),
        "blind": list_of(TEXT),
        "unknown": list_of(object_of({"what": TEXT, "why": TEXT})),
        "booted_at": TIME_OR_NULL,
        "reboot": object_of({"needed": FLAG_OR_NULL, "reasons": list_of(TEXT)}),
        "services": {"anyOf": [list_of(TEXT), {"type": "null"}]},
        "seconds": {"type": "number", "minimum": 0},
    }
)
