#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sets an account's password so that it is always known which one is in force. See module_utils/local_admin."""

from __future__ import annotations

DOCUMENTATION = r"""
module: local_password
short_description: Say which version of an account's password is in force, and set a new one
version_added: 0.2.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of M(msp.ops.local_admin) that runs on the host. Use that one. It keeps a password in the escrow before it
    is set here.
  - Before a password is set, its version is written down on the host with what tells its hash from another's. So after
    a crash at any moment V(look) says which version the host takes.
  - The hash is made on the host by its own libcrypt, in the way that the distribution keeps new passwords, and set by
    C(chpasswd). Neither the password nor its hash is in anything that is returned, logged or kept elsewhere.
options:
  state:
    description:
      - V(look) says how the account stands, and changes nothing.
      - V(set) sets O(password) as O(version), reads it back, and writes that down.
      - V(announced) tells the host that the management logs in by the account itself in the next two minutes.
        V(settled) ends that, and says whether exactly one such login was seen, with the password that is in force.
    type: str
    choices: [look, set, announced, settled]
    default: look
  account:
    description: The name of the account. It must be one of the host's own files.
    type: str
    required: true
  version:
    description: The version's name in the escrow. Needed with O(state=set).
    type: str
  password:
    description: The new password. Needed with O(state=set).
    type: str
  loud:
    description: Whether each login by this account is told to everybody on the host, and is an alert in its journal.
    type: bool
    default: false
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Sets nothing. What is wrong with the account or the password is said.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
    details:
      - Linux with a libcrypt and C(chpasswd).
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: msp.ops.local_admin
"""

EXAMPLES = r"""
- name: See which version of root's password is in force
  msp.ops.local_password:
    account: root
  become: true
  register: found
"""

RETURN = r"""
exists:
  description: Whether there is such an account.
  returned: with O(state=look)
  type: bool
  sample: true
usable:
  description: Whether the account has a password that can be given. False where it is locked.
  returned: with O(state=look)
  type: bool
  sample: true
version:
  description:
    - The version that is in force. Null where none is known, as when somebody changed the password by hand.
    - With O(state=set) the one that was set.
  returned: with O(state=look) and O(state=set)
  type: str
  sample: 20261127T021500.000000Z-1f2e3d4c
set:
  description: When that version was set, in seconds since 1970, by the host's clock.
  returned: with O(state=look)
  type: int
  sample: 1795745700
tested:
  description: When a login with it was last seen to work, or with O(state=settled) whether it just was.
  returned: with O(state=look) and O(state=settled)
  type: raw
  sample: 1795745703
uses:
  description: Every use of the password since it was set, with its time, PAM's type and service, and from where.
  returned: with O(state=look) and O(state=settled)
  type: list
  elements: str
  sample: ["1795790000 auth su -"]
error:
  description: What is wrong, with its code.
  returned: when the task failed
  type: dict
  sample:
    code: MSP-ADM-005
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import doing


def main() -> None:
    module = AnsibleModule(argument_spec=doing.SPEC, supports_check_mode=True)

    def give(account: str, made: str, lock: int) -> str:
        # It holds the lock until it has ended, also where this module is killed meanwhile.
        asked = {"data": "%s:%s" % (account, made), "pass_fds": (lock,)}
        status, _out, err = module.run_command(["chpasswd", "-e"], **asked)
        return "" if status == 0 else err.strip()[:200].replace(made, "...")

    try:
        found = doing.Desk(Host(), give, check=module.check_mode).act(module.params)
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    module.exit_json(**found)


if __name__ == "__main__":
    main()
