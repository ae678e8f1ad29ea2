#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Grants one login on the host, for some time. The logic is in module_utils/local_admin/one_time.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: one_time_grant
short_description: Let the technician's account in once, for some time
version_added: 0.2.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of M(msp.ops.one_time_login) that runs on the host. Use that one. It has the ticket and reason on record.
  - Gives C(msp-technician) a password and one login. PAM takes the login away in one step when it begins, so of two
    at the same moment one is let in. When the time is up a timer of the host ends the session and takes the password
    away, after a boot too.
options:
  state:
    description:
      - V(granted) grants. V(ended) takes away what was granted and ends the session. V(status) only tells.
    type: str
    choices: [granted, ended, status]
    default: status
  id:
    description: What the grant is called. Needed with O(state=granted).
    type: str
  password:
    description: The password. Needed with O(state=granted).
    type: str
  minutes:
    description: How long, from 1 to 1440. The login has to begin within it, and is ended with it.
    type: int
    default: 60
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Grants nothing. What is wrong with the account is said.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
    details:
      - Debian and Ubuntu, after the role msp_local_admin.
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: msp.ops.one_time_login
"""

EXAMPLES = r"""
- name: See whether a login is granted now
  msp.ops.one_time_grant:
  become: true
  register: found
"""

RETURN = r"""
granted:
  description: What the grant that holds is called. Null where there is none.
  returned: success
  type: str
  sample: 3f2a9c10
until:
  description: When it is over.
  returned: success
  type: str
  sample: "2026-11-27T03:15:00+00:00"
used:
  description: Whether the login has begun.
  returned: success
  type: bool
  sample: false
ended:
  description: What the grant was called that was ended.
  returned: with O(state=ended), when something was
  type: str
  sample: 3f2a9c10
was_used:
  description: Whether its login had begun.
  returned: with O(state=ended), when something was
  type: bool
  sample: true
error:
  description: What is wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-ADM-022
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import one_time
from ansible_collections.msp.ops.plugins.module_utils.standards import local_admins
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader


def main() -> None:
    module = AnsibleModule(argument_spec=one_time.SPEC, supports_check_mode=True)
    host = Host()

    def run(command: list, text: str) -> str:
        status, out, err = module.run_command(command, data=text or None)
        return "" if status == 0 else (err or out).strip()[:200] or "it ended with status %d" % status

    def ask(command: list) -> str:
        return str(module.run_command(command)[1])

    def gate() -> dict:
        return local_admins.once(Reader(host))

    try:
        found = one_time.Desk(host, run, ask, gate, check=module.check_mode).act(module.params)
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    finally:
        host.close()
    module.exit_json(**found)


if __name__ == "__main__":
    main()
