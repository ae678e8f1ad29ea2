# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks one host who can log in to it, and keeps the answer in the spool.

Documentation: plugins/modules/access_scan.py. It changes nothing on the host, and writes neither to NetBox nor to the
store.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import keeping, naming, scanning
from ansible_collections.msp.ops.plugins.plugin_utils.audit import outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit.limit import TimeIsUp, limit
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject

# The probe on the host has its own limit; this one is for a host that hangs as a whole.
SECONDS = 120.0


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        self.validate_argument_spec(argument_spec={})
        host = str(variables["inventory_hostname"])
        now = dt.datetime.now(dt.UTC)
        asked_as = str(variables.get("ansible_user") or self._play_context.remote_user or "")
        try:
            asset = subject(host, variables)
            answer = self._answer(host, variables, has_address=asset.has_address)
            check = scanning.check(asset, answer, now, asked_as=asked_as, run=os.environ.get("MSP_RUN_ID"))
            keeping.keep(check, dry=self._task.check_mode)
            # What was seen is kept, whatever is wrong with what accounts are called.
            named = naming.read(variables["msp"].get("access"), host)
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        result.update(scanning.told(answer, named, asked_as), changed=False)
        result["unreachable"] = answer.outcome == scanning.UNREACHABLE
        if self._discovered_interpreter_key:
            # Else every task after this one would ask the host again where its Python is.
            result["ansible_facts"] = {self._discovered_interpreter_key: self._discovered_interpreter}
        return result

    def _answer(self, host: str, variables: dict[str, Any], *, has_address: bool) -> scanning.Answer:
        if not has_address:
            return scanning.Answer(scanning.NOT_ATTEMPTED, error=outcome.no_address(host))
        try:
            with limit(SECONDS):
                asked = {"module_name": "msp.ops.control_facts", "module_args": {"probes": list(scanning.PROBES)}}
                return scanning.read(host, self._execute_module(**asked, task_vars=variables))
        except TimeIsUp:
            return scanning.Answer(scanning.FAILED, error=scanning.hung(host, SECONDS))
        except AnsibleConnectionFailure as error:
            return scanning.Answer(scanning.UNREACHABLE, error=outcome.unreachable(host, str(error)))
