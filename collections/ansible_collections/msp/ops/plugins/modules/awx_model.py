#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: awx_model
short_description: Compare an AWX with what msp.ops declares for it
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads the declarations of a directory and the customers, and reads AWX. Returns what has to be made, changed and
    removed, as the arguments of the modules of C(awx.awx). C(playbooks/awx.yml) hands them to those.
  - It writes nothing itself, in check mode and out of it. That it reports a change means that there is something to do.
  - What is ours has C([msp.ops]) at the end of its description in AWX, with a number behind it where it holds secrets.
    Only that is changed or removed. An object without it that has a name which is needed is an error.
  - It knows names of secrets, and never a secret. AWX does not say what secrets it holds, so a new one is told by a
    higher C(generation) in its declaration.
  - It runs on the controller.
options:
  directory:
    description: The directory of the declarations, C(awx/) of this project or one like it.
    type: path
    required: true
  customers_file:
    description:
      - A file with an entry for each customer. Nothing in it is a template for Ansible here; a lookup in it becomes a
        variable of a job as it is written.
    type: path
  customers_from_netbox:
    description:
      - Whether the customers are those that have a running contract in NetBox, whose address and token are then in
        E(NETBOX_API) and E(NETBOX_TOKEN). Entries of O(customers_file) add to what NetBox says.
    type: bool
    default: false
  most_removed:
    description: How many objects may be removed. More is an error, because a customer may be missing by mistake.
    type: int
    default: 100
  secrets:
    description: The names of the secrets that are at hand. One that is needed and not among them is an error.
    type: list
    elements: str
    default: []
  settled:
    description: Whether a difference is an error, because AWX was just told.
    type: bool
    default: false
  controller_host:
    description: Address of AWX, E(CONTROLLER_HOST) if not set.
    type: str
  controller_oauthtoken:
    description: A token of AWX, E(CONTROLLER_OAUTH_TOKEN) if not set.
    type: str
  controller_username:
    description: A user of AWX where there is no token, E(CONTROLLER_USERNAME) if not set.
    type: str
  controller_password:
    description: The user's password, E(CONTROLLER_PASSWORD) if not set.
    type: str
  validate_certs:
    description: Whether to verify AWX's certificate, E(CONTROLLER_VERIFY_SSL) or else true if not set.
    type: bool
  request_timeout:
    description: Seconds to wait for one answer of AWX.
    type: float
    default: 30.0
requirements:
  - requests
  - jsonschema
notes:
  - Made for AWX 24.6.1. The tests run against a stand-in of its API that follows recorded answers, not against an AWX.
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
    support: full
  platform:
    platforms: all
"""

EXAMPLES = r"""
- name: Compare AWX with what is declared
  msp.ops.awx_model:
    directory: awx
    customers_file: awx_customers.yml
    secrets: [netbox_token, store_url]
  register: awx
"""

RETURN = r"""
summary:
  description: What is made, changed and removed, by section.
  returned: success
  type: dict
  sample:
    job_templates:
      made: [bakkerij-jansen Audit]
steps:
  description: By section, the arguments of the module for each object to make or change.
  returned: success
  type: dict
  sample:
    teams:
      - name: bakkerij-jansen leads
        description: "Who says yes where a workflow waits [msp.ops]"
        organization: Example IT
removals:
  description: The same for each object to remove.
  returned: success
  type: dict
  sample:
    teams: []
requests:
  description: Requests made to AWX, all of them reads.
  returned: success
  type: int
  sample: 40
error:
  description: The code, what was expected and found, and what to do.
  returned: failure
  type: dict
  sample:
    code: MSP-AWX-004
    expected: no object of somebody else with a name that is needed (teams)
    found: bakkerij-jansen leads, whose description does not end in [msp.ops]
    action: rename one of the two, or write [msp.ops] at the end of its description in AWX if this is to take it over
"""
