#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which asks msp.ops.control_facts on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_scan
short_description: See who can log in to a host, by which ways and with what
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Asks one host in one round trip who can log in to it, and judges for each account whether a second factor is asked
    of it. Measured by what is in force. The ssh server is asked for each account, what PAM asks is followed through its
    stacks, and keys, locked passwords, shells and rights by sudo are looked at.
  - A second factor is C(required) where every way in asks for two things, or for a FIDO2 key that has to be touched.
    It is C(possible) where the account has one, and one thing is enough all the same; C(impossible) where it has none.
    It is C(unknown) where something could not be told, and C(closed) stands for no way in at all. What could not be
    told is never taken for safe.
  - What was seen goes to the spool of the evidence store. M(msp.ops.access_report) delivers and reports it.
  - Changes nothing on the host. Run it with C(become).
  - The host has to be of the inventory P(msp.ops.netbox#inventory), or to have its variable C(msp).
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
    details: Measures the same, and keeps nothing.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
    details: Debian, Ubuntu and the RHEL family.
seealso:
  - module: msp.ops.control_facts
  - module: msp.ops.access_report
"""

EXAMPLES = r"""
- name: See who can log in
  msp.ops.access_scan:
  become: true
"""

RETURN = r"""
outcome:
  description: V(ok), V(failed), V(unreachable) or V(not attempted). C(msg) says why it is not V(ok).
  returned: always
  type: str
  sample: ok
accounts:
  description:
    - By account what it is for (C(kind)), its verdicts over the network and at the machine itself, and what could not
      be told of it. C(second_factor) is the verdict, C(weakest) the weakest way in.
  returned: when the outcome is V(ok)
  type: dict
  sample:
    anna:
      kind: person
      network:
        second_factor: possible
        weakest: {by: ssh, needs: [password]}
        why: []
      console:
        second_factor: possible
        weakest: {by: login, needs: [password]}
        why: []
      unknown: []
counts:
  description: How many accounts have which verdict over the network.
  returned: when the outcome is V(ok)
  type: dict
  sample: {required: 4, possible: 1}
unknown:
  description: What could not be told of the host as a whole.
  returned: when the outcome is V(ok)
  type: list
  elements: str
  sample: []
seconds:
  description: How long it took on the host.
  returned: when the outcome is V(ok)
  type: float
  sample: 0.4
error:
  description: Why the outcome is not V(ok), with its code.
  returned: when the outcome is not V(ok)
  type: dict
  sample:
    code: MSP-ACC-001
    expected: srv01 to say who can log in to it
    found: line 3 of /etc/shadow is no account
    action: put right on the host what the reason names, then measure again
"""
