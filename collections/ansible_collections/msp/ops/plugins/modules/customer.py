#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: customer
short_description: Bring a customer's contract file and asset lists into NetBox
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads one contract file (YAML) and the asset lists it names (CSV, XLSX, JSON or YAML, with Dutch or English
    headings), and makes NetBox hold what they say. That is the tenant with its contract, sites, prefixes that may be
    scanned, and the assets with serial, asset tag, address, purchase and warranty.
  - Every error in the file and in the lists is reported at once, each with its place. Nothing is written while there
    is one.
  - What the files say is set, what they do not say is left as it is. When nothing differs, nothing is written.
  - A new asset gets its contract status from the scope rule of its class. It becomes V(contracted) where the class is
    covered, V(excluded) where the rule says it is not, V(tracked) where there is no rule. The contract status of an
    asset that has one is never changed. That belongs to the verification with the customer.
  - Several sources may say something about one asset. Of purchase dates the earliest counts and of warranty ends the
    latest, and what each source said is kept.
  - What is no longer in the files is reported in RV(vanished), never deleted or changed. That is an asset, a prefix,
    or what a source once said of an asset's purchase and warranty.
  - Manufacturers, device types, roles and platforms are created when absent and never changed.
  - A new prefix or address goes into a VRF of the customer's own, because customers share private networks.
  - A run that was stopped can simply be run again.
  - It runs on the controller.
options:
  contract_file:
    description:
      - The contract file. The paths of asset lists in it are relative to it.
    type: path
    required: true
  skip_bad_rows:
    description:
      - Leave rows with a broken cell out and apply the others. Each is named in RV(skipped_rows), and its asset does
        not count as vanished.
      - Contradictions between rows and between lists and NetBox stay errors.
    type: bool
    default: false
notes:
  - NetBox needs the model of M(msp.ops.netbox_model) first (C(playbooks/netbox.yml)).
  - A listed asset is matched with the customer's assets in NetBox by serial, then asset tag, then name. What
    contradicts itself is an error, and so is a serial or asset tag that another customer has.
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
  diff_mode:
    support: full
  platform:
    platforms: all
seealso:
  - module: msp.ops.netbox_model
"""

EXAMPLES = r"""
- name: Onboard a customer
  msp.ops.customer:
    contract_file: customers/bakkerij-jansen/contract.yml

- name: Onboard a customer although some rows of the list are broken
  msp.ops.customer:
    contract_file: customers/harbour-dental/contract.yml
    skip_bad_rows: true
"""

RETURN = r"""
customer:
  description: Slug of the customer, by which the callback P(msp.ops.evidence#callback) knows whose run it is.
  returned: when the contract file names one
  type: str
  sample: bakkerij-jansen
summary:
  description: How many objects were created and updated, by endpoint. In check mode, how many would be.
  returned: success
  type: dict
  sample:
    dcim/devices:
      create: 8
changes:
  description: Every change with the values before and after.
  returned: success
  type: list
  elements: dict
  sample:
    - action: update
      endpoint: dcim/devices
      object: bakkerij-jansen/jansen-ws01
      before: {custom_fields: {msp_warranty_end: "2026-12-31"}}
      after: {custom_fields: {msp_warranty_end: "2027-12-31"}}
vanished:
  description: What NetBox has for this customer and the files no longer name, with what to do about it.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: device
      id: 12
      name: jansen-nas01
      status: contracted
      advice: agree with the customer what becomes of it
skipped_rows:
  description: Rows that were left out because of O(skip_bad_rows), with the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - row: assets.xlsx, sheet Assets, row 7
      reason: "'soon' is no date"
notes:
  description: What is worth knowing, such as columns that were not understood.
  returned: success
  type: list
  elements: str
  sample: ["column not understood, left out: assets.csv, row 1, column 9: Kleur"]
errors:
  description: Every error, each with its code, what was expected, what was found and what to do.
  returned: failure
  type: list
  elements: dict
  sample:
    - code: MSP-CON-003
      expected: in contract only the keys currency, end, id, start
      found: curency (contract.yml:10)
      action: did you mean currency? Rename the key
"""
