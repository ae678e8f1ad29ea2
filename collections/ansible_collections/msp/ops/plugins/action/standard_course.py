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
        outcomes, why, undecided = {}, {}, {}
        frozen = course.frozen(found)
        if frozen and arguments["before"] is None:
            result["warnings"] = [f"only measured: {host}: {reason}" for host, reason in frozen.items()]
        for host in course.queue(found):
            if host in frozen:
                continue
            before, after = (known[host].get(arguments[name] or "") for name in ("before", "after"))
            if (outcome := course.outcome(before, after)) is not None:
                outcomes[host] = outcome
            if outcome in (course.FAILED, course.LOST):
                why[host] = course.reason(before, after)
            if outcome is not None and (asks := course.undecided(before, after)):
                undecided[host] = asks
        result.update(course.told(found, outcomes), why=why, undecided=undecided, changed=False)
        if not arguments["last"] or self._task.check_mode:
            return result
        asked = "; ".join(f"{host}: {asks}" for host, asks in undecided.items())
        if said := "; ".join(filter(None, (result["stop"], course.failed(outcomes, why), asked))):
            ended = course.stopped(said)
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
