# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.mfa_enrol: has the host make a secret, and writes the page that shows it once.

Documentation: plugins/modules/mfa_enrol.py. The work is in plugin_utils/desk/enrolling.py; no result has the secret.
"""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.mfa.enrolling import SPEC
from ansible_collections.msp.ops.plugins.plugin_utils.desk import enrolling, escrowing

# What the action alone needs.
OWN = ("directory", "language")


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        arguments["by"] = arguments["by"] or escrowing.user(os.environ)
        sent = {name: value for name, value in arguments.items() if name not in OWN}

        def ask(pad: str) -> dict[str, Any]:
            asked = {"module_name": "msp.ops.mfa_enrol", "module_args": {**sent, "pad": pad}}
            found: dict[str, Any] = self._execute_module(**asked, task_vars=variables)
            return found

        try:
            # Else the pad would lie in a file of the host, beside what it seals, and stay there after a crash.
            if not self._is_pipelining_enabled("new"):
                raise enrolling.not_pipelined(str(variables["inventory_hostname"]))
            wish = enrolling.wish_of(arguments, variables, check=bool(self._task.check_mode))
            return result | enrolling.enrol(wish, ask)
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
