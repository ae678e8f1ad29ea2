#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Audits one host in one round trip. The probes are in module_utils/audit; this file only calls them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: asset_audit
short_description: Audit what a host is, what is on it and how it is kept
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Reads the operating system and the end of its support, the machine, disks and their encryption, interfaces,
    installed packages with their origin, patch history, waiting updates, whether a reboot is needed, listening
    services, administrators, time synchronisation and neighbours, in one round trip.
  - Changes nothing on the host. It never refreshes package lists, takes no lock of a package manager and sends
    nothing on the network.
  - What could not be measured is listed with the reason. A probe that fails or takes longer than 30 seconds ends
    neither the audit nor the run, and is never reported as nothing there.
  - A host that hangs as a whole is given up after 9 minutes, and recorded as failed with MSP-AUD-010.
  - The full result is kept in the spool of the evidence store on the controller. The task returns only its hash, what
    changed and a small summary, so that neither the memory of the controller nor the log of a job carries lists of
    packages.
  - Run it with C(become) to learn what only root may read (serial number, UUID, the rules of sudo, the programs that
    listen). Without it the audit goes on, and says what is lacking.
options: {}
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
    details:
      - Measures the same, and keeps nothing.
  diff_mode:
    support: full
    details:
      - Shows the hash of the facts and the summary, before and after, as far as NetBox knows them.
  platform:
    support: full
    platforms: posix
    details:
      - Debian, Ubuntu and the RHEL family.
requirements:
  - Python 3.9 or newer on the host, standard library only
notes:
  - A host that cannot be audited does not fail the task. The attempt is recorded with its outcome and what to do, and
    the run goes on. Use C(ignore_unreachable) in the play, so that it goes on to M(msp.ops.audit_register) even when no
    host answers.
  - The task fails when the attempt cannot be kept, because the spool cannot be written.
seealso:
  - module: msp.ops.audit_register
"""

EXAMPLES = r"""
- name: Audit the host
  msp.ops.asset_audit:
  become: true
"""

RETURN = r"""
outcome:
  description:
    - V(ok), V(unreachable), V(no_python) or V(failed).
    - V(not_attempted) for an asset that NetBox has no address of. Its name is not looked up instead.
  returned: always
  type: str
  sample: ok
facts_hash:
  description: Hash of the facts. The same host with nothing changed has the same hash.
  returned: when the outcome is V(ok)
  type: str
  sample: 3f0c6a8f6d2e9c0f1f6f7c5b5b9f9b1f4e0c7d8a9b0c1d2e3f405162738495a6
facts_changed:
  description: Whether the facts differ from those that NetBox knows of.
  returned: when the outcome is V(ok)
  type: bool
  sample: true
changed_sections:
  description:
    - The sections of the facts that differ from those of the last audit made from this controller.
    - Null when there was none.
  returned: when the outcome is V(ok)
  type: list
  elements: str
  sample: [packages, updates]
summary:
  description: What a helpdesk asks first.
  returned: when the outcome is V(ok)
  type: dict
  sample:
    os: Debian GNU/Linux 12 (bookworm)
    os_version: "12.11"
    support_end: "2028-06-30"
    serial: EXS7K2041
    hostname: srv01
    pending: 18
    security: 18
    last_patched: "2026-03-01T10:00:00Z"
    reboot_needed: false
    encrypted: false
unknown:
  description: How many things could not be measured. Each is in the facts with its reason.
  returned: when the outcome is V(ok)
  type: int
  sample: 1
seconds:
  description: How long the audit took on the host.
  returned: when the outcome is V(ok)
  type: float
  sample: 0.4
error:
  description: What went wrong, with its code.
  returned: when the outcome is not V(ok)
  type: dict
  sample:
    code: MSP-AUD-001
    expected: Python 3.9 or newer on srv01
    found: no Python
    action: install the package python3
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.plugins.module_utils.audit.survey import timed


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, packed=pack(timed(Host())))


if __name__ == "__main__":
    main()
