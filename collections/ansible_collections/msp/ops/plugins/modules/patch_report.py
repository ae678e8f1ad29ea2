#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_report
short_description: Report how a customer stands with patching
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads a customer's patch plans from NetBox, and from the evidence store what waits on its assets and what rollouts
    did, and writes a report for the customer to read.
  - It tells of each asset whether it is in time, late, an agreed exception or unknown, and what waits on it; of all
    that waits, what it waits for; how far the rollouts under way are; how long updates of each class waited until they
    were installed; and what was done on each asset, also what did not work.
  - Three files are written, in the customer's language and time zone. One HTML file without script or anything fetched
    from elsewhere, the same as plain text for a mail, and all of it as JSON. A file that would say the same is left as
    it is.
  - It runs on the controller. NetBox and the evidence store are only read.
options:
  customer:
    description: Slug of the customer's tenant in NetBox.
    type: str
    required: true
  path:
    description: Folder for the report. Each customer gets a folder of its own in it, named after the slug.
    type: path
    required: true
  made_by:
    description: Name of the managed service provider, as it stands in the report.
    type: str
    required: true
  days:
    description: How many days back the report tells what was done, 1 to 730.
    type: int
    default: 90
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
    details: Shows the plain text of the report, before and after.
  platform:
    platforms: all
seealso:
  - module: msp.ops.patch_register
  - module: msp.ops.rollout
"""

EXAMPLES = r"""
- name: Report how a customer stands with patching
  msp.ops.patch_report:
    customer: bakkerij-jansen
    path: reports
    made_by: Example IT
  delegate_to: localhost
  register: report

- name: Mail it
  community.general.mail:
    to: it@bakkerij-jansen.example
    subject: How your updates stand
    attach: "{{ [report.page] }}"
  delegate_to: localhost
"""

RETURN = r"""
customer:
  description: Slug of the customer.
  returned: success
  type: str
page:
  description: Path of the HTML file.
  returned: success
  type: str
  sample: reports/bakkerij-jansen/patch-report.html
text_file:
  description: Path of the plain text.
  returned: success
  type: str
  sample: reports/bakkerij-jansen/patch-report.txt
data_file:
  description: Path of the JSON file.
  returned: success
  type: str
  sample: reports/bakkerij-jansen/patch-report.json
standing:
  description:
    - What the report says, as data. C(assets) by state, C(without_plan), and for each of C(plans) its assets with what
      waits, what is owed and what was installed, C(waits) (what waits for what) and C(time_to_patch) by class;
      C(rollouts) as M(msp.ops.rollout) tells them; C(history), every attempt on every asset.
  returned: success
  type: dict
  sample: {assets: {in time: 4, waived: 0, owed: 1, late: 1, unknown: 0}, without_plan: []}
error:
  description: Code, expected, found and action of the error.
  returned: failure
  type: dict
"""
