# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.entra_access: arguments, one call, result. The work is in plugin_utils/desk/entra_access.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import entra_source
from ansible_collections.msp.ops.plugins.plugin_utils.desk import entra_access

SPEC: dict[str, dict[str, Any]] = {
    "customer": {"type": "str", "required": True},
    "source": {"type": "raw", "required": True, "no_log": True},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        customer = arguments["customer"]
        try:
            source = entra_source.parse(customer, arguments["source"])
            found = entra_access.look(customer, source, dry=self._task.check_mode)
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        return result | {"changed": False, **found}
