# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Grants a technician one login on one host, or ends it.

Documentation: plugins/modules/one_time_login.py. The order of its steps is in plugin_utils/desk/one_time_logins.py.
"""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import one_time_logins
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import rotation

SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": list(one_time_logins.STATES), "default": one_time_logins.GRANTED},
    "ticket": {"type": "str"},
    "reason": {"type": "str"},
    "minutes": {"type": "int", "default": 60},
    "directory": {"type": "path"},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]

        def ask(**sent: Any) -> dict[str, Any]:
            try:
                said = self._execute_module(module_name="msp.ops.one_time_grant", module_args=sent, task_vars=variables)
            except AnsibleConnectionFailure as error:
                raise rotation.failed(asset.host, {"msg": str(error)}) from error
            if said.get("failed") or "granted" not in said:
                raise rotation.failed(asset.host, said)
            return dict(said)

        try:
            asset = subject(str(variables["inventory_hostname"]), variables)
            # Else the password would lie in a file of the host while it is set.
            if not self._is_pipelining_enabled("new"):
                raise rotation.not_pipelined(asset.host)
            asked = one_time_logins.Asked(**arguments)
            done = one_time_logins.act(asset, asked, ask, os.environ, dry=self._task.check_mode)
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        return {**result, **done}
