# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.offboarding_register: arguments, one call, result. The work is in desk/offboarding_journal.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import offboarding_journal
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of

SPEC: dict[str, dict[str, Any]] = {
    **NETBOX_SPEC,
    "customers": {"type": "list", "elements": "str", "required": True},
    "store_url": {"type": "str", "no_log": True},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        check = bool(self._task.check_mode)
        try:
            with Store.open(arguments["store_url"]) as store, register_of(arguments) as register:
                told = [
                    line
                    for customer in arguments["customers"]
                    for line in offboarding_journal.tell(store, register, customer, check=check)
                ]
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff and told:
            result["diff"] = {"before": "", "after": "".join(f"{line}\n" for line in told)}
        return result | {"changed": bool(told), "journal": told}
