#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook host_unreachable on a host. What it does is in module_utils/runbooks/host_unreachable.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_host_unreachable
short_description: Say from which side a host cannot be reached
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of the runbook C(host_unreachable) that runs on a host. M(msp.ops.runbook) asks for it, keeps its limits and puts it on
    record. Called by itself it does the same without either.
  - Looks up a host's name, pings it, opens its ssh port and waits for a greeting. Runs on the controller or on a neighbour
    of the host, never on the host itself, and changes nothing.
  - The last one that is asked puts together what all have seen.
options:
  address:
    description: The host's address.
    type: str
    required: true
  port:
    description: Its ssh port.
    type: int
    default: 22
  seconds:
    description: How long each answer is waited for.
    type: int
    default: 5
  attempts:
    description: How often it is tried before it counts as unreachable.
    type: int
    default: 3
  views:
    description: What others saw, by their names. Each is RV(before) of their answer.
    type: dict
    default: {}
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Measures, changes nothing, and says in RV(would) what would be done.
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
    details:
      - Linux.
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: msp.ops.runbook
"""

EXAMPLES = r"""
- name: Say from which side a host cannot be reached
  msp.ops.runbook_host_unreachable:
    address: 192.0.2.10
  become: true
  register: found
"""

RETURN = r"""
outcome:
  description:
    - V(nothing_to_do) when the symptom is not there, V(mended) when it was and is measured to be gone, V(would_mend) in
      check mode, V(gave_up) when a person has to look.
  returned: success
  type: str
  sample: gave_up
found:
  description: What was found, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["seen from the controller: it answers a ping, port 22 is closed"]
did:
  description: What was changed, in sentences.
  returned: success
  type: list
  elements: str
  sample: []
would:
  description: What would be changed, in sentences. Empty but in check mode.
  returned: success
  type: list
  elements: str
  sample: []
reason:
  description: Why it gave up, for the person who goes on. Empty when it did not.
  returned: success
  type: str
  sample: "it is up, and nothing waits on port 22 (from all 2 sides): sshd does not run, or a firewall refuses"
before:
  description: What was measured before anything was done.
  returned: success
  type: dict
  sample: {resolves: true, ping: true, port: refused, banner: false, sides: 1}
after:
  description: The same after it.
  returned: success
  type: dict
  sample: {resolves: true, ping: true, port: refused, banner: false, sides: 1}
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-RUN-020
"""

from ansible_collections.msp.ops.plugins.module_utils.runbooks import host_unreachable
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import play


def main() -> None:
    play(host_unreachable.SPEC, host_unreachable.act)


if __name__ == "__main__":
    main()
