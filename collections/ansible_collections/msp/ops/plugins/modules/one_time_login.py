#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name; it is never sent to a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: one_time_login
short_description: Grant a technician one login on one host, for some time, with the reason on record
version_added: 0.2.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Makes up a password, has it on record who was granted what and why, and has the host let C(msp-technician) in once.
  - The password is written to a new file on the controller that only its owner can read, and is nowhere else.
options:
  state:
    description:
      - V(granted) grants a login. V(ended) takes it away before its time, with the session where one has begun.
    type: str
    choices: [granted, ended]
    default: granted
  ticket:
    description: The number of the ticket for which it is. Needed with O(state=granted).
    type: str
  reason:
    description: Why, in words. Needed with O(state=granted).
    type: str
  minutes:
    description: How long, from 1 to 1440. The login has to begin within it, and is ended with it.
    type: int
    default: 60
  directory:
    description: Where the file with the password is written. Made where it is not there.
    type: path
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
      - Grants nothing and writes nothing. What is wrong is said.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
    details:
      - Debian and Ubuntu, after the role msp_local_admin.
requirements:
  - the evidence store on the controller
  - pipelining, so that no file on the host ever has the password in it
notes:
  - Run it with C(become).
seealso:
  - module: msp.ops.one_time_grant
"""

EXAMPLES = r"""
- name: Let a technician in once, for an hour
  msp.ops.one_time_login:
    ticket: T-2041
    reason: The database does not start
    minutes: 60
  become: true
"""

RETURN = r"""
file:
  description: The file with the password. Delete it after use.
  returned: with O(state=granted)
  type: str
  sample: /home/anna/.local/state/msp-ops/one-time/harbour-app01-3f2a9c10.txt
granted:
  description: What the grant is called, on record and in the host's journal.
  returned: with O(state=granted)
  type: str
  sample: 3f2a9c10
until:
  description: When it is over.
  returned: with O(state=granted)
  type: str
  sample: "2026-11-27T03:15:00+00:00"
was_used:
  description: Whether the login that was ended had begun.
  returned: with O(state=ended)
  type: bool
  sample: true
error:
  description: What is wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-ADM-024
"""
