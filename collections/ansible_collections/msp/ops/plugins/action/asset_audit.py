# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the module on the host, keeps what it measured in the spool, returns a hash and a summary.

Documentation: plugins/modules/asset_audit.py. It writes neither to NetBox nor to the store.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit import keeping, outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit.limit import TimeIsUp, limit
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject

# Every probe has its own limit; this one is for a host that hangs as a whole.
SECONDS = 540.0


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = str(variables["inventory_hostname"])
        began = dt.datetime.now(dt.UTC)
        try:
            asset = subject(host, variables)
            if not asset.has_address:
                error = outcome.no_address(host)
                return {**result, "outcome": outcome.NOT_ATTEMPTED, "msg": str(error), "error": error.as_dict()}
            found = self._measure(host, variables)
            run = os.environ.get("MSP_RUN_ID")
            kept = keeping.keep(asset, found, began, run=run, dry=self._task.check_mode)
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        result.update(changed=False, outcome=kept.outcome)
        if found.error is not None:
            result.update(msg=str(found.error), error=found.error.as_dict())
            result["unreachable"] = found.outcome == outcome.UNREACHABLE
            return result
        result.update(
            facts_hash=kept.facts_hash,
            facts_changed=kept.facts_hash != asset.facts_hash,
            changed_sections=kept.changed,
            summary=dict(kept.summary),
            unknown=kept.unknown,
            seconds=found.seconds,
        )
        if self._task.diff and kept.facts_hash != asset.facts_hash:
            after = {"facts_hash": kept.facts_hash, "changed_sections": kept.changed, **kept.summary}
            result["diff"] = {"before": {"facts_hash": asset.facts_hash}, "after": after}
        return result

    def _measure(self, host: str, variables: dict[str, Any]) -> outcome.Outcome:
        try:
            with limit(SECONDS):
                return outcome.read(host, self._execute_module(module_name="msp.ops.asset_audit", task_vars=variables))
        except TimeIsUp:
            return outcome.Outcome(outcome.FAILED, error=outcome.hung(host, SECONDS))
        except AnsibleConnectionFailure as error:
            return outcome.Outcome(outcome.UNREACHABLE, error=outcome.unreachable(host, str(error)))
