#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Withdraws the access that the service has to a host. The logic is in module_utils/offboarding/withdrawing.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_withdrawal
short_description: Withdraw our own access from a host of which the contract has ended
version_added: 0.2.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Takes given public keys out of every file that the ssh server reads for an account of the host, and closes the
    accounts that the role C(msp_local_admin) made. Every other line of those files stays as it is, to the byte.
  - Deletes nothing of the customer's. Homes stay, and so does what standards configured. An account is locked and
    expired, with its password behind the lock.
  - A file of keys is found by what C(sshd -T) says for each account. It is replaced in one step, and keeps its owner,
    rights and labels.
  - Before anything is changed it is worked out who of the customer could still become root, by a key or a password.
    Where nobody could, nothing is changed, unless O(leave_closed=true).
  - The key by which Ansible is logged in goes last. The host is looked at anew before, and nothing else may be left.
  - The action plugin of this name does both steps, has it on record in between, and tries a new login at the end, which
    has to be refused. A host that refuses the login and of which that is on record is withdrawn already.
  - The module alone, as with C(ansible.legacy), does one step.
options:
  keys:
    description:
      - The public keys of the service, as in a file that ends in C(.pub), one or more lines an item. A key is told by
        itself, whatever stands about it.
      - The action plugin takes them from O(keys_file) where they are not given.
    type: list
    elements: str
  keys_file:
    description:
      - A file of public keys on the controller. Without it and O(keys), the public half beside the private key that
        the connection uses (C(ansible_ssh_private_key_file), C(private_key_file)).
    type: path
  accounts:
    description:
      - Accounts to close, where the host has them. An account that has the roles' own comment is closed too.
    type: list
    elements: str
    default: [msp-breakglass, msp-technician]
  through:
    description: The account by which Ansible is logged in. Without it, who called sudo.
    type: str
  last:
    description: Of the module alone. Whether this is the step that takes the last key away.
    type: bool
    default: false
  leave_closed:
    description: Whether a host may be left to which nobody of the customer has a way to root.
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
      - Says what would be withdrawn and what forbids it. Nothing is changed and nothing recorded.
  diff_mode:
    support: full
    details:
      - Shows keys by their fingerprints and comments.
  platform:
    support: full
    platforms: posix
requirements:
  - Python 3.9 or newer on the host, standard library only
  - the evidence store on the controller
notes:
  - Run it with C(become).
  - Keys that a command of the ssh server looks up elsewhere, certificates and accounts of a directory are not this
    host's, and are withdrawn where they are kept. The login at the end shows whether one of them lets Ansible in.
  - A session of another account that is open with one of the keys goes on until it ends.
seealso:
  - module: msp.ops.offboarding_register
"""

EXAMPLES = r"""
- name: Withdraw our access
  msp.ops.access_withdrawal:
    keys_file: /etc/msp/keys.pub
  become: true
"""

RETURN = r"""
withdrawn:
  description: What was withdrawn, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample:
    - account msp-technician, which is open
    - file /etc/sudoers.d/zz-msp-technician
    - key SHA256:AAAA (automation@msp.example.com) of root, in /root/.ssh/authorized_keys
already:
  description: Whether it was withdrawn before. The host refused the login.
  returned: success
  type: bool
  sample: false
waiting:
  description: Of the module alone. The keys that go last.
  returned: success, where the module runs alone
  type: list
  elements: str
  sample: []
ways_left:
  description: Who of the customer can become root, and how.
  returned: success, but for a host that was withdrawn before
  type: list
  elements: str
  sample: ["anna by ssh (key), sudo"]
hand_over:
  description: What the customer is told, in the language of the customer.
  returned: success
  type: list
  elements: str
  sample: ["We can no longer log in to srv01."]
error:
  description: What is wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-OFF-004
"""

import os
from collections.abc import Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.offboarding import withdrawing


def main() -> None:
    module = AnsibleModule(argument_spec=withdrawing.SPEC, supports_check_mode=True)
    host = Host()

    def run(command: Sequence[str]) -> str:
        status, out, err = module.run_command(list(command))
        return "" if status == 0 else (err or out).strip() or "it ended with status %d" % status

    try:
        asked = withdrawing.asked(module.params, dict(os.environ))
        found = withdrawing.Desk(host, run, module.check_mode).act(asked)
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    finally:
        host.close()
    module.exit_json(**found)


if __name__ == "__main__":
    main()
