#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name; it is never sent to a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: local_admin
short_description: Rotate a local account's password, kept in the escrow before it is set
version_added: 0.2.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Gives one account of a host a new random password when it is due, and leaves it alone when it is not. It is due when
    it is older than O(days), when somebody was given it from the escrow, when the host saw it used, when it was sealed
    for others than may open it now, and when the host takes one that the escrow does not know.
  - The new password is written to the escrow and read back, then set on the host, then marked there as the one in
    force. Whatever ends a run in between, the host takes one that people can fetch, and the next run goes on.
  - With O(purpose=break-glass) each new password is tried by a real login over ssh from the controller, which becomes
    root with it. The host is told before, so that it raises no alarm, and says afterwards what it saw.
  - The password is in no result, log, diff, file of the host, or list of processes. The controller forgets it at the
    end of the task, and cannot open the escrow.
  - Each use that a host saw, and each test, is on record in the evidence store.
options:
  account:
    description: The account. It must be there, in the host's own files.
    type: str
    default: root
  purpose:
    description: For what the account is. It is part of the secret's place in the escrow.
    type: str
    choices: [local-admin, break-glass]
    default: local-admin
  days:
    description: After how many days the password is changed, whatever happened.
    type: int
    default: 30
  tested_days:
    description:
      - With O(purpose=break-glass), after how many days a login has to be tested again, by a new password. The host has
        to have noted the login that is tried (the control C(local-admin-noticed)).
      - Without it each new password is tried too, and it is enough that the login works.
    type: int
  force:
    description: Change it whether or not it is due.
    type: bool
    default: false
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
      - Says what would be done, and why. Nothing is kept, set or marked.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
    details:
      - Linux. For O(purpose=break-glass) a connection by ssh.
requirements:
  - pyrage and the evidence store on the controller; C(MSP_ESCROW) and C(MSP_ESCROW_RECIPIENTS) say where secrets are
    kept and who may open them (see the project's docs/escrow.md)
  - pipelining, so that no file on the host ever has the password in it
notes:
  - Run it with C(become).
seealso:
  - module: msp.ops.local_password
"""

EXAMPLES = r"""
- name: Change root's password every four weeks, and after each use
  msp.ops.local_admin:
    account: root
    days: 28
  become: true

- name: Change and test the account for emergencies
  msp.ops.local_admin:
    account: msp-breakglass
    purpose: break-glass
    days: 90
    tested_days: 30
  become: true
"""

RETURN = r"""
account:
  description: The account.
  returned: success
  type: str
  sample: root
version:
  description: The version that is in force, as the escrow calls it. Null in check mode where one would be made.
  returned: success
  type: str
  sample: 20261127T021500.000000Z-1f2e3d4c
steps:
  description: What was done, in check mode what would be.
  returned: success
  type: list
  elements: str
  sample: [kept, set, marked]
because:
  description: Why it was due. Empty where it was not.
  returned: success
  type: list
  elements: str
  sample: [somebody was given it]
uses:
  description: The uses of the password before, that the host saw.
  returned: success
  type: list
  elements: str
  sample: ["1795790000 auth su -"]
tested:
  description: Whether a login with the new password worked. Null where none was tried.
  returned: success
  type: bool
  sample: true
error:
  description: What is wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-ADM-012
"""
