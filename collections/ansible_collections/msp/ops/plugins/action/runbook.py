# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.runbook: arguments, one call, result. Documentation: plugins/modules/runbook.py."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import results, runbooks
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks import catalogue

SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "parameters": {"type": "dict", "default": {}},
    "policy": {"type": "dict", "default": {}},
}
# PID 1's start: the boot id of a container is its host's, and does not change (ansible.builtin.reboot).
BOOT_TIME = "cut -d' ' -f22 /proc/1/stat"
REBOOT_SECONDS = 600


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        try:
            declared = catalogue.declared(arguments["name"])
            asset = subject(str(variables["inventory_hostname"]), variables)
            event = variables.get("msp_event")
            asked = runbooks.Asked(
                declared,
                arguments["parameters"],
                tuple(str(name) for name in variables["msp"].get("runbooks_stopped") or ()),
                None if event is None else str(event),
                os.environ.get("MSP_RUN_ID"),
                arguments["policy"],
            )
            host = _Host(self, declared.name, variables)
            told = results.policy()  # what is wrong with it is said before anything is done
            with Store.open() as store:
                done = runbooks.run(store, asset, asked, host, dry=self._task.check_mode, told=told)
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        result.update(done, customer=asset.customer, runbook=declared.name)
        if done["outcome"] == "failed":
            result.update(failed=True, msg=f"The runbook {declared.name} broke on {asset.host}: {done['reason']}")
        return result


class _Host:
    """The host of this task: the runbook's own module, and a reboot as ansible.builtin.reboot does it."""

    def __init__(self, action: ActionModule, runbook: str, variables: dict[str, Any]) -> None:
        self.action = action
        self.module = f"msp.ops.runbook_{runbook}"
        self.variables = variables

    def ask(self, parameters: Mapping[str, Any], *, after: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        sent = {**parameters, **({"after": dict(after["before"])} if after else {})}
        try:
            said = self.action._execute_module(module_name=self.module, module_args=sent, task_vars=self.variables)
        except AnsibleConnectionFailure as error:
            raise runbooks.Unreachable(str(error)) from error
        if said.get("unreachable"):
            raise runbooks.Unreachable(str(said.get("msg")))
        return dict(said)

    def reboot(self) -> Mapping[str, Any]:
        task = self.action._task.copy()
        task.action = "ansible.builtin.reboot"
        task.args = {"reboot_timeout": REBOOT_SECONDS, "boot_time_command": BOOT_TIME, "msg": "Runbook pending_reboot"}
        plugin = self.action._shared_loader_obj.action_loader.get(
            "ansible.builtin.reboot",
            task=task,
            connection=self.action._connection,
            play_context=self.action._play_context,
            loader=self.action._loader,
            templar=self.action._templar,
            shared_loader_obj=self.action._shared_loader_obj,
        )
        try:
            return dict(plugin.run(task_vars=self.variables))
        except AnsibleConnectionFailure as error:
            return {"failed": True, "msg": str(error)}
