#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_report
short_description: Report who can log in where with what
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Delivers what M(msp.ops.access_scan) and M(msp.ops.entra_access) left in the spool, and writes for each customer who
    can log in to its machines and its Microsoft 365, by which ways and with what, the weakest first. A page, the same
    as plain text for a mail, and everything as JSON, in the customer's language and time zone.
  - Who has a second factor, of whom one is required, which are break-glass accounts, which belong to programs, and what
    is not known and why. Every number can be followed back to a row of evidence by customer, asset and time.
  - What nobody saw is unknown and never covered. A machine that did not answer the last time, or was not looked at for
    35 days, makes all of its accounts unknown.
  - What accounts are for stands in the key C(msp_access) of a config context in NetBox.
  - Files are written where they say something new. It runs on the controller.
options:
  customers:
    description: Slugs of the customers' tenants in NetBox. Empty takes every tenant with a contract.
    type: list
    elements: str
    default: []
  path:
    description: The folder for the reports. Each customer has a folder of its own in it.
    type: path
    required: true
  made_by:
    description: Who reports, as it stands in the report.
    type: str
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
    details: Says what would be written; the spool stays.
  diff_mode:
    support: full
    details: The plain text, before and after.
  platform:
    platforms: all
seealso:
  - module: msp.ops.access_scan
  - module: msp.ops.entra_access
"""

EXAMPLES = r"""
- name: Report who can log in
  msp.ops.access_report:
    customers: [harbour-dental]
    path: reports
    made_by: Example IT
"""

RETURN = r"""
customers:
  description:
    - By customer the paths of the C(page), the C(text_file) and the C(data_file), whether they C(changed), how many
      C(people) stand how, and the machines of which nobody knows who can log in (C(blind)).
    - C(wrong) has by asset what is wrong in the naming of its accounts.
  returned: success
  type: dict
  sample:
    harbour-dental:
      changed: true
      page: reports/harbour-dental/access-report.html
      text_file: reports/harbour-dental/access-report.txt
      data_file: reports/harbour-dental/access-report.json
      people: {password: 1, single: 2, unknown: 0, two: 6, local: 0}
      blind: []
      wrong: {}
rejected:
  description: Why records of the spool were set aside. They are in its directory rejected.
  returned: success
  type: list
  elements: str
  sample: []
"""
