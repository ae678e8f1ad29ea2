#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: standard_quote
short_description: What it would take to bring machines to their standard
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reckons from what M(msp.ops.standard_scan) just found how many changes on how many machines are needed, and about
    how many hours of people that takes.
  - The hours are what each control says of work by hand. Of what the run brings about they are, once enough jobs have
    effort on record, as much of that as those jobs took, with an interval. What is left to a person no run makes
    faster, so its hours are always those of work by hand.
  - A machine that was not measured is named, and is no part of the sum.
  - It reads the evidence store and writes nothing.
options:
  customer:
    description: Slug of the customer's tenant in NetBox. Its own jobs say how long a job takes.
    type: str
    required: true
  hosts:
    description: The hosts that the quote is for.
    type: list
    elements: str
    required: true
  measured:
    description: Name of the variable in which each host's result of M(msp.ops.standard_scan) is registered.
    type: str
    required: true
  language:
    description: Language of RV(summary).
    type: str
    choices: [nl, en]
    default: en
  store_url:
    description:
      - The evidence store, as URL of SQLAlchemy. If not set, the environment variable E(MSP_STORE_URL), then an SQLite
        file in the state directory of this user.
    type: str
extends_documentation_fragment:
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
    support: none
  platform:
    platforms: all
seealso:
  - module: msp.ops.standard_scan
  - module: msp.ops.standard_report
"""

EXAMPLES = r"""
- name: What would it take
  msp.ops.standard_quote:
    customer: bakkerij-jansen
    hosts: "{{ groups['customer_bakkerij_jansen'] }}"
    measured: standard_before
    language: nl
"""

RETURN = r"""
summary:
  description: The quote, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["To bring these 40 machines to their standard takes 112 changes on 31 machines, about 9:30 hours."]
machines:
  description: How many machines were asked about.
  returned: success
  type: int
  sample: 40
changes:
  description: How many controls are to be brought about, over all machines.
  returned: success
  type: int
  sample: 112
"on":
  description: The machines with something to change.
  returned: success
  type: list
  elements: str
  sample: [pc01.bakkerij-jansen]
hours:
  description: Hours of people, for both parts together.
  returned: success
  type: float
  sample: 9.5
by_run:
  description: How many of the changes the run brings about, and the hours of people that takes.
  returned: success
  type: dict
  sample: {changes: 109, hours: 8.75}
by_hand:
  description: How many of the changes are left to a person, and the hours that takes by the controls' minutes.
  returned: success
  type: dict
  sample: {changes: 3, hours: 0.75}
between:
  description:
    - Between how many hours nine jobs in ten lie, with the hours of RV(by_hand) on top, which have no interval.
    - Null where too few jobs were measured, or where the run brings nothing about.
  returned: success
  type: list
  elements: float
  sample: [7.0, 12.5]
basis:
  description:
    - Whence the hours of RV(by_run) are. V(measured) on earlier jobs, or V(table) where too few were or where the run
      brings nothing about.
  returned: success
  type: str
  sample: table
controls:
  description: The machines by the control that is to be brought about on them.
  returned: success
  type: dict
  sample: {ssh-root-login: [pc01.bakkerij-jansen]}
left:
  description: Of RV(controls) those that are left to a person, with the machines on which they are.
  returned: success
  type: dict
  sample: {software-allowed: [pc01.bakkerij-jansen]}
unmeasured:
  description: Machines of which nothing is known, and that are no part of the sum.
  returned: success
  type: list
  elements: str
  sample: []
undecided:
  description: Machines on which something has to be decided before it is brought about. That is no part of the sum.
  returned: success
  type: list
  elements: str
  sample: []
error:
  description: What went wrong, with its code.
  returned: on failure
  type: dict
  sample:
    code: MSP-EVD-001
    expected: the evidence store to answer
    found: nothing
    action: start it
"""
