# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.reconcile: arguments, one call, diff, result. The work is in plugin_utils/desk/reconcile.py."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import confirming, reconcile
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of

SPEC: dict[str, dict[str, Any]] = {
    **NETBOX_SPEC,
    "action": {"type": "str", "choices": ["plan", "approve", "apply", "confirm", "reconcile"], "default": "reconcile"},
    "customers": {"type": "list", "elements": "str", "default": []},
    "things": {"type": "dict", "default": {}},
    "misses": {"type": "dict", "default": {}},
    "patience": {"type": "dict", "default": {}},
    "require_approval": {"type": "bool", "default": False},
    "plan": {"type": "str", "default": ""},
    "approved_by": {"type": "str", "default": ""},
    "reason": {"type": "str", "default": ""},
    "store_url": {"type": "str", "no_log": True},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC, required_if=reconcile.REQUIRED)[1]
        try:
            options = reconcile.options_of(arguments, check=self._task.check_mode)
            with Store.open(arguments["store_url"]) as store:
                if arguments["action"] == "approve":
                    return result | reconcile.approved(store, arguments, check=options.check)
                with register_of(arguments) as register:
                    if arguments["action"] == "confirm":
                        return result | confirming.confirmed(store, register, arguments, check=options.check)
                    outcome = reconcile.run(register, store, arguments, options, dt.datetime.now(dt.UTC))
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff:
            result["diff"] = outcome.diff()
        return result | outcome.as_dict()
