#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin msp.ops.scope_guard. Holds no code: the decision is made on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scope_guard
short_description: Decide which hosts a run may touch
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Decides once, for all hosts of the play, which of them this run may touch, and puts those into the group
    C(msp_targets).
  - A host is in scope when its contract status is C(contracted) and its customer's contract runs today, on the
    customer's calendar. Both come from the variable C(msp) that the inventory sets on the host. No other variable
    counts, so neither an extra variable nor a fact can bring a host in.
  - A host outside the contract is in scope only when it is named, in O(names) or as a plain name in C(--limit), and
    either the extra variable C(out_of_scope_ticket) gives the number of a ticket, or O(read_only) is true.
    Groups and patterns name nobody.
  - With O(offboarding=true) it is the other way round. In scope is a host whose contract status is C(ended), and that
    is named. No ticket brings in another, and a contracted host is out of scope.
  - Use it through the role C(msp_scope_guard), in the first play of a playbook.
options:
  read_only:
    description:
      - Whether all plays that follow only look at hosts.
      - A contract that has not begun yet also counts for a run that only looks.
    type: bool
    required: true
  offboarding:
    description:
      - Whether the run withdraws the access that this service has to hosts, because their contract has ended.
      - Such work is recorded as outside the contract. No contract is left whose included hours it could use.
    type: bool
    default: false
  names:
    description:
      - The run is for exactly these hosts. An item may hold several names, separated by commas or spaces.
      - Empty means every host of the play.
    type: list
    elements: str
    default: []
  fail_without_targets:
    description: Whether it is an error when no host is in scope.
    type: bool
    default: true
  needs_localhost:
    description:
      - Whether the playbook has plays on localhost.
      - Ansible skips these without a word under a C(--limit) that leaves localhost out.
        With this option that is an error.
    type: bool
    default: true
attributes:
  check_mode:
    description: Decides the same in check mode. It never changes anything but the inventory in memory.
    support: full
  diff_mode:
    description: There is nothing to show a difference of.
    support: none
notes:
  - Runs once in a play, whatever the number of hosts, and opens no connection.
  - Extra variables that begin with C(msp_scope_guard_read_only), C(msp_scope_guard_offboarding) or C(__msp_scope) are
    refused.
seealso:
  - plugin: msp.ops.netbox
    plugin_type: inventory
    description: The inventory that sets the variable C(msp).
"""

EXAMPLES = r"""
- name: Decide which hosts this run may touch
  msp.ops.scope_guard:
    read_only: false
  register: __msp_scope
  run_once: true
"""

RETURN = r"""
targets:
  description: The hosts in scope.
  returned: success
  type: list
  elements: str
  sample: [srv01.bakkerij-jansen]
outside_contract:
  description: Those of the targets that are outside the contract. Work on them is recorded as such.
  returned: success
  type: list
  elements: str
  sample: []
refused:
  description: The other hosts, by reason.
  returned: success
  type: list
  elements: dict
  contains:
    reason:
      description: Why these hosts are out of scope.
      type: str
      sample: status unlisted
    hosts:
      description: The hosts.
      type: list
      elements: str
      sample: [till02.bakkerij-jansen]
ticket:
  description: The ticket that was given, or null.
  returned: success
  type: str
  sample: T-123
read_only:
  description: As asked.
  returned: success
  type: bool
  sample: false
offboarding:
  description: As asked.
  returned: success
  type: bool
  sample: false
summary:
  description: Counts for each customer, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["bakkerij-jansen: 3 in scope, 1 out (1 status unlisted)"]
remaining:
  description:
    - Targets that still have to be added to C(msp_targets).
    - The inventory's group C(status_contracted) is brought in as a whole where the decision agrees with it on each
      of its hosts.
  returned: success
  type: list
  elements: str
  sample: []
msp_error:
  description: What was wrong, as code, expected, found and action.
  returned: failure
  type: dict
  sample: {code: MSP-SCP-004, expected: at least one host in scope, found: no host at all, action: check the inventory}
"""
