# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.verification_sheet: arguments, one call, diff, result. The work is in plugin_utils/desk."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import settle
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of

SPEC: dict[str, dict[str, Any]] = {
    **NETBOX_SPEC,
    "customer": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "signed_by": {"type": "str", "default": ""},
    "signed_on": {"type": "str", "default": ""},
    "store_url": {"type": "str", "no_log": True},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        signature = {name: arguments[name] for name in ("signed_by", "signed_on")}
        now = dt.datetime.now(dt.UTC)
        try:
            with Store.open(arguments["store_url"]) as store, register_of(arguments) as register:
                customer = one_customer(register, arguments["customer"])
                result["customer"] = customer.slug
                filled = settle.read_sheet(Path(arguments["path"]))
                plan = settle.plan_sheet(register, store, filled, customer, now=now, **signature)
                if not self._task.check_mode:
                    settle.apply_plan(register, store, customer, plan)
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff:
            result["diff"] = plan.diff()
        return result | plan.as_dict()
