#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: standard_register
short_description: Record checks of controls, and tell NetBox how assets stand against their standards
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Delivers to the evidence store what M(msp.ops.standard_scan) left in the spool.
  - Says how each contracted asset stands against its standard by its last check. It is in drift where any of its
    controls is, or where a waiver has expired. It is unknown where nobody could tell of all of its controls, where the
    last check did not succeed, and where that is older than 35 days. It is never compliant by silence.
  - Writes that to NetBox, in the custom field C(msp_standard_state), for the assets where it changed. A second run
    writes nothing. An asset that is held to no standard has no state.
  - What is wrong with one customer or one asset (an assignment that cannot be read) keeps no other from being told of.
    Such an asset becomes unknown, and the task fails at the end with all of it.
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
  - module: msp.ops.standard_scan
  - module: msp.ops.patch_register
"""

EXAMPLES = r"""
- name: Record what the checks found, and tell NetBox
  msp.ops.standard_register:
    customers: [harbour-dental]
"""

RETURN = r"""
customers:
  description:
    - By customer, how many C(assets) of each standard are in which state, the C(unknown) ones with why, and the
      C(drift) ones with their controls.
    - C(wrong) has by asset why nobody knows how it stands; under the empty name why that is so of all of them.
  returned: success
  type: dict
  sample:
    harbour-dental:
      standards:
        linux-server:
          assets: {compliant: 4, waived: 1, unknown: 0, drift: 1}
          unknown: {}
          drift: {srv01: [ssh-root-login]}
      without_standard: []
      netbox_writes: 1
      refused: {}
      wrong: {}
rejected:
  description: Why records of the spool were set aside. They are in its directory rejected.
  returned: success
  type: list
  elements: str
  sample: []
summary:
  description: The same in lines for a person.
  returned: success
  type: list
  elements: str
  sample: ["harbour-dental, standard linux-server: 4 compliant, 1 waived, 0 unknown, 1 drift"]
"""
