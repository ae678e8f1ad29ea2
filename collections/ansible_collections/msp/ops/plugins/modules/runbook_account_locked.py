#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook account_locked on a host. What it does is in module_utils/runbooks/account_locked.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_account_locked
short_description: Let an account in again that too many wrong passwords have locked
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of the runbook C(account_locked) that runs on a host. M(msp.ops.runbook) asks for it, keeps its limits and puts it on
    record. Called by itself it does the same without either.
  - Reads what C(pam_faillock) keeps of an account, and has it forgotten where that looks like somebody who mistyped.
  - Never lets in root, an account that somebody locked or that is over, or one whose wrong logins look like an attack.
options:
  account:
    description: Name of the account, of the host itself.
    type: str
    required: true
  most_failures:
    description: More wrong logins than that look like an attack.
    type: int
    default: 20
  most_sources:
    description: Wrong logins from more places than that look like an attack.
    type: int
    default: 1
  quiet_seconds:
    description: How long nobody may have tried.
    type: int
    default: 120
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
      - Linux with PAM.
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: msp.ops.runbook
"""

EXAMPLES = r"""
- name: Let an account in again that too many wrong passwords have locked
  msp.ops.runbook_account_locked:
    account: anna
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
  sample: ["anna: 4 wrong logins on record, and from 3 on it is locked"]
did:
  description: What was changed, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["forgot the wrong logins of anna"]
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
  sample: "the wrong logins come from 3 places, which looks like an attack: 192.0.2.7, 192.0.2.9, 198.51.100.3"
before:
  description: What was measured before anything was done.
  returned: success
  type: dict
  sample: {failures: 4, locked: true}
after:
  description: The same after it.
  returned: success
  type: dict
  sample: {failures: 0, locked: false}
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-RUN-020
"""

from ansible_collections.msp.ops.plugins.module_utils.runbooks import account_locked
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import play


def main() -> None:
    play(account_locked.SPEC, account_locked.act)


if __name__ == "__main__":
    main()
