#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook time_drift on a host. What it does is in module_utils/runbooks/time_drift.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_time_drift
short_description: Have a host's clock set right by its own time service
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of the runbook C(time_drift) that runs on a host. M(msp.ops.runbook) asks for it, keeps its limits and puts it on
    record. Called by itself it does the same without either.
  - Asks the time servers how far the clock is off, and starts the host's own time service again where it is wrong or nobody
    keeps it. Asks them again afterwards.
  - Never lets a clock be set that is further off than may be stepped, nor that of a domain controller or a container.
options:
  max_seconds:
    description: From how many seconds on it is a problem.
    type: float
    default: 1.0
  step_seconds:
    description: How far the clock may be set.
    type: float
    default: 300.0
  servers:
    description: The servers that are asked. None means those that the time service is set to.
    type: list
    elements: str
    default: []
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
- name: Have a host's clock set right by its own time service
  msp.ops.runbook_time_drift:
    max_seconds: 2
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
  sample: ["the clock is 41.207 seconds behind"]
did:
  description: What was changed, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["started chrony.service again"]
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
  sample: "no time server answers (ntp.example.com): look at the way to them, UDP port 123"
before:
  description: What was measured before anything was done.
  returned: success
  type: dict
  sample: {seconds_off: 41.207, service_active: inactive}
after:
  description: The same after it.
  returned: success
  type: dict
  sample: {seconds_off: 0.003, service_active: active}
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-RUN-020
"""

from ansible_collections.msp.ops.plugins.module_utils.runbooks import time_drift
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import play


def main() -> None:
    play(time_drift.SPEC, time_drift.act)


if __name__ == "__main__":
    main()
