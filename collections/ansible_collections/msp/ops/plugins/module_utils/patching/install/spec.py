# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The arguments of patch_install, one list for the module on the host and the action on the controller."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "str", "required": True}
SPEC: dict[str, dict[str, Any]] = {
    "rollout": _TEXT,
    "action": {"type": "str", "choices": ["start", "look", "check", "rollback"], "default": "start"},
    "packages": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": _TEXT, "architecture": _TEXT, "version": _TEXT},
    },
    "excluded": {"type": "list", "elements": "str", "default": []},
    "unseen": {"type": "list", "elements": "str", "default": []},
    "finish_only": {"type": "bool", "default": False},
    "machine_id": {"type": "str"},
    "reboot": {"type": "str", "choices": ["never", "if_needed", "always"], "default": "if_needed"},
    "restart_services": {"type": "bool", "default": True},
    "checks_before": {"type": "list", "elements": "dict", "default": []},
    "checks_after": {"type": "list", "elements": "dict", "default": []},
    "check_seconds": {"type": "int", "default": 60},
    "deadline": {"type": "str"},
    "open_rollouts": {"type": "list", "elements": "str"},
    "begin_by": {"type": "str"},
    "margins": {"type": "dict", "default": {}},
    "lock_timeout": {"type": "int", "default": 60},
    "controller_time": {"type": "str"},
    "wait": {"type": "int", "default": 3600},
    "lost_after": {"type": "int", "default": 600},
    "poll": {"type": "float", "default": 3.0},
    "linger": {"type": "float", "default": 20.0},
}
# What concerns the controller alone, and is not sent on.
OF_THE_CONTROLLER = ("wait", "lost_after", "poll")
