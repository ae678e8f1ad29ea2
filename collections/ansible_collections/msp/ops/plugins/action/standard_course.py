# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""msp.ops.standard_course: arguments, one call, result. The work is in plugin_utils/standards/course.py.

Documentation: plugins/modules/standard_course.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import subject
from ansible_collections.msp.ops.plugins.plugin_utils.standards import course

SPEC: dict[str, dict[str, Any]] = {
    "customer": {"type": "str", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "before": {"type": "str"},
    "after": {"type": "str"},
    "last": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Runs on the controller; needs no connection to a host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=SPEC)[1]
        known = (task_vars or {})["hostvars"]
        now = dt.datetime.now(dt.UTC)
        try:
            candidates = tuple(_candidates(arguments, known))
            if arguments["before"] is None:
                course.sound(candidates, now)
            found = course.course(candidates, now)
        except MspError as error:
            return {**result, "failed": True, "msg": str(error), "error": error.as_dict()}
        before, after = arguments["before"] or "", arguments["after"] or ""
        measured = {host: (known[host].get(before), known[host].get(after)) for host in course.queue(found)}
        result.update(course.results(found, measured), changed=False)
        if arguments["before"] is None and result["frozen"]:
            result["warnings"] = [f"only measured: {host}: {why}" for host, why in result["frozen"].items()]
        if arguments["last"] and not self._task.check_mode and (ended := course.ended(result)):
            result.update(failed=True, msg=str(ended), error=ended.as_dict())
        return result


def _candidates(arguments: Mapping[str, Any], known: Any) -> Iterator[course.Candidate]:
    for name in arguments["hosts"]:
        host = known._inventory.hosts[name]
        asset = subject(name, host.vars)
        # Who is held to no standard proves nothing to anybody.
        if asset.customer == arguments["customer"] and host.vars["msp"].get("standard") is not None:
            groups = frozenset(group.name for group in host.get_groups())
            msp = host.vars["msp"]
            plan, standard, own = msp.get("plan"), msp["standard"], msp.get("standards_own")
            yield course.Candidate(name, asset.asset, groups, plan, standard, own, msp.get("timezone"))
