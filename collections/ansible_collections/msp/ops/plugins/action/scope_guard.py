# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the scope guard once for all hosts of a play and forms the group of those that may be touched.

Opens no connection to any host, and never changes a host or NetBox: the group exists in memory, for this run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract import scope

GROUP = "msp_targets"
# What only a playbook may say: as an extra variable these would let anyone call a changing run read-only, or have a
# playbook work on hosts that have ended.
RESERVED = ("msp_scope_guard_read_only", "msp_scope_guard_offboarding", "__msp_scope")
ARGUMENTS = {
    "read_only": {"type": "bool", "required": True},
    "offboarding": {"type": "bool", "default": False},
    "names": {"type": "list", "elements": "str", "default": []},
    "fail_without_targets": {"type": "bool", "default": True},
    "needs_localhost": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Arguments, one decision for all hosts, the group, the result."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)[1]
        try:
            result.update(self._guard(arguments, variables, dict(load_extra_vars(self._loader))))
        except MspError as error:
            raise AnsibleActionFail(str(error), result={"msp_error": error.as_dict()}) from error
        return result

    def _guard(
        self, arguments: Mapping[str, Any], variables: Mapping[str, Any], extra: Mapping[str, Any]
    ) -> dict[str, Any]:
        inventory = variables["hostvars"]._inventory
        check_extra(extra)
        if arguments["needs_localhost"]:
            check_localhost(inventory)
        said = {name: host.vars.get("msp") for name, host in inventory.hosts.items()}
        hosts = [name for name in variables["ansible_play_hosts_all"] if name not in C.LOCALHOST]
        request = scope.Request(
            read_only=arguments["read_only"],
            offboarding=arguments["offboarding"],
            ticket=scope.ticket_from(extra.get("out_of_scope_ticket")),
            only=frozenset(split(arguments["names"])),
            named=scope.names_in(variables.get("ansible_limit") or "", set(inventory.groups)),
        )
        scope.check_named(request, hosts)
        now = dt.datetime.now(dt.UTC)
        decisions = [scope.decide(name, said.get(name), request, now) for name in hosts]
        if arguments["fail_without_targets"]:
            scope.check_targets(decisions, offboarding=request.offboarding)
        scope.check_group(members(inventory, GROUP) & set(hosts), decisions, GROUP)
        remaining = self._form_group(
            inventory,
            decisions,
            {
                name
                for name in members(inventory, scope.CONTRACTED_GROUP)
                if scope.decide(name, said.get(name), request, now).in_scope
            },
        )
        return report(decisions, request, remaining)

    def _form_group(self, inventory: Any, decisions: Iterable[scope.Decision], agreed: set[str]) -> list[str]:
        """Put the inventory's group of contracted assets into the target group; returns the hosts still to be added.

        ansible-core reconciles the whole inventory for every host that is added, so ten thousand additions take
        minutes. The group is taken as a whole only when the guard agrees with it on every one of its hosts.
        """
        targets = [decision.host for decision in decisions if decision.in_scope]
        contracted = members(inventory, scope.CONTRACTED_GROUP)
        whole = contracted if contracted and contracted == agreed and not contracted.isdisjoint(targets) else set()
        if whole and not nest(scope.CONTRACTED_GROUP, min(whole), GROUP):
            whole = set()
        return [name for name in targets if name not in whole]


def members(inventory: Any, group: str) -> set[str]:
    found = inventory.groups.get(group)
    return {host.name for host in found.get_hosts()} if found else set()


def nest(child: str, member: str, parent: str) -> bool:
    """Make a group the child of another in the running inventory; False where this ansible-core can't be asked to.

    The member is already in the child: ansible-core's call adds a host along with the group.
    """
    try:
        from ansible._internal import _task

        client = _task.TaskContext.current().inventory_rpc_client
        client.add_group(member, _task.AddGroup(group_name=child, parent_group_names=[parent]))
    except (ImportError, AttributeError):
        return False
    return True


def split(values: Iterable[str]) -> list[str]:
    return [name for value in values for name in value.replace(",", " ").split()]


def check_extra(extra: Mapping[str, Any]) -> None:
    if found := sorted(name for name in extra if name.startswith(RESERVED)):
        raise MspError(
            "MSP-SCP-006",
            "what the playbook says of itself not to be given on the command line",
            f"extra variable {', '.join(found)}",
            "leave it out; to touch a host outside the contract name the host and a ticket",
        )


def check_localhost(inventory: Any) -> None:
    """With a limit that leaves localhost out, ansible skips the plays on it without a word and ends in success."""
    if not inventory.get_hosts("localhost", ignore_restrictions=True):
        raise MspError(
            "MSP-SCP-003",
            "localhost to be left in by --limit, because this playbook has plays on it",
            "a limit without localhost",
            "add it: --limit 'NAME,localhost'",
        )


def report(decisions: list[scope.Decision], request: scope.Request, remaining: list[str]) -> dict[str, Any]:
    refused: dict[str, list[str]] = {}
    for decision in decisions:
        if not decision.in_scope:
            refused.setdefault(decision.reason, []).append(decision.host)
    rows = scope.summary(decisions)
    return {
        "changed": False,
        "targets": [decision.host for decision in decisions if decision.in_scope],
        "outside_contract": [decision.host for decision in decisions if decision.outside_contract],
        "refused": [{"reason": reason, "hosts": hosts} for reason, hosts in sorted(refused.items())],
        "ticket": request.ticket,
        "read_only": request.read_only,
        "offboarding": request.offboarding,
        "summary": scope.lines(rows),
        "remaining": remaining,
    }
