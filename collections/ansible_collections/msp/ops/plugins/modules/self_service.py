#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: self_service
short_description: Judge what somebody asked for by self-service
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Holds the answers of a survey against the offer that the survey was made from. The survey of AWX shows what may be
    chosen; this is what refuses the rest, however the job was started.
  - A machine has to be one of the customer, and in the contract. One of another customer is refused in the same words
    as one that does not exist.
  - It runs on the controller and changes nothing.
options:
  directory:
    description: The directory with the offers, C(awx/) of this project or one like it.
    type: path
    required: true
  offer:
    description: The key of the offer.
    type: str
    required: true
  customer:
    description: The slug of the customer whose people ask, from the job template and never from the survey.
    type: str
    required: true
  answers:
    description: The answers, by the variables of the questions. More variables than that do no harm.
    type: dict
    required: true
  own:
    description: The customer's own lists of values, by variable, where they are other than the offer's.
    type: dict
    default: {}
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
    platforms: all
"""

EXAMPLES = r"""
- name: Judge what is asked for
  msp.ops.self_service:
    directory: awx
    offer: install
    customer: bakkerij-jansen
    answers:
      self_service_asset: till03
      self_service_package: vlc
  register: request
"""

RETURN = r"""
host:
  description: The host that it is for, as the inventory calls it.
  returned: success
  type: str
  sample: till03.bakkerij-jansen
answers:
  description: The answers that were judged, by their variables.
  returned: success
  type: dict
  sample:
    self_service_package: vlc
error:
  description: The code, what was expected and found, and what to do.
  returned: failure
  type: dict
  sample:
    code: MSP-SLF-002
    expected: one of gimp, libreoffice, vlc in self_service_package
    found: netcat
    action: choose what is offered, or ask the service desk
"""
