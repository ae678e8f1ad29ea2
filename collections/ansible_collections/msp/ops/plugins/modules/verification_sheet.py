#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verification_sheet
short_description: Apply a verification sheet that a customer has filled in and signed
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads a sheet of M(msp.ops.verification_report) back, shows which contract statuses change, and sets them in NetBox.
    Each changed asset gets a journal entry that names the sheet, its date, who signed and the customer's remark.
  - A thing that was seen, is not in NetBox and is now decided on becomes a device of an unknown type with what is known
    of it - name, serial number, hardware address and address - at the customer's first site.
  - A sheet is refused as a whole, with every offending row named and nothing changed, when it is another customer's,
    older than the last sheet applied, not one of ours, unsigned, when a key column was edited, a row is missing or
    there twice, an answer is not one of the choices, or an asset's status changed in NetBox meanwhile.
  - The decisions are recorded in the evidence store before the first write to NetBox. A run that was cut off is
    finished by running it again. A sheet that was applied changes nothing the second time, even where a status was
    changed since.
  - It runs on the controller.
options:
  customer:
    description:
      - Slug of the customer's tenant in NetBox. It must be the customer that the sheet was written for.
    type: str
    required: true
  path:
    description:
      - The XLSX file that came back.
    type: path
    required: true
  signed_by:
    description:
      - Who signed, for a sheet that was signed on paper. It counts over what stands in the sheet.
    type: str
    default: ''
  signed_on:
    description:
      - When the sheet was signed (YYYY-MM-DD), for a sheet that was signed on paper.
    type: str
    default: ''
  store_url:
    description:
      - Evidence store.
      - If not set, the environment variable E(MSP_STORE_URL) is used, and else the SQLite file in the state directory.
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
    details: Shows the plan; neither the evidence store nor NetBox is written.
  diff_mode:
    support: full
  platform:
    platforms: all
seealso:
  - module: msp.ops.verification_report
"""

EXAMPLES = r"""
- name: Apply the sheet that came back
  msp.ops.verification_sheet:
    customer: bakkerij-jansen
    path: VER-20261123T153000Z-bakkerij-jansen-b8c854db.xlsx
  delegate_to: localhost

- name: Apply a sheet that was signed on paper
  msp.ops.verification_sheet:
    customer: bakkerij-jansen
    path: VER-20261123T153000Z-bakkerij-jansen-b8c854db.xlsx
    signed_by: Marieke Jansen
    signed_on: "2026-11-30"
  delegate_to: localhost
"""

RETURN = r"""
customer:
  description: Slug of the customer, by which the callback P(msp.ops.evidence#callback) knows whose run it is.
  returned: when NetBox knows the customer
  type: str
  sample: bakkerij-jansen
sheet_id:
  description: The sheet's identity in the evidence store.
  returned: success
  type: str
signed_by:
  description: Who signed.
  returned: success
  type: str
signed_on:
  description: When, as an ISO date.
  returned: success
  type: str
transitions:
  description: The contract statuses that change, or changed.
  returned: success
  type: list
  elements: dict
  contains:
    row:
      description: Row of the sheet.
      type: int
    key:
      description: The asset's key, or what a thing without one was seen by.
      type: str
    name:
      description: Name of the asset or thing.
      type: str
    before:
      description: Contract status when the sheet was written.
      type: str
    after:
      description: Contract status that was decided.
      type: str
    created:
      description: Whether NetBox gets a new device for it.
      type: bool
agreed:
  description: Number of rows that were answered with agreed.
  returned: success
  type: int
waiting:
  description: Names of the rows without an answer, or not agreed without saying what should happen.
  returned: success
  type: list
  elements: str
error:
  description: Code, expected, found and action of the error.
  returned: failure
  type: dict
"""
