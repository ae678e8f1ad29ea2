# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.deliver: arguments, one call, result. The work is in plugin_utils/desk/telling.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import telling
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling.addresses import Secrets, read_policy

SPEC: dict[str, dict[str, Any]] = {
    "policy": {"type": "path", "default": ""},
    "secrets": {"type": "path", "default": "", "no_log": False},
    "store_url": {"type": "str", "no_log": True},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        secrets = Secrets(self._loader.get_text_file_contents, arguments["secrets"])
        try:
            policy = read_policy(arguments["policy"])
            with Store.open(arguments["store_url"]) as store:
                if self._task.check_mode:
                    return result | telling.due(store)
                done = telling.deliver(store, policy, telling.Channels(policy, secrets))
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        return result | done.as_dict()
