# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.patch_plan: arguments, one call, diff, result. The work is in plugin_utils/desk/patch_plans.py."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of

SPEC: dict[str, dict[str, Any]] = {
    **NETBOX_SPEC,
    "customer": {"type": "str", "required": True},
    "path": {"type": "path"},
    "made_by": {"type": "str"},
    "host_minutes": {"type": "int", "default": 30},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC, required_by={"path": ["made_by"]})[1]
        try:
            wishes = patch_plans.wishes_of(arguments)
            with register_of(arguments) as register:
                customer = one_customer(register, arguments["customer"])
                now = dt.datetime.now(dt.UTC)
                outcome = patch_plans.look(register, customer, wishes, now, dry_run=self._task.check_mode)
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff:
            result["diff"] = outcome.diff()
        return result | outcome.as_dict()
