#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: standard_course
short_description: In which order machines are brought to their standard, and when to stop
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Orders the hosts of one customer in the rings of their patch plans, and cuts the rings in batches of as many hosts
    as the plan allows at once. Hosts without a patch plan go one alone first, then the rest, ten in a hundred at
    once.
  - Asked between two batches, with what became of the hosts so far, it says why no other host may be begun. That is
    when more failed or gave no answer than the plan allows, or when a ring proved too little for the next one to
    begin.
  - Asked the first time it refuses what is wrong in any standard, parameter or waiver of these hosts, all of it at
    once and before the first host is touched.
  - Hosts of a patch plan with a freeze at this moment are only to be measured (RV(frozen)). The windows of the plan
    do not count.
  - Where the one host that goes first gives no answer, the next one takes its place.
  - A host that was not reached, or that does not hold what was to be brought about, is never taken for a success.
  - It reads and writes nothing, and runs on the controller.
options:
  customer:
    description: Slug of the customer's tenant in NetBox.
    type: str
    required: true
  hosts:
    description: Names of the hosts that may be touched. Those of other customers are left alone.
    type: list
    elements: str
    required: true
  before:
    description: Name of the variable with each host's result of M(msp.ops.standard_scan) before anything was done.
    type: str
  after:
    description: Name of the variable with each host's result of M(msp.ops.standard_scan) after it.
    type: str
  last:
    description:
      - This is the run's last question. It fails where the run was stopped, and also when fewer hosts failed than may.
      - In check mode it does not, since nothing was done.
    type: bool
    default: false
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
    details: The order is the same.
  diff_mode:
    support: none
  platform:
    platforms: all
seealso:
  - module: msp.ops.standard_scan
  - module: msp.ops.patch_plan
"""

EXAMPLES = r"""
- name: In which order
  msp.ops.standard_course:
    customer: bakkerij-jansen
    hosts: "{{ groups['msp_targets'] }}"
  register: course

- name: May the next batch begin
  msp.ops.standard_course:
    customer: bakkerij-jansen
    hosts: "{{ groups['msp_targets'] }}"
    before: standard_before
    after: standard_after
  register: gate
  run_once: true
  delegate_to: localhost

- name: End here where it may not
  ansible.builtin.meta: end_play
  when: gate.stop | length > 0
"""

RETURN = r"""
queue:
  description: The hosts in the order in which they are begun.
  returned: success
  type: list
  elements: str
  sample: [pc01.bakkerij-jansen, pc02.bakkerij-jansen]
pattern:
  description: The queue as a pattern of hosts that keeps its order.
  returned: success
  type: str
  sample: "pc01.bakkerij-jansen:pc02.bakkerij-jansen"
batches:
  description: How many hosts of the queue each batch has.
  returned: success
  type: list
  elements: int
  sample: [1, 1]
rings:
  description: The rings, each with its plan and hosts. Without a patch plan the plan is empty.
  returned: success
  type: list
  elements: dict
  sample:
    - plan: office
      name: pilot
      hosts: [pc01.bakkerij-jansen]
frozen:
  description: The hosts that are only to be measured, since their patch plan has a freeze now, and which.
  returned: success
  type: dict
  sample: {}
outcomes:
  description: What became of the hosts that were begun, V(well), V(failed) or V(lost) by host.
  returned: success
  type: dict
  sample:
    pc01.bakkerij-jansen: well
why:
  description: Why hosts are not well, by host.
  returned: success
  type: dict
  sample:
    pc01.bakkerij-jansen: does not hold ssh-root-login
undecided:
  description:
    - What somebody has to decide before it is brought about, by host. It stops no ring, and the run ends in an error
      that names it.
  returned: success
  type: dict
  sample: {}
stop:
  description: Why no other host may be begun. Empty where it goes on.
  returned: always, once the hosts were ordered
  type: str
  sample: "ring pilot of office: 1 of 1 failed, 0 may"
error:
  description: What went wrong, with its code.
  returned: on failure
  type: dict
  sample:
    code: MSP-STD-160
    expected: every machine that was begun to hold its standard
    found: "ring pilot of office: 1 of 1 failed, 0 may; pc01.bakkerij-jansen: does not hold ssh-root-login"
    action: see what failed on the hosts named, then run it again; what is compliant is not touched again
"""
