# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.customer: arguments, one call, diff, result. The work is in plugin_utils/contract and register/onboarding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.document import RefusedError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.plan import summary
from ansible_collections.msp.ops.plugins.plugin_utils.register import onboarding
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of

SPEC: dict[str, dict[str, Any]] = {
    **NETBOX_SPEC,
    "contract_file": {"type": "path", "required": True},
    "skip_bad_rows": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        path = Path(arguments["contract_file"])
        try:
            customer, listed = onboarding.load(path, skip_bad_rows=arguments["skip_bad_rows"])
            result["customer"] = customer.slug
            with register_of(arguments) as register:
                plan = onboarding.plan(register, customer, listed)
                if not self._task.check_mode:
                    onboarding.apply(register, plan)
        except MspError as error:
            errors = error.errors if isinstance(error, MspErrors) else [error]
            if isinstance(error, RefusedError) and error.customer:
                result["customer"] = error.customer
            return result | {"failed": True, "msg": str(error), "errors": [one.as_dict() for one in errors]}
        if self._task.diff:
            sides = {side: yaml.safe_dump(values) if values else "" for side, values in plan.diff().items()}
            result["diff"] = {"before_header": "NetBox", "after_header": path.name, **sides}
        return result | {
            "changed": plan.changed,
            "summary": summary(plan.changes),
            "changes": [change.as_dict() for change in plan.changes],
            "vanished": [item.as_dict() for item in plan.vanished],
            "skipped_rows": [{"row": row.place, "reason": row.reason} for row in plan.skipped],
            "notes": list(plan.notes),
        }
