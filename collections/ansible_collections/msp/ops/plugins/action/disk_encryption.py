# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.disk_encryption: arguments, one call, diff, result. The work is in plugin_utils/encryption/bringing.py.

Documentation: plugins/modules/disk_encryption.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.encryption import volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
from ansible_collections.msp.ops.plugins.plugin_utils.encryption import bringing, telling

SPEC: dict[str, dict[str, Any]] = {
    "volumes": {"type": "dict", "required": True},
    "days": {"type": "int"},
    "settle": {"type": "bool", "default": True},
    "open_with": {"type": "dict", "default": {}, "no_log": True},
    "escrow_lost": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    """Goes between the host and the escrow, step by step."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        variables = task_vars or {}
        self._given, self._variables = arguments["volumes"], variables
        try:
            return {**result, **self._bring_about(arguments, subject(str(variables["inventory_hostname"]), variables))}
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}

    def _bring_about(self, arguments: Mapping[str, Any], whose: Any) -> dict[str, Any]:
        volumes = volume.parse_all(self._given)
        if not self._is_pipelining_enabled("new"):
            raise telling.without_pipelining()
        seen = self._ask({"volumes": self._given})
        days = arguments["days"]
        wish = bringing.Wish(
            whose.customer,
            whose.asset,
            whose.host,
            None if days is None else dt.timedelta(days=days),
            settle=arguments["settle"],
            dry=self._task.check_mode,
            open_with=arguments["open_with"],
            escrow_lost=arguments["escrow_lost"],
        )
        with escrowing.at_hand(whose.customer) as escrow:
            run = bringing.Bringing(escrow, self._step, wish)
            try:
                run.all(volumes, seen)
            except MspError as error:
                # What was done before it failed was done.
                failed = {"failed": True, "msg": str(error), "error": error.as_dict()}
                return {**telling.told(volumes, seen, run.done), **failed}
            return telling.told(volumes, seen, run.done)

    def _step(self, step: str, name: str, **arguments: Any) -> Mapping[str, Any]:
        return self._ask({"volumes": self._given, "step": step, "name": name, **arguments})[name]

    def _ask(self, arguments: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        sent = {key: value for key, value in arguments.items() if value is not None}
        said = self._execute_module(module_name="msp.ops.luks_volume", module_args=sent, task_vars=self._variables)
        return telling.answered(said)
