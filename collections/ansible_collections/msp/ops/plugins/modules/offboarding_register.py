#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: offboarding_register
short_description: Tell NetBox from which assets our access was withdrawn
version_added: 0.2.0
author: The msp.ops founders (@msp-ops)
description:
  - Writes an entry to the journal of each asset from which M(msp.ops.access_withdrawal) withdrew our access, by what
    the evidence store has on record. Each is written once, also when a run is cut off in between.
  - The contract status and everything else of the asset stays as it is.
  - It runs on the controller.
options:
  customers:
    description: Slugs of the customers' tenants in NetBox.
    type: list
    elements: str
    required: true
  store_url:
    description:
      - The evidence store, as URL of SQLAlchemy. If not set, the environment variable E(MSP_STORE_URL), then an SQLite
        file in the state directory of this user.
    type: str
extends_documentation_fragment:
  - msp.ops.netbox
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details: Says what NetBox would be told, and writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: all
seealso:
  - module: msp.ops.access_withdrawal
"""

EXAMPLES = r"""
- name: Tell NetBox from which assets our access was withdrawn
  msp.ops.offboarding_register:
    customers: [bakkerij-jansen]
"""

RETURN = r"""
journal:
  description: The entries that were written, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: []
error:
  description: What is wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-REG-001
"""
