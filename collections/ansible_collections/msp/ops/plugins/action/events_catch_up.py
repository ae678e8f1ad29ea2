# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.events_catch_up: arguments, one call, result. The work is in plugin_utils/desk/catching_up.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk.catching_up import catch_up
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of

SPEC: dict[str, dict[str, Any]] = {**NETBOX_SPEC, "hours": {"type": "float", "default": 24.0}}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        try:
            with Store.open() as store, register_of(arguments) as register:
                caught = catch_up(store, register, arguments["hours"], dry=self._task.check_mode)
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        return result | {
            "changed": caught.taken > 0,
            "changes": caught.changes,
            "taken": caught.taken,
            "summary": caught.summary,
        }
