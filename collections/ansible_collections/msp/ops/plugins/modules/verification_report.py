#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verification_report
short_description: Write a customer's verification report and the sheet to fill in
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Joins what the contract promises (NetBox) with what was found (the evidence store) and writes it for the customer,
    in the customer's language and time zone.
  - The report is one HTML file without script or anything fetched from elsewhere. It can be read on a phone and
    printed. It says of every contracted asset what was promised and what was found, names every thing that was seen and
    is not in the contract, and shows warranties, end of support, pending updates and open questions. Each line refers
    to the evidence behind it.
  - The sheet is an XLSX file with a row for each asset and columns to fill in. M(msp.ops.verification_sheet) reads it
    back. A sheet that exists is never written again, because somebody may have filled it in. A second run on the same
    day, with nothing changed, makes no second sheet.
  - It runs on the controller. NetBox is only read.
options:
  customer:
    description:
      - Slug of the customer's tenant in NetBox.
    type: str
    required: true
  path:
    description:
      - Folder for the files. Each customer gets a folder of its own in it, named after the slug.
    type: path
    required: true
  made_by:
    description:
      - Name of the managed service provider, as it stands in the report and above its signature.
    type: str
    required: true
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
  diff_mode:
    support: full
    details: Names the files that are written.
  platform:
    platforms: all
seealso:
  - module: msp.ops.verification_sheet
"""

EXAMPLES = r"""
- name: Write the report and the sheet of one customer
  msp.ops.verification_report:
    customer: bakkerij-jansen
    path: reports
    made_by: Example IT
  delegate_to: localhost
"""

RETURN = r"""
customer:
  description: Slug of the customer, by which the callback P(msp.ops.evidence#callback) knows whose run it is.
  returned: when NetBox knows the customer
  type: str
  sample: bakkerij-jansen
report:
  description: Path of the HTML report.
  returned: success
  type: str
  sample: reports/bakkerij-jansen/verification-2026-11-23.html
sheet:
  description: Path of the XLSX sheet.
  returned: success
  type: str
  sample: reports/bakkerij-jansen/VER-20261123T153000Z-bakkerij-jansen-b8c854db.xlsx
sheet_id:
  description: The sheet's identity in the evidence store.
  returned: success
  type: str
  sample: VER-20261123T153000Z-bakkerij-jansen-b8c854db
counts:
  description: The numbers of the report's summary.
  returned: success
  type: dict
  contains:
    contracted:
      description: Assets in the contract.
      type: int
    found:
      description: Those of them that were found, as agreed or different.
      type: int
    differs:
      description: Those that differ from what was agreed.
      type: int
    absent:
      description: Those that were looked for and not found.
      type: int
    not_audited:
      description: Those nobody could look at, which says nothing about whether they are there.
      type: int
    unlisted:
      description: Things that were seen and are not in the contract.
      type: int
    warranty_ending:
      description: Contracted assets whose warranty ends within 90 days.
      type: int
    security_updates:
      description: Pending security updates of all contracted assets together.
      type: int
    os_ended:
      description: Contracted assets with an operating system past its end of support.
      type: int
questions:
  description: Number of open questions in the report.
  returned: success
  type: int
error:
  description: Code, expected, found and action of the error.
  returned: failure
  type: dict
"""
