# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts are reached through another one, by what Ansible tells ssh of them. Pure.

Knows ProxyJump and -J with all of their hops, and ProxyCommand by the words in it. What stands in a ssh_config of the
controller is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# What Ansible hands on to ssh, and where a host is.
ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
ADDRESS = "ansible_host"
_JUMP = re.compile(r"""(?:-J\s*|ProxyJump[=\s]\s*)["']?([^\s"']+)""", re.IGNORECASE)
_COMMAND = re.compile(r"ProxyCommand[=\s](.*)", re.IGNORECASE | re.DOTALL)
_HOP = re.compile(r"(?:ssh://)?(?:[^@/]*@)?(\[[0-9A-Fa-f:.]+\]|[^:/]+)(?::[0-9]+)?/?")


def reached_through(name: str, hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts, in their order, that ssh reaches through the one of that name. variables: of each host its own."""
    own = variables[name].get(ADDRESS) if name in variables else None
    names = {one.casefold() for one in (name, str(own or ""))} - {""}
    return [host for host in hosts if host != name and names & _hops(variables[host])]


def _hops(variables: Mapping[str, Any]) -> set[str]:
    """Every host on the way to one, in lower case."""
    text = " ".join(str(variables.get(argument) or "") for argument in ARGUMENTS)
    found = {hop for jump in _JUMP.findall(text) for hop in jump.split(",")}
    for command in _COMMAND.findall(text):
        found |= {word.strip("\"'") for word in command.split()}
    parts = [_HOP.fullmatch(hop) for hop in found]
    return {part[1].strip("[]").casefold() for part in parts if part}
