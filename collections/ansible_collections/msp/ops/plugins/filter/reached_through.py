# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts are reached through another one. The work is in plugin_utils/standards/jumping.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.standards import jumping

DOCUMENTATION = r"""
name: reached_through
short_description: Hosts that ssh reaches through another one
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Gives those of the hosts whose C(ansible_ssh_common_args), C(ansible_ssh_extra_args) or C(ansible_ssh_args) name the
    host with C(ProxyJump), C(-J) or C(ProxyCommand), by its name in the inventory or its C(ansible_host).
  - What stands in a ssh_config of the controller is not seen.
positional: _input, name, variables
options:
  _input:
    description: Names of hosts in the inventory.
    type: list
    elements: str
    required: true
  name:
    description: The name of the host that others may be reached through.
    type: str
    required: true
  variables:
    description: The variables of all hosts, as C(hostvars) has them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say who would be cut off
  ansible.builtin.debug:
    msg: "{{ groups.all | msp.ops.reached_through(inventory_hostname, hostvars) }}"
"""

RETURN = r"""
_value:
  description: The hosts, in their order.
  type: list
  elements: str
"""


def _reached_through(hosts: list[str], name: str, variables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return jumping.reached_through(name, hosts, variables)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"reached_through": _reached_through}
