#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller and asks control_facts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: standard_scan
short_description: Hold a host against its standard
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads in the host's variable C(msp) which standard the asset is held to, with which parameters and waivers. Has
    every control measured in one round trip by M(msp.ops.control_facts), judges what was found, and keeps a record
    for each control.
  - A control that was not measured is V(unknown), also on a host that did not answer. A waiver that expired is drift.
  - What is waived today is never brought about. What could not be measured is, where its control says that this is
    safe, and else it is left. So is what somebody has to decide first, as what is to become of a port that is used.
  - What a task said that it did counts for nothing. A control is V(fixed) when it was drift in the measurement before
    and a new measurement finds it compliant.
  - Changes nothing. What is to be brought about is in RV(enforce), by role, for C(playbooks/standardise.yml).
  - The check is kept in the spool of the evidence store on the controller. M(msp.ops.standard_register) delivers it.
  - Run it with C(become). Without it much cannot be measured, and is V(error).
options:
  phase:
    description:
      - V(check) where nothing is to follow, V(before) where the drift is brought about next, V(after) when it was.
    type: str
    choices: [before, check, after]
    default: check
  before:
    description: With O(phase=after), RV(drift) of the measurement before.
    type: list
    elements: dict
    default: []
  not_begun:
    description:
      - Why nobody measures this host, such as a run that was stopped before it was its turn. The host is not asked, and
        every control is recorded as V(unknown), with this reason.
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
    details: Measures and judges the same, and keeps nothing. With O(phase=before) it says changed where there is drift.
  diff_mode:
    support: full
    details: Shows what was found and what it should be.
  platform:
    support: full
    platforms: posix
notes:
  - A host that cannot be measured does not fail the task. The attempt is recorded, with every control unknown.
  - The task fails when the standard, its parameters or a waiver are wrong. Everything wrong is named at once.
  - A host without a standard has the outcome V(no standard), and no record.
seealso:
  - module: msp.ops.control_facts
  - module: msp.ops.standard_course
  - module: msp.ops.standard_register
"""

EXAMPLES = r"""
- name: Hold the host against its standard
  msp.ops.standard_scan:
  become: true

- name: Prove what was brought about
  msp.ops.standard_scan:
    phase: after
    before: "{{ measured.drift }}"
  become: true
"""

RETURN = r"""
outcome:
  description:
    - V(ok), V(failed), V(unreachable), or V(not attempted) for an asset that NetBox has no address of, and with
      O(not_begun).
    - V(no standard) for an asset that is held to none.
  returned: success
  type: str
  sample: ok
standard:
  description: Name of the standard.
  returned: when the asset has one
  type: str
  sample: linux-server
version:
  description: Its version.
  returned: when the asset has one
  type: str
  sample: "1.0"
counts:
  description: How many controls have each status.
  returned: when the asset has a standard
  type: dict
  sample: {compliant: 41, drift: 2, waived: 1}
drift:
  description:
    - The controls that are to be brought about, and those that are left to a person (RV(left)), each with what is
      desired and what was found. C(left) is true in those that are left to a person, and in no other.
  returned: when the host was measured
  type: list
  elements: dict
  sample:
    - control: ssh-root-login
      severity: high
      status: drift
      desired: "permitrootlogin: no"
      found: "permitrootlogin: yes"
      reason: ""
      waiver: null
fixed:
  description: Controls that were drift in O(before), and are compliant.
  returned: when the host was measured
  type: list
  elements: str
  sample: [ssh-root-login]
new:
  description: Of RV(drift) what was not so when this controller measured the host before. Null when it never did.
  returned: when the host was measured
  type: list
  elements: str
  sample: [ssh-root-login]
undecided:
  description: The controls that differ and are left, as somebody has to decide first. Their C(reason) says what.
  returned: when the host was measured
  type: list
  elements: dict
  sample: []
unmeasured:
  description: The controls that could not be measured, and are left as they are.
  returned: when the host was measured
  type: list
  elements: dict
  sample: []
enforce:
  description: The controls of RV(drift) that are to be brought about, by the role that does it.
  returned: when the host was measured, or has no standard
  type: dict
  sample: {msp_baseline_linux: [ssh-root-login]}
left:
  description:
    - The controls of RV(drift) that are left to a person, for bringing them about takes something away and the
      standard does not say that it may, or for what differs is where no role changes anything (a Match block of the ssh
      server, a setting of sudo for some). Their C(reason) then says where.
  returned: when the host was measured
  type: list
  elements: str
  sample: [software-allowed]
held:
  description:
    - The controls that this host is held to today. Those that are waived are not among them, nor those that are about
      nothing that this host has (no control of uses on a distribution whose PAM is not written, for one).
  returned: when the host was measured
  type: list
  elements: str
  sample: [ssh-root-login]
parameters:
  description: The parameters of each control of the asset's standard, by role and control, RV(held) or not.
  returned: when the host was measured
  type: dict
  sample: {msp_baseline_linux: {ssh-root-login: {allowed: "no"}}}
seconds:
  description: How long the measurement took on the host.
  returned: when the host was measured
  type: float
  sample: 1.1
error:
  description: What went wrong, with its code.
  returned: when the outcome is not V(ok), or on failure
  type: dict
  sample:
    code: MSP-STD-163
    expected: the measurement of srv01 to end
    found: no right to become root
    action: run it again for this host alone with -vvv
"""
