# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.standard_quote: arguments, one call, result. The work is in plugin_utils/desk/standard_quote.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import standard_quote
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import LANGUAGES

SPEC: dict[str, dict[str, Any]] = {
    "customer": {"type": "str", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "measured": {"type": "str", "required": True},
    "language": {"type": "str", "choices": list(LANGUAGES), "default": "en"},
    "store_url": {"type": "str", "no_log": True},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        known = (task_vars or {})["hostvars"]
        measured = {host: known[host].get(arguments["measured"]) for host in arguments["hosts"]}
        try:
            with Store.open(arguments["store_url"]) as store:
                found = standard_quote.quote(store, arguments["customer"], measured, arguments["language"])
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        return {**result, **found, "changed": False}
