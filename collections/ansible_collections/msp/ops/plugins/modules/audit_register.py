#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_register
short_description: Record a finished run of audits in the evidence store and in NetBox
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Run it once on the controller, after M(msp.ops.asset_audit) ran on the hosts.
  - Delivers what the audits left in the spool to the evidence store, and records a host for which nothing was left as
    a failed attempt, so that no host of the run goes unmentioned.
  - Records the neighbours that the audited hosts saw, as far as they are inside the prefixes of their customer.
  - Writes to NetBox only for assets whose facts changed. These are the custom fields C(msp_facts_hash),
    C(msp_operating_system) and C(msp_os_support_end), many assets in one request.
  - Where NetBox refuses what was found on one host, the others are written all the same, and RV(refused) names the
    host. The task does not fail, so that reports can still be made; end the playbook in an error afterwards.
  - When NetBox does not answer, the store has every audit already. The next run on this controller derives their
    neighbours and brings NetBox up to the store.
options:
  hosts:
    description:
      - Names of the hosts that were to be audited.
    type: list
    elements: str
    required: true
  began:
    description:
      - When the audit began, as ISO 8601 time with its zone. What was recorded earlier does not count for this run.
    type: str
    required: true
  store_url:
    description:
      - The evidence store, as URL of SQLAlchemy. If not set, the environment variable E(MSP_STORE_URL), then an SQLite
        file in the state directory of this user.
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
    details:
      - Writes neither to the store nor to NetBox, and says what NetBox would be given.
  diff_mode:
    support: full
  platform:
    platforms: all
notes:
  - The token needs C(view) on C(dcim.device), C(virtualization.virtualmachine) and C(ipam.prefix), and C(change) on the
    first two.
seealso:
  - module: msp.ops.asset_audit
"""

EXAMPLES = r"""
- name: Record what was found, once for the whole run
  msp.ops.audit_register:
    hosts: "{{ groups['msp_targets'] }}"
    began: "2026-03-01T10:00:00+00:00"
"""

RETURN = r"""
counts:
  description: How many hosts had which outcome.
  returned: success
  type: dict
  sample:
    ok: 12
    unreachable: 1
    no_python: 0
    failed: 0
    not_attempted: 0
    not_recorded: 0
not_audited:
  description: Hosts without an audit, each with the reason and what to do.
  returned: success
  type: dict
  sample:
    nas01.bakkerij-jansen: "MSP-AUD-003: expected nas01.bakkerij-jansen to answer; found ..."
customers:
  description: Customers whose hosts were in the run.
  returned: success
  type: list
  elements: str
  sample: [bakkerij-jansen]
netbox_writes:
  description: How many assets were written (in check mode, would be written) in NetBox.
  returned: success
  type: int
  sample: 2
observations:
  description: How many neighbours were recorded.
  returned: success
  type: int
  sample: 4
refused:
  description: Hosts of which NetBox refused what was found, each with NetBox's words.
  returned: success
  type: dict
  sample: {}
rejected:
  description: The reasons for records that the evidence store can never take. They are kept in its spool directory.
  returned: success
  type: list
  elements: str
  sample: []
summary:
  description: The same for a person, one line for the run and one for each host without an audit.
  returned: success
  type: list
  elements: str
  sample:
    - "13 host(s): 12 ok, 1 unreachable; 3 with security updates waiting; NetBox brought up to date for 2"
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-EVD-001
    expected: the evidence store to answer
    found: connection refused
    action: start it, then run this again
"""
