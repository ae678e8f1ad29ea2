# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Proves a login over a connection of its own, or has a change brought back: until it is known what became of the host.

Documentation: plugins/modules/lockout_guard.py. What an answer means is decided in plugin_utils/standards/proving.py.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_plan import (
    ARMED,
    OF_THE_CONTROLLER,
    PROVEN,
    REVERTED,
    SPEC,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards import proving


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        state, host = arguments["state"], str(variables["inventory_hostname"])
        if state not in (ARMED, PROVEN, REVERTED) or self._task.check_mode:
            return {**result, **self._ask(arguments, variables)}
        try:
            if state == ARMED:
                return {**result, **self._arm(arguments, variables, host)}
            if state == REVERTED:
                return {**result, **self._revert(arguments, variables, host)}
            return {**result, **self._prove(arguments, variables, host)}
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}

    def _arm(self, arguments: dict[str, Any], variables: dict[str, Any], host: str) -> dict[str, Any]:
        """A host that cannot be reached has failed, whatever the play makes of those: the change may not go on."""
        try:
            return self._ask(arguments, variables)
        except AnsibleConnectionFailure as error:
            raise proving.unarmed(host, proving.in_a_line(str(error))) from error

    def _revert(self, arguments: dict[str, Any], variables: dict[str, Any], host: str) -> dict[str, Any]:
        """By the connection that is there, for it may be the last. Where that has lost its rights, the host does it."""
        said, why = self._try(arguments, variables)
        return said or self._ask_until_it_is_over(arguments, variables, host, why)

    def _prove(self, arguments: dict[str, Any], variables: dict[str, Any], host: str) -> dict[str, Any]:
        return self._ask_until_it_is_over(arguments, variables, host)

    def _ask_until_it_is_over(
        self, arguments: dict[str, Any], variables: dict[str, Any], host: str, why: str = ""
    ) -> dict[str, Any]:
        self._leave_the_old_connection()
        begin = time.monotonic()
        tries = 0
        while True:
            tries += 1
            said, silent = self._try(arguments, variables)
            if said:
                return {**proving.told(said, why), "tries": tries}
            why = silent or why
            waited = time.monotonic() - begin
            if waited > arguments["lost_after"]:
                raise proving.lost(host, waited, why)
            time.sleep(proving.SECONDS_BETWEEN)

    def _try(self, arguments: dict[str, Any], variables: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        """The host's last word, or why there is none; neither while it brings back."""
        try:
            said = self._ask(arguments, variables)
        except AnsibleError as error:
            # No connection, or no rights: with a login that does not work any more it can be either.
            return None, proving.in_a_line(str(error))
        silence = proving.silence(said)
        return (said, "") if silence is None and proving.is_over(said) else (None, silence or "")

    def _ask(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        sent = {name: value for name, value in arguments.items() if name not in OF_THE_CONTROLLER and value is not None}
        sent["run"] = self._run_of_ansible()
        said = self._execute_module(module_name="msp.ops.lockout_guard", module_args=sent, task_vars=variables)
        return dict(said)

    def _run_of_ansible(self) -> str:
        """The same for all tasks of one run, and for no other run's: a task's id begins with it."""
        return str(self._task._uuid).rpartition("-")[0]

    def _leave_the_old_connection(self) -> None:
        """Its master takes no more sessions, so what comes after the proof uses the new login too."""
        with contextlib.suppress(AnsibleConnectionFailure, NotImplementedError):
            self._connection.reset()
        if self._connection.transport == "ssh":
            arguments = proving.own_connection(self._connection.get_option("ssh_args"))
            self._connection.set_option("ssh_args", arguments)
