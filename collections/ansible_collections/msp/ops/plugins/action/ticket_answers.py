# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.ticket_answers: arguments, one call, result. The work is in plugin_utils/desk/ticket_answers.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import telling, ticket_answers
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling.addresses import Secrets, read_policy

SPEC: dict[str, dict[str, Any]] = {
    "action": {"type": "str", "choices": ["look", "list", "release", "refuse"], "default": "look"},
    "policy": {"type": "path", "default": ""},
    "secrets": {"type": "path", "default": "", "no_log": False},
    "customer": {"type": "str"},
    "draft": {"type": "str", "default": ""},
    "approved_by": {"type": "str", "default": ""},
    "reason": {"type": "str", "default": ""},
    "text": {"type": "str", "default": ""},
    "store_url": {"type": "str", "no_log": True},
}
REQUIRED = [["action", action, ["draft", "approved_by"]] for action in ("release", "refuse")]


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC, required_if=REQUIRED)[1]
        secrets = Secrets(self._loader.get_text_file_contents, arguments["secrets"])
        try:
            with Store.open(arguments["store_url"]) as store:
                if arguments["action"] != "look":
                    return result | ticket_answers.asked(store, arguments, check=self._task.check_mode)
                policy = read_policy(arguments["policy"])
                system = telling.Channels(policy, secrets).tickets()
                done = ticket_answers.look(store, policy, system, dry_run=self._task.check_mode)
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        return result | done.as_dict()
