#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: entra_access
short_description: See who has to show a second factor to Microsoft 365
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Reads from Microsoft Graph, or from exported files, what people have registered as a second factor, which accounts
    are disabled, and the policies of conditional access and the security defaults that ask for one.
  - Registered, and capable, are not enforced. Somebody is enforced where a policy that is on, not one that only
    reports, covers him for all applications and from everywhere.
  - The registration details are read as a whole or not at all. Where the right to read something else lacks, that is
    kept as not known, and nobody counts as enforced by it.
  - What was seen goes to the spool of the evidence store, names with it. M(msp.ops.access_report) delivers and reports
    it. It runs on the controller, and only reads.
options:
  customer:
    description: Slug of the customer's tenant in NetBox.
    type: str
    required: true
  source:
    description:
      - Where it is read. By an application that Entra knows with C(tenant), C(client_id), C(client_secret) and, for
        a national cloud, C(login); with a C(token); both with C(base), Graph's address, and C(ca_file) where needed.
      - Or from files, with C(registrations) (the CSV of the admin centre's page User registration details, or Graph's
        JSON), and where there are any C(users), C(policies) and C(security_defaults) (Graph's JSON; users as CSV too).
      - The application needs AuditLog.Read.All, and for the rest User.Read.All, Policy.Read.All,
        GroupMember.Read.All and RoleManagement.Read.Directory.
    type: raw
    required: true
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
    details: Reads the same, and keeps nothing.
  diff_mode:
    support: none
  platform:
    platforms: all
seealso:
  - module: msp.ops.access_scan
  - module: msp.ops.access_report
"""

EXAMPLES = r"""
- name: From Graph
  msp.ops.entra_access:
    customer: bakkerij-jansen
    source:
      tenant: bakkerijjansen.example
      client_id: 11111111-2222-3333-4444-555555555555
      client_secret: "{{ vault_entra_secret }}"

- name: From an export
  msp.ops.entra_access:
    customer: bakkerij-jansen
    source:
      registrations: exports/registration-details.csv
      policies: exports/policies.json
"""

RETURN = r"""
source:
  description: Graph's address, or the name of the file.
  returned: success
  type: str
  sample: https://graph.microsoft.com
people:
  description: How many accounts there are.
  returned: success
  type: int
  sample: 14
states:
  description:
    - How many of those that are not disabled are what. C(enforced), C(to enrol) (asked, and nothing registered yet),
      C(partly) (not for everything), C(registered) (and not enforced), C(missing) (neither) or C(unknown).
  returned: success
  type: dict
  sample: {enforced: 9, registered: 2, missing: 1}
disabled:
  description: How many accounts are disabled; none where nobody said so.
  returned: success
  type: int
  sample: 2
unknown:
  description: What could not be read, and the right that lacks.
  returned: success
  type: list
  elements: str
  sample: []
"""
