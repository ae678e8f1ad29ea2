# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.netbox_model: arguments, one call, diff, result. The work is in plugin_utils/register."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register.apply import apply
from ansible_collections.msp.ops.plugins.plugin_utils.register.model import SECTION_NAMES
from ansible_collections.msp.ops.plugins.plugin_utils.register.model_events import receiver
from ansible_collections.msp.ops.plugins.plugin_utils.register.options import NETBOX_SPEC, register_of

# The name of a variable: the secret itself is in no task.
SIGNED_WITH = "MSP_WEBHOOK_SECRET"
SPEC: dict[str, dict[str, Any]] = {
    **NETBOX_SPEC,
    "sections": {"type": "list", "elements": "str", "default": [], "choices": list(SECTION_NAMES)},
    "token_file": {"type": "path", "no_log": False},
    "events_url": {"type": "str"},
    "events_validate_certs": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        try:
            to = receiver(
                arguments["events_url"],
                os.environ.get(SIGNED_WITH),
                check_certificate=arguments["events_validate_certs"],
            )
            with register_of(arguments) as register:
                outcome = apply(
                    register,
                    dt.datetime.now(dt.UTC).date(),
                    wanted=arguments["sections"],
                    token_file=arguments["token_file"],
                    receiver=to,
                    check=self._task.check_mode,
                )
                requests = register.requests
        except MspError as error:
            return result | {"failed": True, "msg": str(error), "error": error.as_dict()}
        if self._task.diff:
            diff = outcome.plan.diff()
            result["diff"] = {
                "before_header": "NetBox",
                "after_header": "model",
                **{side: yaml.safe_dump(diff[side], sort_keys=True) if diff[side] else "" for side in diff},
            }
        return result | {
            "changed": outcome.changed,
            "summary": outcome.plan.summary(),
            "obsolete": outcome.plan.obsolete,
            "token": outcome.token,
            "requests": requests,
        }
