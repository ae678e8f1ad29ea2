# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.awx_model: arguments, one call, diff, result. The work is in plugin_utils/awx."""

from __future__ import annotations

import datetime as dt
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.awx.client import SPEC as AWX_SPEC
from ansible_collections.msp.ops.plugins.plugin_utils.awx.client import Awx
from ansible_collections.msp.ops.plugins.plugin_utils.awx.planning import look, read_customers

SPEC: dict[str, dict[str, Any]] = {
    **AWX_SPEC,
    "directory": {"type": "path", "required": True},
    "customers_file": {"type": "path"},
    "customers_from_netbox": {"type": "bool", "default": False},
    "most_removed": {"type": "int", "default": 100},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "settled": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host. Reads only, in check mode and out of it."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        try:
            customers = read_customers(
                arguments["customers_file"],
                from_netbox=arguments["customers_from_netbox"],
                today=dt.datetime.now(dt.UTC).date(),
            )
            with Awx(arguments) as awx:
                outcome = look(
                    awx,
                    arguments["directory"],
                    customers,
                    most_removed=arguments["most_removed"],
                    secrets=arguments["secrets"],
                    settled=arguments["settled"],
                )
                requests = awx.requests
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff:
            result["diff"] = {
                "before_header": "AWX",
                "after_header": "awx/",
                **{
                    side: yaml.safe_dump(table, sort_keys=True) if table else "" for side, table in outcome.diff.items()
                },
            }
        return result | {
            "changed": bool(outcome.summary),
            "summary": outcome.summary,
            "steps": outcome.steps,
            "removals": outcome.removals,
            "requests": requests,
        }
