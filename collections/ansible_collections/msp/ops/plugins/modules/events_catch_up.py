#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: events_catch_up
short_description: Take from NetBox's change log what its webhook missed
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads NetBox's change log of devices, virtual machines and config contexts, and keeps in the evidence store, as an
    event, each change that something may follow from and that has not come in by the webhook.
  - A change makes the same event in both ways, so nothing comes in twice. The work is done by C(./msp worker).
  - Runs on the controller.
options:
  hours:
    description: How far to look back. Never further than 24 hours, after which no event is taken in.
    type: float
    default: 24.0
notes:
  - The token needs C(view) for C(core.objectchange).
extends_documentation_fragment:
  - msp.ops.netbox
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
    platforms: all
seealso:
  - module: msp.ops.netbox_model
"""

EXAMPLES = r"""
- name: Take in what the webhook missed in the last two hours
  msp.ops.events_catch_up:
    hours: 2
"""

RETURN = r"""
changes:
  description: How many changes of what is watched the log has.
  returned: success
  type: int
  sample: 42
taken:
  description: How many of them had not come in, and were kept; in check mode, how many would be.
  returned: success
  type: int
  sample: 1
summary:
  description: The same as a sentence.
  returned: success
  type: str
  sample: 42 changes of assets and config contexts since 2026-11-02 09:00 UTC, 1 of them had not come in
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-REG-002
    expected: an answer from NetBox
"""
