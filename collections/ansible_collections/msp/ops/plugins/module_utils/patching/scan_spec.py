# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The arguments of patch_scan, one list for the module on the host and the action on the controller."""

from __future__ import annotations

from typing import Any

# What is known of holes can be of tens of megabytes, and is no host's business.
OF_THE_CONTROLLER = ("exposed", "feeds", "list", "metadata_age")
SPEC: dict[str, dict[str, Any]] = {
    "refresh": {"type": "bool", "default": False},
    "lock_timeout": {"type": "int", "default": 60},
    "changelogs": {"type": "bool", "default": False},
    "metadata_age": {"type": "int", "default": 7},
    "exposed": {"type": "bool", "default": None},
    "feeds": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "kind": {"type": "str", "required": True, "choices": ["kev", "osv", "debian", "epss"]},
            "path": {"type": "path"},
            "url": {"type": "str"},
            "sha256": {"type": "str"},
            "date": {"type": "str"},
            "max_age": {"type": "int"},
        },
    },
    "list": {"type": "bool", "default": False},
}
