# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the module on the host, judges what it found with the feeds, keeps the scan in the spool, returns counts.

Documentation: plugins/modules/patch_scan.py. It writes neither to NetBox nor to the store.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.scan_spec import OF_THE_CONTROLLER, SPEC
from ansible_collections.msp.ops.plugins.plugin_utils.audit import outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit.limit import TimeIsUp, limit
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.patching import feed_files, keeping_scan, scanning

# Every step on the host has its own limit; this one is for a host that hangs as a whole.
SECONDS = 900.0


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
            if not asset.has_address:
                error = outcome.no_address(host)
                return {**result, "outcome": outcome.NOT_ATTEMPTED, "msg": str(error), "error": error.as_dict()}
            sources = feed_files.sources(arguments["feeds"])
            # Before the host is asked: a feed that is none stops everything, and nothing is judged without it.
            feed_files.check(sources, now)
            answer = self._measure(host, arguments, variables)
            updates = scanning.updates_of(answer.found)
            names, packages = scanning.asked(updates, str(answer.found.get("platform", "")))
            scan = scanning.scan(
                asset,
                answer,
                feed_files.select(sources, now, names, packages),
                now,
                exposed=arguments["exposed"],
                metadata_age=arguments["metadata_age"],
                run=os.environ.get("MSP_RUN_ID"),
            )
            before = keeping_scan.keep(asset, scan, dry=self._task.check_mode)
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        result.update(scanning.told(scan, answer, before, whole=arguments["list"], diff=self._task.diff))
        return result

    def _measure(self, host: str, arguments: dict[str, Any], variables: dict[str, Any]) -> scanning.Answer:
        sent = {name: value for name, value in arguments.items() if name not in OF_THE_CONTROLLER}
        seconds = SECONDS + arguments["lock_timeout"]
        try:
            with limit(seconds):
                return scanning.read(
                    host,
                    self._execute_module(module_name="msp.ops.patch_scan", module_args=sent, task_vars=variables),
                )
        except TimeIsUp:
            return scanning.Answer(scanning.FAILED, error=scanning.hung(host, seconds))
        except AnsibleConnectionFailure as error:
            return scanning.Answer(scanning.UNREACHABLE, error=outcome.unreachable(host, str(error)))
