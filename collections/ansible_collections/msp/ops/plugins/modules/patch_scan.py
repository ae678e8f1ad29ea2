#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures what is pending on one host in one round trip. The work is in module_utils/patching; this only calls it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_scan
short_description: What is pending on a host, and how urgent it is
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Measures in one round trip which packages have a newer version, where it comes from, what it closes, what holds it
    back, what comes and goes with it, and what has to be restarted afterwards. Then judges each update on the
    controller with the feeds given, as V(emergency), V(security) or V(routine).
  - Installs nothing, ever. It takes no lock of a package manager. It renews the package lists only with O(refresh).
  - An update is a security update when any version between the installed one and the new one came from a security
    archive. A later ordinary version carries the earlier fix.
  - A host without package lists is V(no metadata). That is never the same as nothing to do.
  - What could not be measured is listed with the reason.
  - The scan is kept in the spool of the evidence store on the controller. The task returns counts and a small summary,
    so that neither the memory of the controller nor the log of a job carries lists of packages.
  - Run it with C(become). Without it the scan goes on, but cannot look into other users' processes, so it does not know
    what has to be restarted.
options:
  refresh:
    description:
      - Renew the package lists first. This is the one thing that changes the host.
      - When that fails the outcome is V(failed). Old lists are not taken instead.
      - In check mode the lists are not renewed.
    type: bool
    default: false
  lock_timeout:
    description: Seconds to wait for another package manager that renews the lists right now.
    type: int
    default: 60
  changelogs:
    description:
      - Fetch one small package for each source package with updates, and read in its changelog which holes are closed.
      - Bounded to 100 sources, 256 MB and 4 minutes. What is left out is said.
      - For apt only. What dnf knows is in its metadata.
      - Needed where no feed of kind V(debian) or V(osv) names the holes.
    type: bool
    default: false
  metadata_age:
    description: Package lists that are older than this number of days are warned of.
    type: int
    default: 7
  exposed:
    description:
      - Whether the host can be reached from the internet. A critical hole of an exposed host is an emergency.
      - Where nothing is said, what NetBox says of the asset by the tag C(msp-exposed), which the inventory
        msp.ops.netbox hands on as C(msp.asset.exposed).
    type: bool
  feeds:
    description:
      - What is known of holes. More entries can make an update more urgent, never less.
      - Nor does a feed that is left out, or an older one than at the last scan of the asset. When the scan is recorded
        in the evidence store it keeps the classes that it would lower, and a warning says so.
      - For hosts with apt, one of V(debian) or V(osv), or O(changelogs), names the holes that an update closes. Without
        any of them no update can be an emergency there, and a warning says so.
      - A feed that cannot be read, is broken, is empty or is not what its checksum says fails the task. Nothing is
        judged without it. A feed that is old is warned of, and what it says counts.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description:
          - V(kev) is the JSON catalogue of CISA of what is known to be exploited.
          - V(osv) are entries in the format of OSV, one, a list, one a line, or a zip of them.
          - V(debian) is the JSON of Debian's security tracker.
          - V(epss) is the CSV of EPSS, which may be packed with gzip.
        type: str
        required: true
        choices: [kev, osv, debian, epss]
      path:
        description: A file on the controller.
        type: path
      url:
        description: An address to fetch it from. It needs O(feeds[].sha256), and is fetched once for each checksum.
        type: str
      sha256:
        description: The checksum of the file, or of what the address gives.
        type: str
      date:
        description:
          - The day on which it was published, as V(2026-11-20). Where the feed has a date of its own, the older counts.
          - Needed for V(debian), which has none.
        type: str
      max_age:
        description: Days after which it is old. 3 for V(kev), 7 for the others.
        type: int
  list:
    description: Return the whole list of updates too.
    type: bool
    default: false
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
    details:
      - Measures and judges the same. Renews no lists and keeps nothing.
  diff_mode:
    support: full
    details:
      - Shows what is pending, before and after, as far as this controller has scanned the host before.
  platform:
    support: full
    platforms: posix
    details:
      - Hosts with apt (Debian, Ubuntu) or dnf (the RHEL family).
requirements:
  - Python 3.9 or newer on the host, standard library only
