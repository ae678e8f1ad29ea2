# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Holds one host against its standard: asks it once, judges, keeps the check in the spool, says what is to be done.

Documentation: plugins/modules/standard_scan.py. It changes nothing on the host, and writes neither to NetBox nor to the
store.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit import outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit.limit import TimeIsUp, limit
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.contract.scope import zone
from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning, keeping_check, probing, scanning

# Every probe on the host has its own limit; this one is for a host that hangs as a whole.
SECONDS = 600.0
SPEC: dict[str, dict[str, Any]] = {
    "phase": {"type": "str", "choices": ["before", "check", "after"], "default": "check"},
    "before": {"type": "list", "elements": "dict", "default": []},
    "not_begun": {"type": "str"},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        host = str(variables["inventory_hostname"])
        now = dt.datetime.now(dt.UTC)
        try:
            asset = subject(host, variables)
            msp = variables["msp"]
            if msp.get("standard") is None:
                return {**result, "changed": False, "outcome": "no standard", "enforce": {}, "drift": []}
            today = now.astimezone(zone(msp.get("timezone"))).date()
            planned = msp.get("plan") is not None
            assigned = assigning.assign(msp["standard"], msp.get("standards_own"), today=today, planned=planned)
            drifted = scanning.drift(arguments["before"])
            sent = probing.probes(assigned)[0]
            answer = self._answer(host, sent, variables, arguments["not_begun"], has_address=asset.has_address)
            check, found = scanning.check(
                asset,
                assigned,
                answer,
                now,
                today,
                phase=arguments["phase"],
                drifted=drifted,
                run=os.environ.get("MSP_RUN_ID"),
            )
            before = keeping_check.keep(asset, check, dry=self._task.check_mode)
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        said = scanning.told(assigned, answer, found, before, today=today, diff=self._task.diff)
        if arguments["phase"] == "before":
            result["warnings"] = list(scanning.left_alone(said))
        # In check mode it stands for what would be brought about; else it only looked.
        would = self._task.check_mode and arguments["phase"] == "before" and bool(said.get("enforce"))
        result.update(said, changed=would)
        result["unreachable"] = answer.outcome == scanning.UNREACHABLE
        if self._discovered_interpreter_key:
            # Else every task after this one would ask the host again where its Python is.
            result["ansible_facts"] = {self._discovered_interpreter_key: self._discovered_interpreter}
        return result

    def _answer(
        self,
        host: str,
        probes: list[dict[str, Any]],
        variables: dict[str, Any],
        not_begun: str | None,
        *,
        has_address: bool,
    ) -> scanning.Answer:
        if not_begun is not None:
            return scanning.Answer(scanning.NOT_ATTEMPTED, error=scanning.not_begun(host, not_begun))
        return self._measure(host, probes, variables, has_address=has_address)

    def _measure(
        self, host: str, probes: list[dict[str, Any]], variables: dict[str, Any], *, has_address: bool
    ) -> scanning.Answer:
        if not has_address:
            return scanning.Answer(scanning.NOT_ATTEMPTED, error=outcome.no_address(host))
        try:
            with limit(SECONDS):
                asked = {"module_name": "msp.ops.control_facts", "module_args": {"probes": probes}}
                return scanning.read(host, self._execute_module(**asked, task_vars=variables))
        except TimeIsUp:
            return scanning.Answer(scanning.FAILED, error=scanning.hung(host, SECONDS))
        except AnsibleConnectionFailure as error:
            return scanning.Answer(scanning.UNREACHABLE, error=outcome.unreachable(host, str(error)))
