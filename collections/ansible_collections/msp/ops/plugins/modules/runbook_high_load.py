#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook high_load on a host. What it does is in module_utils/runbooks/high_load.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_high_load
short_description: Say what overloads a host, and restart it where the customer lists it
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of the runbook C(high_load) that runs on a host. M(msp.ops.runbook) asks for it, keeps its limits and puts it on
    record. Called by itself it does the same without either.
  - Watches all processes for some seconds and adds up what each unit takes of the processors or the memory.
  - Restarts the unit that clearly takes most, where it is listed, and measures again. Ends no process itself.
options:
  kind:
    description: What is taken.
    type: str
    choices: [load, memory]
    default: load
  percent:
    description: From how many percent on it is a problem.
    type: int
    default: 90
  restartable:
    description: The units that may be restarted for it.
    type: list
    elements: str
    default: []
  sample_seconds:
    description: How long the processes are watched.
    type: int
    default: 5
  stable_seconds:
    description: How long a restarted unit has to stay up.
    type: int
    default: 10
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
      - Linux with systemd.
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: msp.ops.runbook
"""

EXAMPLES = r"""
- name: Say what overloads a host, and restart it where the customer lists it
  msp.ops.runbook_high_load:
    kind: memory
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
  sample: mended
found:
  description: What was found, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["97 % of the memory is taken (0.3 GB free of 8.3 GB, 2.1 GB swapped out)"]
did:
  description: What was changed, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["restarted report-worker.service"]
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
  sample: "most of the memory is taken by java (process 812 of app, unit app.service, 1 process): 6.1 GB, which is not on the list"
before:
  description: What was measured before anything was done.
  returned: success
  type: dict
  sample: {percent_taken: 97}
after:
  description: The same after it.
  returned: success
  type: dict
  sample: {percent_taken: 41}
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-RUN-020
"""

from ansible_collections.msp.ops.plugins.module_utils.runbooks import high_load
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import play


def main() -> None:
    play(high_load.SPEC, high_load.act)


if __name__ == "__main__":
    main()
