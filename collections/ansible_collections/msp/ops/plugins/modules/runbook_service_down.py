#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook service_down on a host. What it does is in module_utils/runbooks/service_down.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_service_down
short_description: Start a service that is down, and prove that it stays
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of the runbook C(service_down) that runs on a host. M(msp.ops.runbook) asks for it, keeps its limits and puts it on
    record. Called by itself it does the same without either.
  - Says why a service is down, and starts it where it is meant to run. It counts as mended when it is still the same process
    after some seconds.
  - Never starts what is masked, disabled, on the customer's list, or a job that runs once.
options:
  unit:
    description: Name of the service.
    type: str
    required: true
  attempts:
    description: How often it is started.
    type: int
    default: 1
  stable_seconds:
    description: How long it has to stay up.
    type: int
    default: 20
  left_alone:
    description: Services that only a person starts.
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
- name: Start a service that is down, and prove that it stays
  msp.ops.runbook_service_down:
    unit: nginx.service
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
  sample: ["nginx.service is failed (failed)", "its program ended with status 1"]
did:
  description: What was changed, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["started nginx.service"]
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
  sample: "nginx.service was started 1 time(s), and it does not start: its program ended with status 1"
before:
  description: What was measured before anything was done.
  returned: success
  type: dict
  sample: {active: failed, exit_status: 1}
after:
  description: The same after it.
  returned: success
  type: dict
  sample: {active: active, exit_status: 0}
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-RUN-020
"""

from ansible_collections.msp.ops.plugins.module_utils.runbooks import service_down
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import play


def main() -> None:
    play(service_down.SPEC, service_down.act)


if __name__ == "__main__":
    main()
