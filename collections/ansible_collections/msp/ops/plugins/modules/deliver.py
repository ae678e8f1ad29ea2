#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deliver
short_description: Deliver what people and tickets are to be told
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Takes what is due out of the outbox in the evidence store and delivers it. Texts go to people by apprise (mail,
    Teams, Slack and whatever else it knows), tickets and what belongs to them to the ticket system.
  - What was mended in a day at one customer goes out as one text, at the time that the policy says.
  - What is not taken now is tried again, ever later, for eight to sixteen hours, and is then given up with the reason.
    Several may deliver at once. A ticket is opened once, an answer sent once, also where a run that did so was killed.
  - A channel or ticket system that is not set up well holds up its own messages alone. They wait, and the module fails
    after all others were delivered.
  - No address and no token is shown. It runs on the controller.
options:
  policy:
    description:
      - File that says who is told what by which channel; C(docs/telling.md) explains it.
      - If not set, the environment variable E(MSP_TELLING) is used.
    type: path
    default: ""
  secrets:
    description:
      - Directory of the customers' encrypted files of secrets, for channels of which the policy says that their address
        is a customer's secret.
      - If not set, the environment variable E(MSP_SECRETS) is used, and else C(secrets) where the run was started.
    type: path
    default: ""
  store_url:
    description:
      - Evidence store.
      - If not set, the environment variable E(MSP_STORE_URL) is used, and else the SQLite file in the state directory.
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
    details: Says what is due, and delivers nothing.
  diff_mode:
    support: none
  platform:
    platforms: all
seealso:
  - module: msp.ops.ticket_answers
"""

EXAMPLES = r"""
- name: Deliver what is due
  msp.ops.deliver:
    policy: /etc/msp.ops/telling.yml
  delegate_to: localhost
"""

RETURN = r"""
delivered:
  description: Messages that were delivered.
  returned: not in check mode
  type: int
put_back:
  description: Messages that are tried again later.
  returned: not in check mode
  type: int
refused:
  description: Messages that will not be taken, however often they are tried.
  returned: not in check mode
  type: int
given_up:
  description: Messages that were tried for the last time.
  returned: not in check mode
  type: int
troubles:
  description: What has to be mended before messages that wait can be delivered.
  returned: not in check mode
  type: list
  elements: str
due:
  description: Key, customer, kind and channel of each message that is due.
  returned: in check mode
  type: list
  elements: dict
error:
  description: Code, expected, found and action of the error, where nothing could be delivered.
  returned: failure
  type: dict
"""
