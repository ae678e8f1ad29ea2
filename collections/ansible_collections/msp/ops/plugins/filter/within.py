# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an address is in one of some networks. The work is in module_utils/standards/ssh_connections.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.standards import ssh_connections

DOCUMENTATION = r"""
name: within
short_description: Whether an address is in one of some networks
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - V(true) where the address is one of the addresses, or in one of the networks. What is no address is in none.
positional: _input, networks
options:
  _input:
    description: An address of IPv4 or IPv6.
    type: str
    required: true
  networks:
    description: Addresses and networks, as V(192.0.2.0/24).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Need this run to come from a management network
  ansible.builtin.assert:
    that: source | msp.ops.within(['192.0.2.0/24', '2001:db8::/32'])
"""

RETURN = r"""
_value:
  description: Whether it is.
  type: bool
"""


def _within(address: str, networks: list[str]) -> bool:
    return ssh_connections.inside(address, networks)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"within": _within}
