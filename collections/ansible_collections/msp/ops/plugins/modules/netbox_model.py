#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: netbox_model
short_description: Declare everything of msp.ops in NetBox
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Creates and brings up to date what msp.ops needs in NetBox, all of it native to NetBox. These are custom fields with
    their choice sets, tags, config-context profiles with JSON schemas, saved filters, custom links and table
    configurations, and a least-privilege group and user for the automation.
  - It touches only what is its own, recognised by its name (C(msp_), C(msp-) or C(MSP:) at the start). It deletes
    nothing. What people added to its choice sets, object types and groups stays.
  - A field that an older version of msp.ops had under another name is renamed and keeps its values.
  - Renews the dates in the saved filters (such as C(warranty ends soon)), so it is worth a daily run with O(sections)
    set to V(saved_filters), for which the rights of the user C(msp-automation) are enough.
  - It runs on the controller.
options:
  sections:
    description:
      - The parts to declare. All if empty.
    type: list
    elements: str
    default: []
    choices:
      - choice_sets
      - custom_fields
      - tags
      - config_context_profiles
      - saved_filters
      - custom_links
      - table_configs
      - groups
      - permissions
      - users
      - webhooks
      - event_rules
  token_file:
    description:
      - If set, and the file holds no token of the user C(msp-automation) that NetBox accepts, a version 2 token is made
        for this user and written to this file, which only its owner can read. The token is shown nowhere else.
      - NetBox says nothing about a token that is in no file any more. Remove it there.
    type: path
  events_url:
    description:
      - Where NetBox is to send events, as an address that it can reach. Without it no webhook and no event rule is
        declared, and one that is there stays.
      - The secret that it signs them with is in the environment variable E(MSP_WEBHOOK_SECRET) of the controller. No
        diff shows it. NetBox shows it to those who may see webhooks.
    type: str
  events_validate_certs:
    description: Whether NetBox checks the certificate of O(events_url).
    type: bool
    default: true
notes:
  - NetBox 4.5 or newer is needed. It is tested with 4.7.
  - The token needs C(view) for what O(sections) names, and C(add) and C(change) for what has to be written. For all of
    it these are the object types C(extras.customfieldchoiceset), C(extras.customfield), C(extras.tag),
    C(extras.configcontextprofile), C(extras.savedfilter), C(extras.customlink), C(extras.tableconfig), C(users.group),
    C(users.objectpermission) and C(users.user), with O(events_url) also C(extras.webhook) and C(extras.eventrule), and
    with O(token_file) also C(users.token) with the action C(grant).
    Superuser rights are not needed. All rights that are missing are named in one error, before anything is written.
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
    support: full
  platform:
    platforms: all
seealso:
  - name: NetBox custom fields
    description: What a custom field is.
    link: https://netboxlabs.com/docs/netbox/customization/custom-fields/
"""

EXAMPLES = r"""
- name: Declare everything, and make a token for the automation
  msp.ops.netbox_model:
    token_file: ~/.config/msp.ops/netbox-token

- name: Declare everything, and have NetBox tell of changes
  msp.ops.netbox_model:
    events_url: https://events.example.com:5000/netbox

- name: Renew the dates in the saved filters, once a day
  msp.ops.netbox_model:
    sections: [saved_filters]
"""

RETURN = r"""
summary:
  description: What was created, changed or renamed, by section.
  returned: success
  type: dict
  sample:
    custom_fields:
      created: [msp_contract_id]
    saved_filters:
      changed: [msp-warranty-ends]
obsolete:
  description: What has a name of ours and is not declared. Nothing is done about it.
  returned: success
  type: list
  elements: str
  sample: ["custom_fields: msp_old_field"]
token:
  description: Whether the token file was V(created), was V(present), or was not asked for (V(absent)).
  returned: success
  type: str
  sample: present
requests:
  description: Requests made to NetBox.
  returned: success
  type: int
  sample: 12
error:
  description: The code, what was expected and found, and what to do.
  returned: failure
  type: dict
  sample:
    code: MSP-MOD-002
    expected: a token that may read and write what this declares
    found: no permission for extras.add_customfield
    action: give the token's user these permissions
"""
