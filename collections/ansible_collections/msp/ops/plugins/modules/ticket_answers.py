#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ticket_answers
short_description: Draft answers to tickets, and release them
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads the tickets that are new in the ticket system. One that certainly fits a known problem gets a drafted answer,
    in the language of who asked, with the provider's guide where there is one.
  - A draft is a note that only technicians see. It goes to the requester after a person released it, or where the
    policy of the customer names its problem in C(send_answers); never otherwise. Where somebody has answered meanwhile,
    or closed the ticket, it does not go out.
  - Of a ticket only its number is kept in the evidence store, and nothing of one that fits no known problem.
  - What follows from a look or a decision is put into the outbox; M(msp.ops.deliver) delivers it.
  - It runs on the controller.
options:
  action:
    description:
      - V(look) reads new tickets and drafts.
      - V(list) gives the drafts that a person has to do something about.
      - V(release) lets one draft go out, with another text where O(text) is given.
      - V(refuse) decides that one draft does not go out.
    type: str
    choices: [look, list, release, refuse]
    default: look
  policy:
    description:
      - File that says who is told what by which channel, and names the ticket system; C(docs/telling.md) explains it.
      - If not set, the environment variable E(MSP_TELLING) is used.
    type: path
    default: ""
  secrets:
    description:
      - Directory of the customers' encrypted files of secrets.
      - If not set, the environment variable E(MSP_SECRETS) is used, and else C(secrets) where the run was started.
    type: path
    default: ""
  customer:
    description: With O(action=list), the slug of the one customer whose drafts are given.
    type: str
  draft:
    description: Key of the draft that is decided about, as the list and the note in the ticket show it.
    type: str
    default: ""
  approved_by:
    description: Who decides. The first decision about a draft stays.
    type: str
    default: ""
  reason:
    description: Why, in words.
    type: str
    default: ""
  text:
    description: With O(action=release), what goes out in the place of what was drafted.
    type: str
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
    details: Says what would be drafted, and whether a decision could be taken. Nothing is kept or sent.
  diff_mode:
    support: none
  platform:
    platforms: all
seealso:
  - module: msp.ops.deliver
"""

EXAMPLES = r"""
- name: Draft answers to new tickets
  msp.ops.ticket_answers:
    policy: /etc/msp.ops/telling.yml
  delegate_to: localhost

- name: Let one of them go out
  msp.ops.ticket_answers:
    action: release
    draft: 3f0c6a4be2b1
    approved_by: A. de Vries
  delegate_to: localhost
"""

RETURN = r"""
read:
  description: New tickets that were read.
  returned: success with O(action=look)
  type: int
strangers:
  description: Those of them whose organization is no customer of the policy.
  returned: success with O(action=look)
  type: int
drafted:
  description: Ticket, customer and known problem of each new draft.
  returned: success with O(action=look)
  type: list
  elements: dict
drafts:
  description: With O(action=list) the drafts that a person has to do something about; else the one decided about.
  returned: success, but with O(action=look)
  type: list
  elements: dict
  contains:
    key:
      description: What names the draft.
      type: str
    customer:
      description: Slug of the customer.
      type: str
    ref:
      description: Number of the ticket in its system.
      type: str
    problem:
      description: The known problem.
      type: str
    language:
      description: Language of the answer.
      type: str
    text:
      description: What was drafted.
      type: str
    why:
      description: How near the ticket is to the problem, and to the next one.
      type: str
    made:
      description: When it was drafted.
      type: str
    state:
      description: C(drafted), C(released), C(sent), C(not sent) or C(ended).
      type: str
    by:
      description: Who decided, if anybody did.
      type: str
    reason:
      description: Why it was decided so, or why it was not sent.
      type: str
error:
  description: Code, expected, found and action of the error.
  returned: failure
  type: dict
"""
