# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Withdraws our access from a host: arguments, one call, diff, result.

Documentation: plugins/modules/access_withdrawal.py. The order of its steps is in plugin_utils/desk/offboarding.py.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.offboarding.withdrawing import SPEC
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing, offboarding
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.offboarding import standing
from ansible_collections.msp.ops.plugins.plugin_utils.standards import proving

# What the action decides itself.
OWN = ("last", "keys_file")


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        try:
            asset = subject(str(variables["inventory_hostname"]), variables)
            private = self._private()
            keys = offboarding.read_keys(asset.host, arguments["keys"] or (), arguments["keys_file"], private)
            sent = {**{name: value for name, value in arguments.items() if name not in OWN}, "keys": keys}
            language = str(variables["msp"].get("language") or "en")
            offers = offboarding.can_offer(private)
            turn = offboarding.Turn(asset, language, escrowing.user(os.environ), bool(self._task.check_mode), offers)
            with Store.open(os.environ.get("MSP_STORE_URL") or None) as store:
                done = offboarding.withdraw(store, turn, Door(self, sent, variables, asset.host))
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff and done["withdrawn"]:
            result["diff"] = {"before": "".join(f"{line}\n" for line in done["withdrawn"]), "after": ""}
        return result | done

    def _private(self) -> str | None:
        """The private key that the connection is told to use, by a variable or a setting."""
        if self._connection.transport != "ssh":
            return None
        return self._connection.get_option("private_key_file") or None


class Door:
    """The host, by the task's own connection."""

    def __init__(self, action: ActionModule, sent: dict[str, Any], variables: dict[str, Any], host: str) -> None:
        self.action = action
        self.sent = sent
        self.variables = variables
        self.host = host

    def ask(self, *, last: bool) -> dict[str, Any]:
        said = self._run("msp.ops.access_withdrawal", {**self.sent, "last": last})
        if said.get("failed") or "withdrawn" not in said:
            raise standing.failed(self.host, said)
        return dict(said)

    def log_in_anew(self) -> None:
        """By a connection of its own: the one that is open asks for nothing any more."""
        connection = self.action._connection
        with contextlib.suppress(AnsibleConnectionFailure, NotImplementedError):
            connection.reset()
        if connection.transport == "ssh":
            connection.set_option("ssh_args", proving.own_connection(connection.get_option("ssh_args")))
        self._run("ansible.builtin.ping", {})

    def _run(self, name: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        try:
            asked = {"module_name": name, "module_args": dict(sent), "task_vars": self.variables}
            return dict(self.action._execute_module(**asked))
        except AnsibleConnectionFailure as error:
            raise offboarding.Refused(proving.in_a_line(str(error))) from error
