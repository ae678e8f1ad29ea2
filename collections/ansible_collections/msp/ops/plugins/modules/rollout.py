#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Take a customer's patch rollouts one tick further
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads a customer's patch plans from NetBox, and from the evidence store what waits on its hosts and the history of
    its rollouts. Plans a rollout for what is due, decides what comes next (approval, ring, batch, soak, gate, way
    back), records it, and says which hosts are to be asked or to do what.
  - It touches no host. M(msp.ops.patch_install) does that, with the arguments that RV(tasks) holds for each host.
    C(playbooks/patch.yml) puts the two together.
  - One run of the playbook is one tick, of at most three rounds of this module. It takes at most one batch of a
    rollout, asks the gate that is due before it or after it (of a ring that need not soak, in the same run), and ends.
    A schedule repeats it. Soak is a time in the store; nothing waits for it.
  - A run that was killed anywhere is gone on with by the next, which asks the hosts what became of the work before it
    does anything else.
  - Of two runs at once for one customer the second is refused (MSP-EVD-015), until the first has ended or its lease has
    run out. A run that was held up until another had the lease says so (MSP-PAT-155), and records nothing any more.
  - What the hosts answered is recorded before NetBox is asked, so it is kept when NetBox does not answer.
  - Every asset with a patch plan must be among O(hosts) (MSP-PAT-185), or it would be left out without anybody knowing.
    One that has no plan any more is not touched, whatever the inventory says.
  - It runs on the controller.
options:
  customer:
    description: Slug of the customer's tenant in NetBox.
    type: str
    required: true
  action:
    description:
      - V(tick) is one round of a tick.
      - V(approve), V(pause), V(resume) and V(abort) record what a person asks, with who and why. They wait for no run.
        V(approve) names the manifest.
      - What a person asked is shown in the journal of the customer's tenant. Where NetBox does not answer it counts
        all the same, a warning says so (MSP-PAT-164), and M(msp.ops.patch_register) writes it later.
      - V(status) says how far every open rollout is, and writes nothing.
    type: str
    choices: [tick, approve, pause, resume, abort, status]
    default: tick
  hosts:
    description: With O(action=tick), names of the hosts that may be touched. Those of other customers are left alone.
    type: list
    elements: str
    default: []
  tick:
    description: The C(tick) that the round before returned. Not given in the first round.
    type: dict
  answers:
    description:
      - Name of the variable in which each host's result of M(msp.ops.patch_install) of the round before is registered.
      - A host without it has not answered, and is never taken for done.
    type: str
  last:
    description: This is the tick's last round. It takes in answers and gives no more work.
    type: bool
    default: false
  wait:
    description:
      - How many seconds a host may take before this run leaves it at work, to be looked at by the next tick. Work on
        the host goes on by itself.
      - The lease on the customer is five minutes longer. Where a controller dies, nothing happens for so long.
    type: int
    default: 1200
  rollout:
    description: Id of the rollout that a person speaks of. Needed where more than one is open.
    type: str
    default: ""
  by:
    description: Who asks. With O(action=tick), who starts what is planned; empty is this process's user.
    type: str
    default: ""
  reason:
    description: Why.
    type: str
    default: ""
  manifest:
    description: With O(action=approve), the hash of what is approved, as RV(rollouts) has it.
    type: str
    default: ""
  again:
    description:
      - With O(action=tick), names or patterns (C(nginx*)) of packages whose present version is to be planned although a
        rollout with it was aborted or rolled back. By itself nothing of that is tried again before its version changes.
      - Needs O(by) and O(reason), which are kept with the rollout.
    type: list
    elements: str
    default: []
  language:
    description:
      - Language of the lines in RV(summary). Words that were recorded (reasons, what hosts said) stay as they are.
    type: str
    choices: [nl, en]
    default: en
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
    details: Says what the next tick would do and why; nothing is written, and no host is given work.
  diff_mode:
    support: full
    details: Shows the steps that were recorded.
  platform:
    platforms: all
seealso:
  - module: msp.ops.patch_scan
  - module: msp.ops.patch_install
  - module: msp.ops.patch_plan
"""

EXAMPLES = r"""
- name: What is to be done next
  msp.ops.rollout:
    customer: bakkerij-jansen
    hosts: "{{ groups['msp_targets'] }}"
  register: first

- name: Approve what waits for it
  msp.ops.rollout:
    customer: bakkerij-jansen
    action: approve
    manifest: 0f3cbb1c8f6d4f0d
    by: A. de Vries
    reason: Agreed by mail on 24 November
"""

RETURN = r"""
language:
  description: The language of the lines, for what shows them.
  returned: always
  type: str
  sample: en
tick:
  description:
    - What is handed on to the next round as it is.
  returned: with O(action=tick)
  type: dict
  sample:
    holder: controller process 812 9f3a
    fence: 7
    at: "2026-11-26T22:00:00+00:00"
    work: []
    acted: []
    running: {}
tasks:
  description: By host that is to do something, the arguments for M(msp.ops.patch_install).
  returned: with O(action=tick)
  type: dict
  sample: {srv01.bakkerij-jansen: {rollout: bakkerij-jansen-20261126T220000-0f3cbb1c, action: start}}
rollouts:
  description:
    - How far each rollout is. C(rollout), C(class), C(manifest), C(state), C(side), C(rings), C(hosts), C(next),
      C(why), C(until), C(deadline), C(end) (when it is likely done) and the C(steps) of this round.
  returned: success
  type: list
  elements: dict
  sample:
    - rollout: bakkerij-jansen-20261126T220000-0f3cbb1c
      class: security
      state: soaking
      next: soak
summary:
  description: The same in lines for a person.
  returned: success
  type: list
  elements: str
  sample: ["bakkerij-jansen-20261126T220000-0f3cbb1c (security): soaking, 2 of 6 hosts done"]
halted:
  description:
    - Ids of the rollouts that stopped by themselves, and wait for a person; and C(plan NAME) for a patch plan with an
      error, with which no rollout is begun (MSP-PAT-186).
  returned: with O(action=tick) and O(action=status)
  type: list
  elements: str
  sample: []
"""
