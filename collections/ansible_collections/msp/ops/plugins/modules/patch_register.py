#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_register
short_description: Record scans for updates, and tell NetBox how assets stand against their patch plans
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Delivers to the evidence store what M(msp.ops.patch_scan) left in the spool.
  - Holds what waits on each asset, and what rollouts installed, against the deadlines of its patch plan. An asset is up
    to date, waiting (nothing is late), waived, late, or unknown. It is unknown where no scan proves anything, and never
    up to date by silence.
  - An asset on which something is installed and not in force, because a restart is still to come, is waiting, and late
    from the deadline of that on.
  - Writes that to NetBox, in the custom field C(msp_patching), for the assets where it changed. A second run writes
    nothing.
  - What is wrong with one customer (a patch plan that cannot be read) keeps no other from being told of. Every asset of
    that customer that NetBox shows a state of becomes unknown, and the task fails at the end with all of it.
  - Writes to the journal of the customer's tenant what people asked of rollouts (approved, paused, resumed, aborted),
    with who and why. Each is written once.
  - It runs on the controller.
options:
  customers:
    description: Slugs of the customers' tenants in NetBox. Empty takes every tenant with a contract.
    type: list
    elements: str
    default: []
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
    details: Says what NetBox would be told; neither the store nor NetBox is written, and the spool stays.
  diff_mode:
    support: full
  platform:
    platforms: all
seealso:
  - module: msp.ops.patch_scan
  - module: msp.ops.rollout
"""

EXAMPLES = r"""
- name: Record what the scans found, and tell NetBox
  msp.ops.patch_register:
    customers: [bakkerij-jansen]
"""

RETURN = r"""
customers:
  description:
    - By customer, how many C(assets) of each plan are in which state, the C(unknown) ones with why, what C(owed) ones
      still need to be in force, the C(late) ones with their packages, C(kept), the updates that keep the class of an
      earlier scan because the last one lacked a feed, and C(mean_days), how long an update of each class waited in the
      last 90 days.
    - C(wrong) is why nothing can be said of a customer; empty where something can.
  returned: success
  type: dict
  sample:
    bakkerij-jansen:
      plans:
        office:
          assets: {in time: 4, waived: 0, owed: 1, late: 1, unknown: 0}
          unknown: {}
          owed: {srv02: ["reboot: linux-image-6.1.0-42-amd64"]}
          late: {srv01: [openssl]}
          kept: {}
          mean_days: {emergency: null, security: 2.5, routine: 20.1}
      without_plan: []
      netbox_writes: 1
      refused: {}
      wrong: ""
rejected:
  description: Why records of the spool were set aside. They are in its directory rejected.
  returned: success
  type: list
  elements: str
  sample: []
journal:
  description: The entries that were written to the journals of tenants.
  returned: success
  type: list
  elements: str
  sample: []
summary:
  description: The same in lines for a person.
  returned: success
  type: list
  elements: str
  sample: ["bakkerij-jansen, plan office: 4 in time, 0 waived, 1 owed, 1 late, 0 unknown"]
"""
