#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: standard_report
short_description: Report how customers stand with their standards
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads which standards the assets of customers are held to from NetBox, and what was found of them from the evidence
    store, and writes a report for each customer to read.
  - It tells of each asset what differs from its standard, what it should be and since when, and whether nobody knows;
    what is new; what differs most; what it takes to bring all of it about, and about how many hours; the exceptions
    that were agreed, and when they end; what software is missing, forbidden, outdated, not known or at its end; what
    assets that are not standard cost more, and on what evidence; and of each standard and control how far it holds, and
    how that went.
  - Three files are written for each, in the customer's language and time zone. One HTML file without script or anything
    fetched from elsewhere, the same as plain text for a mail, and all of it as JSON. A file that would say the same is
    left as it is.
  - It runs on the controller. NetBox and the evidence store are only read. What assets cost more is measured over
    all customers, so reports of many customers are best made in one go.
options:
  customers:
    description: Slugs of the customers' tenants in NetBox. If empty, all that have a contract.
    type: list
    elements: str
    default: []
  path:
    description: Folder for the reports. Each customer gets a folder of its own in it, named after the slug.
    type: path
    required: true
  made_by:
    description: Name of the managed service provider, as it stands in the report.
    type: str
    required: true
  days:
    description: How many days back the report tells how compliance went, 1 to 730.
    type: int
    default: 90
  new_days:
    description: How many days back what began to differ is new, 1 to 730; the time from one cycle to the next.
    type: int
    default: 31
  end_of_life:
    description:
      - A file of endoflife.date, to tell which software its maker no longer looks after. Without one that is not told.
      - A file that cannot be read, is broken, is empty or is not what its checksum says fails the task.
    type: dict
    suboptions:
      path:
        description: The file on the controller, what U(https://endoflife.date/api/v1/products/full) gives.
        type: path
        required: true
      sha256:
        description: The checksum that it must have.
        type: str
      date:
        description: The day on which it was published, as V(2026-11-20), where it has none of its own.
        type: str
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
    details: Says which files would be written.
  diff_mode:
    support: full
    details: Shows the plain text of each report, before and after.
  platform:
    platforms: all
seealso:
  - module: msp.ops.standard_scan
  - module: msp.ops.standard_register
"""

EXAMPLES = r"""
- name: Report how a customer stands with its standards
  msp.ops.standard_report:
    customers: [bakkerij-jansen]
    path: reports
    made_by: Example IT
  delegate_to: localhost
  register: report

- name: Mail it
  community.general.mail:
    to: it@bakkerij-jansen.example
    subject: How your standards stand
    attach: "{{ [report.customers['bakkerij-jansen'].page] }}"
  delegate_to: localhost
"""

RETURN = r"""
customers:
  description:
    - By customer the paths of its files, C(page) (HTML), C(text_file) and C(data_file) (JSON); whether any of them
      changed; C(assets) by state; and C(without_standard).
  returned: success
  type: dict
  sample:
    bakkerij-jansen:
      page: reports/bakkerij-jansen/standards-report.html
      text_file: reports/bakkerij-jansen/standards-report.txt
      data_file: reports/bakkerij-jansen/standards-report.json
      changed: true
      assets: {compliant: 4, waived: 1, unknown: 0, drift: 2}
      without_standard: [label-printer]
error:
  description: Code, expected, found and action of the error.
  returned: failure
  type: dict
"""
