#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook pending_reboot on a host. What it does is in module_utils/runbooks/pending_reboot.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_pending_reboot
short_description: Say why a restart is pending, and ask the controller for it
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of the runbook C(pending_reboot) that runs on a host. M(msp.ops.runbook) asks for it, keeps its limits and puts it on
    record. Called by itself it does the same without either.
  - Says why a host has to be restarted, and whether it may be now. It asks the controller for the restart (RV(needs)), and
    is asked again afterwards with what it measured before. M(msp.ops.runbook) does both.
  - Never asks for it while somebody works on the host, patches are being installed, or it is not allowed.
options:
  allowed:
    description: Whether this is the time for a restart. The controller says so, and never an alert.
    type: bool
    default: false
  blocking_units:
    description: Services that must not be cut off while they run.
    type: list
    elements: str
    default: []
  after:
    description: What was measured before the restart. Given after it only.
    type: dict
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
- name: Say why a restart is pending, and ask the controller for it
  msp.ops.runbook_pending_reboot:
    allowed: true
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
  sample: ["it has to be restarted: asked for by libc6"]
did:
  description: What was changed, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["restarted the host"]
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
  sample: "it has to be restarted (asked for by libc6), and somebody works on it: anna (bash)"
before:
  description: What was measured before anything was done.
  returned: success
  type: dict
  sample: {reboot_needed: true, boot_time_seconds: 1795780000.5}
after:
  description: The same after it.
  returned: success
  type: dict
  sample: {reboot_needed: false, boot_time_seconds: 1795790000.5}
needs:
  description: What the controller has to do before the runbook can go on.
  returned: when that is so
  type: str
  sample: reboot
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-RUN-020
"""

from ansible_collections.msp.ops.plugins.module_utils.runbooks import pending_reboot
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import play


def main() -> None:
    play(pending_reboot.SPEC, pending_reboot.act)


if __name__ == "__main__":
    main()
