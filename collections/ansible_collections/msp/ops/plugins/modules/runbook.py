#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which decides and asks the runbook's module on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook
short_description: Run an automated response to a known problem on a host
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Runs one of the runbooks of msp.ops on a host. The runbook's module checks whether the symptom is there, acts within
    its limits, and measures again whether that helped. Where it may not or cannot help, it says what it found, for a
    person.
  - Before anything is done, the run is put on record in the evidence store. It is refused when the runbook ran too
    often on this asset in the last 24 hours, when it did not help at too many assets lately, and when the customer has
    stopped it.
  - One runbook at a time runs on an asset, wherever it was started.
options:
  name:
    description: Name of the runbook, as C(docs/runbooks.md) lists them.
    type: str
    required: true
  parameters:
    description:
      - The runbook's parameters. They may come from an alert, so each has to fit a form that its declaration gives.
    type: dict
    default: {}
  policy:
    description:
      - What the customer allows this runbook, such as the units that it may restart, and what the controller knows of the
        host. Never fill it from an alert. C(docs/runbooks.md) lists the settings of each runbook.
    type: dict
    default: {}
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
    details: Measures, says what would be done, and puts nothing on record.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
notes:
  - A runbook that gives up to a person does not fail the task. RV(outcome) and RV(reason) say so.
  - The task fails when the runbook may not run, when a parameter is wrong, and when the runbook's module broke.
"""

EXAMPLES = r"""
- name: Start a service that is down
  msp.ops.runbook:
    name: service_down
    parameters:
      unit: nginx.service
  become: true
"""

RETURN = r"""
outcome:
  description:
    - V(nothing_to_do) when the symptom is not there, V(mended) when it was and is gone, V(would_mend) in check mode,
      V(gave_up) when a person has to look, V(failed) when the runbook's module broke.
  returned: when the runbook may run
  type: str
  sample: mended
found:
  description: What was found, in sentences.
  returned: when the runbook ran
  type: list
  elements: str
  sample: ["nginx.service is failed since 02:14 (exit-code)."]
did:
  description: What was changed, in sentences.
  returned: when the runbook ran
  type: list
  elements: str
  sample: ["Restarted nginx.service."]
would:
  description: What would be changed, in sentences.
  returned: in check mode, when the runbook ran
  type: list
  elements: str
  sample: []
reason:
  description: Why it gave up, or how it broke.
  returned: when the outcome is V(gave_up) or V(failed)
  type: str
  sample: "it ended again within 10 seconds"
before:
  description: What was measured before anything was done.
  returned: when the runbook measured
  type: dict
  sample: {"active": "failed"}
after:
  description: The same after it.
  returned: when the runbook measured
  type: dict
  sample: {"active": "active"}
minutes_by_hand:
  description: What such a problem costs a person, in minutes.
  returned: when the run is on record
  type: float
  sample: 25.0
key:
  description: The run's key in the evidence store.
  returned: when the run is on record
  type: str
  sample: 6f1c0a52d8a94e3bb0c1d2e3
customer:
  description: Slug of the asset's customer.
  returned: when the runbook may run
  type: str
  sample: bakkerij-jansen
runbook:
  description: Name of the runbook.
  returned: when the runbook may run
  type: str
  sample: service_down
error:
  description: What went wrong, with its code.
  returned: on failure
  type: dict
  sample:
    code: MSP-RUN-100
    expected: that the runbook service_down may run on web01
    found: it ran 3 times on this asset in the last 24 hours, and may 3 times
    action: look at the asset
"""
