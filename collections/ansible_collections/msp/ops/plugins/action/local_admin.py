# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotates the password of one account of a host, and tries the new one by a real login where it is for emergencies.

Documentation: plugins/modules/local_admin.py. What comes next is decided in plugin_utils/local_admin/rotation.py.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import doing
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing, local_admins
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import login, rotation

SPEC: dict[str, dict[str, Any]] = {
    "account": {"type": "str", "default": "root"},
    "purpose": {"type": "str", "choices": list(local_admins.PURPOSES), "default": local_admins.PURPOSES[0]},
    "days": {"type": "int", "default": 30},
    "tested_days": {"type": "int"},
    "force": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        try:
            asset = subject(str(variables["inventory_hostname"]), variables)
            asked = local_admins.Asked(**arguments)
            host = _Host(self, asset.host, asked, variables)
            # Else the password would lie in a file of the host while it is set, and stay there after a crash.
            if not self._is_pipelining_enabled("new"):
                raise rotation.not_pipelined(asset.host)
            with escrowing.at_hand(asset.customer) as escrow:
                done = local_admins.turn(escrow, asset, asked, host, dt.datetime.now(dt.UTC), dry=self._task.check_mode)
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        return {**result, **done}


class _Host:
    """The account on the host, through the module."""

    def __init__(self, action: ActionModule, name: str, asked: local_admins.Asked, variables: dict[str, Any]) -> None:
        self.action = action
        self.name = name
        self.asked = asked
        self.variables = variables

    def look(self) -> rotation.Looked:
        return rotation.read(self.name, self._ask(state=doing.LOOK))

    def set(self, version: str, password: str) -> None:
        said = self._ask(state=doing.SET, version=version, password=password, loud=self.asked.loud)
        if said.get("failed"):
            raise rotation.failed(self.name, said)

    def announce(self) -> None:
        if (said := self._ask(state=doing.ANNOUNCE)).get("failed"):
            raise rotation.failed(self.name, said)

    def settle(self) -> dict[str, Any]:
        if (said := self._ask(state=doing.SETTLE)).get("failed"):
            raise rotation.failed(self.name, said)
        return said

    def ready(self) -> None:
        if self.action._connection.transport != "ssh":
            raise rotation.no_door(self.name, str(self.action._connection.transport))

    def log_in(self, password: str) -> None:
        connection = self.action._connection
        told = {name: connection.get_option(name) for name in ("ssh_common_args", "ssh_extra_args", "port", "host")}
        arguments = " ".join(filter(None, (told["ssh_common_args"], told["ssh_extra_args"])))
        door = login.Door(
            address=str(told["host"]),
            port=told["port"],
            program=str(connection.get_option("ssh_executable")),
            arguments=arguments,
            check_host_key=bool(connection.get_option("host_key_checking")),
        )
        login.try_login(door, self.asked.account, password, self.name)

    def _ask(self, **arguments: Any) -> dict[str, Any]:
        sent = {"account": self.asked.account, **arguments}
        try:
            said = self.action._execute_module(
                module_name="msp.ops.local_password", module_args=sent, task_vars=self.variables
            )
        except AnsibleConnectionFailure as error:
            raise rotation.failed(self.name, {"msg": str(error)}) from error
        return dict(said)
