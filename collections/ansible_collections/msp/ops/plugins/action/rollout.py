# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.rollout: arguments, one call, diff, result. The work is in plugin_utils/desk: rollouts.py and steering.py."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_journal, rollouts, steering
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Round, Tick, setting_of
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import asking
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of
from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import LANGUAGES

SPEC: dict[str, dict[str, Any]] = {
    **NETBOX_SPEC,
    "customer": {"type": "str", "required": True},
    "action": {"type": "str", "choices": list(steering.ACTIONS), "default": steering.TICK},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "tick": {"type": "dict"},
    "answers": {"type": "str"},
    "last": {"type": "bool", "default": False},
    "wait": {"type": "int", "default": 1200},
    "rollout": {"type": "str", "default": ""},
    "by": {"type": "str", "default": ""},
    "reason": {"type": "str", "default": ""},
    "manifest": {"type": "str", "default": ""},
    "again": {"type": "list", "elements": "str", "default": []},
    "language": {"type": "str", "choices": list(LANGUAGES), "default": "en"},
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
        language = result["language"] = arguments["language"]
        netbox = functools.partial(register_of, arguments)
        try:
            with Store.open(arguments["store_url"]) as store:
                if arguments["action"] in asking.ACTIONS:
                    result |= steering.asked(store, arguments, check=self._task.check_mode)
                    if not self._task.check_mode and (
                        why := patch_journal.tell_at_once(store, netbox, arguments["customer"])
                    ):
                        result["warnings"] = [*result.get("warnings", ()), why]
                    return result
                if arguments["action"] == steering.STATUS:
                    with netbox() as register:
                        return result | steering.status(store, register, arguments["customer"], language)
                done = self._round(store, netbox, arguments, task_vars or {})
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff and done.changed:
            result["diff"] = done.diff()
        return result | done.as_dict()

    def _round(
        self,
        store: Store,
        netbox: Callable[[], Register],
        arguments: dict[str, Any],
        variables: dict[str, Any],
    ) -> Round:
        """One round for the hosts of this customer that the scope guard let in, with what they answered before."""
        known = variables["hostvars"]
        subjects = [subject(name, known._inventory.hosts[name].vars) for name in arguments["hosts"]]
        hosts = {one.asset: one.host for one in subjects if one.customer == arguments["customer"]}
        setting = setting_of(arguments["customer"], hosts, arguments)
        if self._task.check_mode:
            with netbox() as register:
                return rollouts.preview(store, register, setting)
        tick = Tick.of(arguments["tick"]) if arguments["tick"] else None
        asked = {one.host for one in tick.work} if tick is not None else set()
        # Who is in no inventory any more has not answered.
        answers = {name: known[name].get(arguments["answers"]) for name in sorted(asked) if name in known}
        return rollouts.round_of(store, netbox, setting, tick, answers)
