# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts the work on a host and asks again until it is over, whatever happens to the connection meanwhile.

Documentation: plugins/modules/patch_install.py. What an answer means is decided in plugin_utils/patching/installing.py.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install.spec import OF_THE_CONTROLLER, SPEC
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.patching import installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.installing import Course, Patience


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        host = str(variables["inventory_hostname"])
        try:
            asset = subject(host, variables).asset
            found = Conversation(self, arguments, variables, host, asset).hold()
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        result.update(found)
        if self._task.diff and found["result"]:
            result["diff"] = {"before": found["result"]["before"], "after": found["result"]["after"]}
        return result

    @property
    def dry(self) -> bool:
        return bool(self._task.check_mode)

    def ask(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any] | str:
        """The host's answer; a text that says why there is none."""
        sent = {name: value for name, value in arguments.items() if name not in OF_THE_CONTROLLER and value is not None}
        sent["controller_time"] = dt.datetime.now(dt.UTC).isoformat()
        try:
            said = self._execute_module(module_name="msp.ops.patch_install", module_args=sent, task_vars=variables)
        except AnsibleConnectionFailure as error:
            return self._forget(str(error))
        if said.get("unreachable") or ("state" not in said and "error" not in said):
            return self._forget(str(said.get("msg") or said.get("module_stderr") or said.get("module_stdout") or ""))
        return dict(said)

    def _forget(self, why: str) -> str:
        """What a connection kept for the next question may belong to a boot that is over."""
        with contextlib.suppress(AnsibleConnectionFailure, NotImplementedError):
            self._connection.reset()
        return " ".join(why.split())[-300:]


class Conversation:
    """All questions to one host, and the answers, until it is over."""

    def __init__(
        self, action: ActionModule, arguments: dict[str, Any], variables: dict[str, Any], host: str, asset: str
    ) -> None:
        self.action = action
        self.arguments = arguments
        self.variables = variables
        self.host = host
        self.asset = asset
        self.patience = Patience(dt.timedelta(seconds=arguments["wait"]), dt.timedelta(seconds=arguments["lost_after"]))

    def hold(self) -> dict[str, Any]:
        """Ask until it is over. In check mode the one question is what would be done."""
        what = str(self.arguments["action"])
        course = Course(dt.datetime.now(dt.UTC))
        if what == installing.CHECK:
            said = self.action.ask(self.arguments, self.variables)
            return said if isinstance(said, dict) else installing.silent(said)
        ask = what if self.action.dry else installing.LOOK
        while True:
            linger = installing.lingering(self.arguments["linger"], course, self.patience, dt.datetime.now(dt.UTC))
            said = self.action.ask({**self.arguments, "action": ask, "linger": linger}, self.variables)
            now = dt.datetime.now(dt.UTC)
            if isinstance(said, dict) and said.get("failed"):
                return dict(said)
            state = None if isinstance(said, str) else str(said["state"])
            if state is not None:
                course = course.after(state, asked=ask != installing.LOOK, now=now)
            step = installing.next_step(what, state, course, self.patience, now)
            if step == installing.OVER or self.action.dry:
                return installing.over(self.host, self.asset, said, course, patience=self.patience, now=now)
            if step == installing.ASK:
                phase = said.get("phase") if isinstance(said, dict) else None
                time.sleep(installing.pause(state, phase, self.arguments["poll"], linger))
            ask = what if step == installing.START else installing.LOOK
