#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: reconcile
short_description: Reconcile what was seen with what NetBox says
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Holds everything that discovery saw of a customer against the assets in NetBox, and brings NetBox up to it.
    What no asset is becomes a device with contract status C(unlisted); addresses, hardware addresses and the operating
    system follow what is seen; an asset that is missing, in conflict or not as it was promised is marked with the
    custom field C(msp_discovery), with a journal entry that holds the evidence.
  - Nothing that was promised of an asset (name, serial number, asset tag, class, status) is overwritten, nothing is
    deleted, and what a person has to judge is never merged by a machine.
  - A second run writes nothing to NetBox. A run that was killed anywhere is gone on with by the next.
  - It runs on the controller.
options:
  action:
    description:
      - V(plan) finds what is to be done and keeps the plan in the evidence store, to be approved.
      - V(approve) records who approves a plan, and why.
      - V(apply) carries out exactly the plan named, and refuses where NetBox has changed since it was made.
      - V(reconcile) plans and carries out in one go. With O(require_approval=true) it carries out only what was
        approved, and leaves a new plan to be approved.
      - V(confirm) records that things in conflict are the assets that they may be, with who says so and why. The next
        run knows them again, and adds to NetBox what is missing there.
    type: str
    choices: [plan, approve, apply, confirm, reconcile]
    default: reconcile
  customers:
    description:
      - Slugs of the customers' tenants in NetBox. Empty takes every tenant with a contract.
      - Not used with O(action=approve) and O(action=apply), whose plan is one customer's. With O(action=confirm) it is
        exactly one.
    type: list
    elements: str
    default: []
  things:
    description:
      - With O(action=confirm), which thing is which asset. Each key is a thing as RV(customers) names it, each value
        the name or key of an asset that it may be.
      - Empty confirms all the plain ones. Plain is a thing that can be one asset only, where no hardware address of the
        asset is on record and nothing else can be it, for instance what answers at the address of a printer.
    type: dict
    default: {}
  misses:
    description:
      - How many complete looks in a row have to miss a thing before it is missing, by kind of source, for instance
        C(nmap) or C(mdm). A kind that is not named takes 3.
    type: dict
    default: {}
  patience:
    description:
      - How many days nobody must have seen an asset before it is missing, by its class, whatever number of looks missed
        it. What people switch off (C(workstation), C(printer), C(mobile), C(private), C(other) and what has no class)
        takes 7 days where nothing else is said; a C(server) and C(network) device takes none.
    type: dict
    default: {}
  require_approval:
    description:
      - Whether a person has to approve a plan before it is carried out.
    type: bool
    default: false
  plan:
    description:
      - Id of the plan. Required with O(action=approve) and O(action=apply).
    type: str
    default: ''
  approved_by:
    description:
      - Who approves or confirms. Required with O(action=approve) and O(action=confirm).
    type: str
    default: ''
  reason:
    description:
      - Why. Required with O(action=approve) and O(action=confirm).
    type: str
    default: ''
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
    details: Shows the plan; neither the evidence store nor NetBox is written.
  diff_mode:
    support: full
  platform:
    platforms: all
seealso:
  - module: msp.ops.verification_sheet
"""

EXAMPLES = r"""
- name: Reconcile every customer
  msp.ops.reconcile:
  delegate_to: localhost

- name: Make a plan for one customer, to be approved
  msp.ops.reconcile:
    action: plan
    customers: [bakkerij-jansen]
    misses:
      nmap: 5
      mdm: 2
    require_approval: true
  delegate_to: localhost

- name: Approve it
  msp.ops.reconcile:
    action: approve
    plan: 3f0c6a4be2b14d3e9a52
    approved_by: A. de Vries
    reason: Checked with the customer by telephone
  delegate_to: localhost

- name: What answers at the addresses in the contract are the printers and gateways that it names
  msp.ops.reconcile:
    action: confirm
    customers: [bakkerij-jansen]
    approved_by: A. de Vries
    reason: Went past all of them on 3 March
  delegate_to: localhost

- name: This laptop is lt-0042, with a new network card
  msp.ops.reconcile:
    action: confirm
    customers: [bakkerij-jansen]
    things:
      mac:b8:27:eb:4a:10:9c: lt-0042
    approved_by: A. de Vries
    reason: Replaced the card, ticket 4711
  delegate_to: localhost

- name: Carry out exactly that plan
  msp.ops.reconcile:
    action: apply
    plan: 3f0c6a4be2b14d3e9a52
    require_approval: true
  delegate_to: localhost
"""

RETURN = r"""
customers:
  description: What was found, by the customer's slug.
  returned: O(action) is V(plan), V(apply) or V(reconcile)
  type: dict
  contains:
    counts:
      description: How many findings of each kind (match, unlisted, missing, changed, conflict). Not with V(apply).
      type: dict
    plan:
      description: Id of the plan; none when there is nothing to tell NetBox.
      type: str
    steps:
      description: Number of steps of the plan.
      type: int
    approved:
      description: Whether the plan may be carried out.
      type: bool
    applied:
      description: Number of steps carried out by this run.
      type: int
    changes:
      description: The changes that were recorded for the digest, each with kind, thing, asset and name.
      type: list
      elements: dict
    conflicts:
      description: The conflicts, each with thing, name, why, evidence, and sides with their reasons.
      type: list
      elements: dict
    resumed:
      description: Plans of an earlier run that were brought to their end.
      type: list
      elements: str
    given_up:
      description: Plans that were approved or begun, and that NetBox changed underneath.
      type: list
      elements: str
plans:
  description: Ids of the plans, by the customer's slug.
  returned: O(action) is V(plan), V(apply) or V(reconcile)
  type: dict
netbox_writes:
  description: Write requests to NetBox.
  returned: O(action) is V(plan), V(apply) or V(reconcile)
  type: int
requests:
  description: All requests to NetBox.
  returned: O(action) is V(plan), V(apply) or V(reconcile)
  type: int
recorded:
  description: Number of changes that were recorded.
  returned: O(action) is V(plan), V(apply) or V(reconcile)
  type: int
plan:
  description: The plan that was approved.
  returned: O(action=approve)
  type: str
approved_by:
  description: Who approved it first.
  returned: O(action=approve)
  type: str
confirmed:
  description: What was confirmed, each with thing, and key and name of the asset that it is.
  returned: O(action=confirm)
  type: list
  elements: dict
  sample:
    - thing: mac:b8:27:eb:4a:10:9c
      asset: device:12
      name: jansen-gw01
error:
  description: Code, expected, found and action of the error.
  returned: failure
  type: dict
"""
