#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_plan
short_description: Validate a customer's patch plan and show its calendar
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads the patch plans that NetBox renders for a customer's contracted servers and workstations, which is the key
    C(msp_patch_plan) of their config contexts, and says everything that is wrong in them at once.
  - A plan that can be read is then played through for a year, with its real windows. Findings say which soaks do not
    fit before a deadline, which windows nothing fits in, which assets are in no ring or in two, and more. An error
    ends the task in a failure and no calendar is written; a warning does not.
  - The calendar is the next three months for the customer to read, in the customer's language and the plan's time
    zone. When which class of updates may go to which ring, batches, freezes, and when the clocks change. It is written
    twice, as one HTML file without script or anything fetched from elsewhere, and as plain text for a mail.
  - It runs on the controller. NetBox is only read.
options:
  customer:
    description:
      - Slug of the customer's tenant in NetBox.
    type: str
    required: true
  path:
    description:
      - Folder for the calendar. Each customer gets a folder of its own in it, named after the slug.
      - If not set, no file is written.
    type: path
  made_by:
    description:
      - Name of the managed service provider, as it stands in the calendar. Required with O(path).
    type: str
  host_minutes:
    description:
      - How many minutes one host is thought to need, from its first check to its last.
    type: int
    default: 30
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
    details: Validates, and says which files would be written.
  diff_mode:
    support: full
    details: Shows the plain text of the calendar, before and after.
  platform:
    platforms: all
seealso:
  - module: msp.ops.netbox_model
"""

EXAMPLES = r"""
- name: Validate a customer's patch plan
  msp.ops.patch_plan:
    customer: bakkerij-jansen
  delegate_to: localhost

- name: Write its calendar
  msp.ops.patch_plan:
    customer: bakkerij-jansen
    path: reports
    made_by: Example IT
  delegate_to: localhost
  register: plan

- name: Mail the calendar
  community.general.mail:
    to: it@bakkerij-jansen.example
    subject: When we install updates
    attach: "{{ plan.plans | map(attribute='page') }}"
  delegate_to: localhost
"""

RETURN = r"""
customer:
  description: Slug of the customer.
  returned: when the plans could be read
  type: str
plans:
  description: Each plan of the customer, by name.
  returned: when the plans could be read
  type: list
  elements: dict
  contains:
    name:
      description: Name of the plan.
      type: str
    assets:
      description: Number of assets that have this plan.
      type: int
    findings:
      description: What validation says of this plan, errors first.
      type: list
      elements: dict
    rings:
      description: Number of assets by ring, in order, or null where the plan has an error.
      type: dict
    calendar:
      description: Windows, batches, freezes and clock changes, times in UTC, or null where the plan has an error.
      type: dict
    page:
      description: Path of the HTML file, or null.
      type: str
      sample: reports/bakkerij-jansen/patch-calendar-bakkerij-jansen.html
    text_file:
      description: Path of the plain text, or null.
      type: str
findings:
  description: The findings of all plans together.
  returned: when the plans could be read
  type: list
  elements: dict
  contains:
    level:
      description: V(error) or V(warning).
      type: str
    path:
      description: Where in the plan.
      type: str
      sample: msp_patch_plan.classes.security.deadline
    code:
      description: Code of the finding, see docs/errors.md.
      type: str
    expected:
      description: What a plan that works has.
      type: str
    found:
      description: What this one has.
      type: str
    action:
      description: What to do.
      type: str
error:
  description: Code, expected, found and action of the error.
  returned: when the plans could not be read
  type: dict
"""