notes:
  - A host that cannot be scanned does not fail the task. The attempt is recorded with its outcome and what to do, and
    the run goes on.
  - The task fails when a feed is none, or the attempt cannot be kept because the spool cannot be written.
seealso:
  - module: msp.ops.asset_audit
  - module: msp.ops.patch_plan
  - module: msp.ops.patch_install
"""

EXAMPLES = r"""
- name: What is pending, with lists renewed and the catalogue of what is exploited
  msp.ops.patch_scan:
    refresh: true
    feeds:
      - kind: kev
        path: /srv/feeds/known_exploited_vulnerabilities.json
  become: true

- name: With the holes that each version closes, for a host that the internet reaches
  msp.ops.patch_scan:
    changelogs: true
    exposed: true
    list: true
    feeds:
      - kind: debian
        path: /srv/feeds/debian.json
        date: "2026-11-20"
      - kind: epss
        url: https://feeds.example.com/epss_scores-2026-11-20.csv.gz
        sha256: 3f0c6a8f6d2e9c0f1f6f7c5b5b9f9b1f4e0c7d8a9b0c1d2e3f405162738495a6
  become: true
"""

RETURN = r"""
outcome:
  description:
    - V(ok), V(no metadata), V(failed), V(unreachable) or V(no_python).
    - V(not_attempted) for an asset that NetBox has no address of. Its name is not looked up instead.
  returned: always
  type: str
  sample: ok
counts:
  description: The updates, by class, and how many of all are exploited, held, or need a reboot.
  returned: when the outcome is V(ok)
  type: dict
  sample:
    total: 18
    emergency: 1
    security: 15
    routine: 2
    exploited: 1
    held: 1
    reboot: 2
summary:
  description: What a helpdesk asks first. C(urgent) names at most ten, the most urgent first.
  returned: when the host answered
  type: dict
  sample:
    platform: debian-12
    manager: apt
    metadata_at: "2026-11-20T04:00:00Z"
    refreshed: true
    reboot_needed: false
    installs: [linux-image-6.1.0-42-amd64]
    removes: []
    urgent: [openssl, libssl3]
new:
  description:
    - The updates that were not pending when this controller scanned the host before, as name and architecture.
    - Null when it never did.
  returned: when the outcome is V(ok)
  type: list
  elements: str
  sample: ["openssl:amd64"]
scan_warnings:
  description: What a person should know before trusting the list.
  returned: when an attempt was made
  type: list
  elements: str
  sample: ["the package lists are 12 days old: what was published since is missing"]
unknown:
  description: What could not be measured, each with the reason.
  returned: when the host answered
  type: list
  elements: dict
  sample:
    - what: reboot
      why: the host keeps no sign that a reboot is needed, and its kernel cannot be compared
seconds:
  description: How long the scan took on the host.
  returned: when the host answered
  type: float
  sample: 2.4
updates:
  description: Every update with its class, severity, the rule and source that decided, and its versions.
  returned: with O(list), when the outcome is V(ok)
  type: list
  elements: dict
  sample:
    - name: openssl
      architecture: amd64
      installed: 3.0.16-1~deb12u1
      candidate: 3.0.17-1~deb12u2
      class: emergency
      severity: critical
      rule: known exploited
      source: "CISA KEV 2026-11-20: CVE-2026-1234"
      held: ""
      needs: restart
      services: [ssh.service]
error:
  description: What went wrong, with its code.
  returned: when the outcome is not V(ok)
  type: dict
  sample:
    code: MSP-PAT-039
    expected: package lists on srv01 that tell what is pending
    found: "the host has no package lists: apt-get update was never run, or its lists were removed"
    action: "renew them (refresh: true), and see that the host has a source of security updates"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.plugins.module_utils.patching.pending import timed
from ansible_collections.msp.ops.plugins.module_utils.patching.scan_spec import SPEC
from ansible_collections.msp.ops.plugins.module_utils.patching.shape import Wanted


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    wanted = Wanted(
        refresh=module.params["refresh"] and not module.check_mode,
        lock_timeout=module.params["lock_timeout"],
        changelogs=module.params["changelogs"],
    )
    found = timed(Host(), wanted)
    module.exit_json(changed=found["changed"], packed=pack(found))


if __name__ == "__main__":
    main()
