# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.audit_register: arguments, one call, diff, result. The work is in plugin_utils/audit/registering.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit import registering, standing
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of

SPEC: dict[str, dict[str, Any]] = {
    **NETBOX_SPEC,
    "hosts": {"type": "list", "elements": "str", "required": True},
    "began": {"type": "str", "required": True},
    "store_url": {"type": "str", "no_log": True},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        try:
            inventory = (task_vars or {})["hostvars"]._inventory
            subjects = [subject(name, inventory.hosts[name].vars) for name in arguments["hosts"]]
            began = standing.moment(arguments["began"])
            check = self._task.check_mode
            with Store.open(arguments["store_url"]) as store:
                done = registering.record(store, subjects, began, check=check)
                with register_of(arguments) as register:
                    registering.register_audits(store, register, done, check=check)
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff and done.changes:
            result["diff"] = {
                "before": {asset: have for asset, (have, _wanted) in sorted(done.changes.items())},
                "after": {asset: wanted for asset, (_have, wanted) in sorted(done.changes.items())},
            }
        return result | {
            "changed": bool(done.changes),
            "counts": standing.counts(done.attempts),
            "not_audited": {one.subject.host: one.error for one in done.attempts if one.error},
            "customers": sorted({one.subject.customer for one in done.attempts}),
            "netbox_writes": len(done.changes),
            "observations": done.observations,
            "refused": done.refused,
            "rejected": done.rejected,
            "summary": standing.sentences(
                done.attempts, len(done.changes), refused=done.refused, rejected=done.rejected
            ),
        }
