# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.self_service: arguments, one call, result. The work is in plugin_utils/self_service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.awx.checking import read_directory
from ansible_collections.msp.ops.plugins.plugin_utils.self_service.policy import allowed, offer_of

SPEC: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "required": True},
    "offer": {"type": "str", "required": True},
    "customer": {"type": "str", "required": True},
    "answers": {"type": "dict", "required": True},
    "own": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host. Judges, and changes nothing."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        inventory = (task_vars or {})["hostvars"]._inventory
        hosts = {name: host.vars.get("msp") for name, host in inventory.hosts.items() if name not in C.LOCALHOST}
        try:
            offer = offer_of(read_directory(Path(arguments["directory"]))["self_service"], arguments["offer"])
            request = allowed(offer, arguments["answers"], arguments["own"], arguments["customer"], hosts)
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        return result | {"changed": False, "host": request.host, "answers": dict(request.answers)}
