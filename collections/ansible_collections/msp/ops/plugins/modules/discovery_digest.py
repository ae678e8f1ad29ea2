#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: discovery_digest
short_description: Tell a customer what changed since they were last told
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Writes what discovery found to have changed at a customer since the last digest, in the customer's language and time
    zone. New things that are in no contract, things that are gone, back, moved or different, things whose evidence
    contradicts itself, and what was settled.
  - Each item says what was seen, by whom, when and where, what a person can do, and which changes in the evidence store
    it rests on. The time spent outside the contract is shown where it was measured, and else said not to be measured.
  - It is written twice, as one HTML file without script or anything fetched from elsewhere, for a phone, a desk and
    paper, and as plain text of at most 78 columns, for a mail.
  - Without news nothing is written. The next digest begins where this one ended, by the clock of the evidence store's
    database. A run that was killed before it ended is done again by the next one, so that no news is lost.
  - It runs on the controller. NetBox is only read.
options:
  customer:
    description:
      - Slug of the customer's tenant in NetBox.
    type: str
    required: true
  path:
    description:
      - Folder for the files. Each customer gets a folder of its own in it, named after the slug.
    type: path
    required: true
  made_by:
    description:
      - Name of the managed service provider, as it stands in the digest.
    type: str
    required: true
  store_url:
    description:
      - Evidence store.
      - If not set, the environment variable E(MSP_STORE_URL) is used, and else the SQLite file in the state directory.
    type: str
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
    details: Says what would be told. The next run tells it.
  diff_mode:
    support: full
    details: Shows the plain text.
  platform:
    platforms: all
seealso:
  - module: msp.ops.verification_report
  - module: msp.ops.verification_sheet
"""

EXAMPLES = r"""
- name: Write what changed at one customer
  msp.ops.discovery_digest:
    customer: bakkerij-jansen
    path: reports
    made_by: Example IT
  delegate_to: localhost
  register: digest

- name: Mail it, if there is news
  community.general.mail:
    to: it@bakkerij-jansen.example
    subject: What changed
    body: "{{ digest.text }}"
    attach: "{{ digest.page }}"
  delegate_to: localhost
  when: digest.page is not none
"""

RETURN = r"""
page:
  description: Path of the HTML file, or null where there is no news.
  returned: success
  type: str
  sample: reports/bakkerij-jansen/digest-2026-11-23-1530.html
text_file:
  description: Path of the plain text, or null where there is no news.
  returned: success
  type: str
  sample: reports/bakkerij-jansen/digest-2026-11-23-1530.txt
text:
  description: The plain text itself, empty where there is no news. What hosts call themselves is text in it.
  returned: success
  type: str
counts:
  description: Number of items in each group of the digest.
  returned: success
  type: dict
  contains:
    new:
      description: Things that were seen for the first time and are in no contract.
      type: int
    conflict:
      description: Things whose evidence fits more than one device, or contradicts itself.
      type: int
    gone:
      description: Things that all complete looks no longer saw.
      type: int
    back:
      description: Things that were gone and are seen again.
      type: int
    moved:
      description: Things on another switch port or in another network.
      type: int
    changed:
      description: Things with another name, address, network card, serial number, system, maker or model.
      type: int
    settled:
      description: Things that were decided, or are no longer in conflict.
      type: int
error:
  description: Code, expected, found and action of the error.
  returned: failure
  type: dict
"""
