#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives a person's account a second factor. This only calls module_utils/mfa/enrolling.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mfa_enrol
short_description: Give a person a second factor on a host, or take it away
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - With O(method=code) the host makes a secret and eight recovery codes, keeps them below C(/var/lib/msp-ops/mfa) for
    root alone, and the action plugin writes a page for the person with the QR code, readable by the user who runs this
    alone. The page is the only place where they are ever shown.
  - It is in force by its first code. Until the person gives that (C(msp-mfa-confirm) on the host, or O(code)), nobody
    is asked for it, and what the account had before stays in force. The host checks the code, by its own clock.
  - The secret leaves the host sealed with random bytes that the controller sends along and uses once, so that no
    output has it that is shown or kept on the way. The result of the task has neither.
  - With O(method=security key) an account that has the public half of one among its authorized keys comes in by ssh
    with that alone, where the control C(mfa-ssh) is brought about. No other key of the account is accepted then.
  - Nobody is asked for anything because of this. That is what the role C(msp_mfa) does, ring by ring.
  - Who has a second factor already keeps it, unless O(again=true).
options:
  account:
    description: The account, of the host or of its directory.
    type: str
    required: true
  state:
    description:
      - V(enrolled) gives it a second factor.
      - V(withdrawn) takes away whatever it has, and has it asked for none. Recovery codes are void too.
    type: str
    choices: [enrolled, withdrawn]
    default: enrolled
  method:
    description: A code of an app on the person's phone, or a security key (FIDO2).
    type: str
    choices: [code, security key]
    default: code
  again:
    description:
      - Makes a new secret and new recovery codes where there are some, as for a lost phone or a page that somebody saw.
        The old ones stop working with the first code of the new.
    type: bool
    default: false
  directory:
    description:
      - Where the page is written on the controller, as C(mfa-HOST-ACCOUNT.html). It is made for the user alone where it
        is not there.
      - Required with O(state=enrolled) and O(method=code), without O(code).
    type: path
  code:
    description: The first code, which the phone shows now. With it the second factor is in force, and the code used up.
    type: str
  language:
    description: The language of the page. Without it the customer's.
    type: str
    choices: [nl, en]
  never:
    description: Accounts that never get a second factor, beside the one that this run comes in by.
    type: list
    elements: str
    default: []
  by:
    description:
      - Who enrols, for the log of the host and the evidence. Without it E(MSP_WHO), who called sudo, else the user.
    type: str
    default: ""
  pad:
    description: Random bytes in hexadecimal. The action plugin makes them, and nobody else needs to.
    type: str
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
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
requirements:
  - Python 3.9 or newer on the host, standard library only
  - segno on the controller
notes:
  - Run it with C(become) and C(no_log), over a connection with pipelining.
  - What was changed is in the evidence store as a security event, for a host that the inventory has as an asset.
"""

EXAMPLES = r"""
- name: Give Anna a second factor
  msp.ops.mfa_enrol:
    account: anna
    directory: /run/user/1000/enrolments
    by: jan
  become: true
  no_log: true

- name: Have it in force by the code that her phone shows
  msp.ops.mfa_enrol:
    account: anna
    code: "{{ code }}"
  become: true
  no_log: true

- name: Give her another, for her phone is lost
  msp.ops.mfa_enrol:
    account: anna
    again: true
    directory: /run/user/1000/enrolments
  become: true
  no_log: true

- name: Take it away
  msp.ops.mfa_enrol:
    account: anna
    state: withdrawn
  become: true
"""

RETURN = r"""
outcome:
  description: What became of it, in words. Never a secret.
  returned: always
  type: str
  sample: has a new one, in force by its first code
method:
  description: V(code), V(security key), or empty.
  returned: always
  type: str
  sample: code
page:
  description: Where the page for the person is. It is to be handed over, and deleted.
  returned: when a secret was made
  type: str
  sample: /run/user/1000/enrolments/mfa-web1-anna.html
error:
  description: What is wrong, with its code.
  returned: when the task failed
  type: dict
  sample:
    code: MSP-MFA-011
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.mfa import enrolling


def main() -> None:
    module = AnsibleModule(argument_spec=enrolling.SPEC, supports_check_mode=True)
    try:
        found = enrolling.act(enrolling.parse(module.params), module.check_mode)
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    module.exit_json(**found)


if __name__ == "__main__":
    main()
