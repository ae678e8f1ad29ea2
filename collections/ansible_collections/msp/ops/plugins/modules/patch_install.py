#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Installs a host's part of a rollout. The work is in module_utils/patching/install; this file only calls it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_install
short_description: Install a host's part of a patch rollout, and prove it
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Installs exactly the versions of a frozen manifest with apt or dnf 4, restarts the services that need it or reboots,
    checks the host and says what became of it, as it was read back from the host.
  - Before anything is done the host is looked at. Where something is in the way (room, a lock and who holds it, an
    unfinished package database, a wrong clock, another machine, a version that is gone, something that would have to be
    removed, an excluded package that would move, a check that fails already) nothing is done, and every reason is told.
  - What the host itself keeps back (a hold, a pin, a phase, a version lock) is left out with what needs it, and named.
    The rest is installed.
  - The work runs on the host as the transient unit C(msp-patch.service), so a lost connection or a dead controller
    changes nothing there, and systemd itself refuses a second one. What the host keeps is below
    C(/var/lib/msp-ops/patch), for root only.
  - The action starts the work, or finds it at work already, and asks again and again until it is over. Work that was
    cut off (power lost, killed) is repaired and gone on with.
  - Timers that would install packages meanwhile are held back, and put back exactly as they were.
options:
  rollout:
    description: Id of the rollout. One host has one record for it.
    type: str
    required: true
  action:
    description:
      - V(start) does the work, V(look) only tells what became of it and goes on with what was cut off, V(check) only
        asks O(checks_after) until none fails or O(check_seconds) are over, V(rollback) puts back the versions from
        before the rollout where they are still to be had, and asks O(checks_after) of the host as it was then.
    type: str
    choices: [start, look, check, rollback]
    default: start
  packages:
    description:
      - The host's part of the manifest. What is not installed on the host is left alone, and named, and so is what the
        host keeps back.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the package.
        type: str
        required: true
      architecture:
        description: Its architecture, as the package says it; V(all) where it is for every one.
        type: str
        required: true
      version:
        description: The version to install, in full.
        type: str
        required: true
  excluded:
    description:
      - Patterns of names (V(*), V(?)) of packages that stay at their version where they are installed. Where the work
        would move one of them, even as something that another package needs, nothing is done.
    type: list
    elements: str
    default: []
  unseen:
    description:
      - Packages (name and architecture, as V(openssl:amd64)) that the last scan of this host did not know as waiting.
        One of them whose version no source of the host offers is left out. Any other such package is a reason to
        do nothing.
    type: list
    elements: str
    default: []
  finish_only:
    description:
      - What was begun comes to its end, but nothing more is installed and nothing reboots. For O(action=look) at hosts
        of a rollout that somebody stopped. A later look without it lifts that.
    type: bool
    default: false
  machine_id:
    description: The C(/etc/machine-id) that the host must have.
    type: str
  reboot:
    description:
      - V(if_needed) reboots when the host asks for it, a newer kernel is installed, or the work replaced what a running
        system keeps. A reboot counts only with a new boot id (in a container a new start of process 1) and the expected
        kernel.
    type: str
    choices: [never, if_needed, always]
    default: if_needed
  restart_services:
    description: Restart the services that run with replaced files, one by one, where the host is not rebooted.
    type: bool
    default: true
  checks_before:
    description:
      - Checks that must pass before anything is done.
      - Each has a C(kind). V(unit) has O(ignore:unit). V(tcp) has O(ignore:port), and may have a host and a timeout.
        V(http) has a url and a status, and may have a text that the answer contains and a timeout. V(command) has a
        command as a list, never a shell's line, and may have a timeout. V(baseline) has what to compare,
        V(units) and V(ports).
    type: list
    elements: dict
    default: []
  checks_after:
    description:
      - Checks that must pass afterwards, of the same kinds. A baseline holds the host against what it was before the
        rollout first touched it. It is no pass where there is none, or where a unit has failed still that had failed
        then.
    type: list
    elements: dict
    default: []
  check_seconds:
    description: How long the checks afterwards are asked again until none of them fails.
    type: int
    default: 60
  deadline:
    description:
      - The moment (UTC) after which nothing is begun and nothing reboots. What is being installed then comes to its
        end.
    type: str
  begin_by:
    description:
      - The moment (UTC) after which who asks may begin, roll back or repair nothing any more. After it RV(state) of a
        start or a rollback is V(none) and nothing was done, and a look only tells. It is asked again when all is ready.
        M(msp.ops.rollout) sets it before its lease ends, so that of two controllers never both begin.
    type: str
  open_rollouts:
    description:
      - The rollouts that are not over, whatever hosts they are for. What the host keeps of others goes once it is 120
        days old and the host has no version any more that they brought.
      - Without it nothing is pruned.
    type: list
    elements: str
  margins:
    description: MiB that stay free, by path. What is not given is as in the default.
    type: dict
    default: {}
  lock_timeout:
    description: Seconds to wait for another package manager to end.
    type: int
    default: 60
  controller_time:
    description: The controller's own time. The action fills it in; a clock that is a minute off is refused.
    type: str
  wait:
    description: Seconds that the action asks again for the end of the work. Work that takes longer goes on by itself.
    type: int
    default: 3600
  lost_after:
    description: Seconds without an answer after which the host is called lost. A reboot must fit in it.
    type: int
    default: 600
  poll:
    description: Seconds between two questions to a host that does not answer, or is about to reboot.
    type: float
    default: 3
  linger:
    description:
      - Seconds that a host which is at work may take to answer a look. It answers as soon as the work is over, so that
        few questions are asked and the end is heard of at once. V(0) makes it answer at once.
    type: float
    default: 20
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
      - Looks at the host and tells what would be done. A check of the kind V(command) is not run, package lists are not
        renewed and nothing is repaired.
  diff_mode:
    support: full
    details:
      - Shows the versions before and after.
  platform:
    support: full
    platforms: posix
    details:
      - Hosts with systemd, and apt or dnf 4.
requirements:
  - Python 3.9 or newer on the host, standard library only
notes:
  - A host on which the work is refused, fails or is lost does not fail the task. RV(result) says what became of it, and
    the caller decides. The task fails when its arguments are wrong.
  - Run it with C(become).
"""

EXAMPLES = r"""
- name: Install what the rollout froze
  msp.ops.patch_install:
    rollout: 2026-11-bakkerij-jansen
    packages:
      - name: openssl
        architecture: amd64
        version: 3.0.17-1~deb12u3
    deadline: "2026-11-26T02:00:00Z"
    checks_after:
      - kind: unit
        unit: ssh.service
      - kind: baseline
        compare: [units, ports]
  become: true

- name: What became of it
  msp.ops.patch_install:
    rollout: 2026-11-bakkerij-jansen
    action: look
  become: true
"""

RETURN = r"""
state:
  description:
    - V(finished), V(working), V(rebooting), V(cut off), V(none) (the host knows nothing of the rollout), or V(lost).
  returned: always
  type: str
  sample: finished
phase:
  description: How far the work came.
  returned: when there is work
  type: str
  sample: installing
refusals:
  description: Why nothing was begun, each with its code.
  returned: always
  type: list
  elements: dict
  sample: []
plan:
  description:
    - What the package manager would do, and what of the manifest is there already or not on this host at all.
    - C(also) comes beside the manifest. C(held) is what the host keeps back, each with why. C(retires) are older
      kernels that go because only so many are kept, C(reboots) packages after which their vendor suggests a reboot,
      C(stays) what a rollback leaves.
  returned: when it was asked
  type: dict
  sample:
    installs: [{package: "openssl:amd64", from: 3.0.16-1~deb12u1, to: 3.0.17-1~deb12u3}]
    also: []
    removes: []
    retires: []
    reboots: []
    stays: []
    there: []
    absent: []
    held: ["libc6:amd64: pinned"]
    download: 1437836
result:
  description:
    - What became of the host (host, asset, outcome, at, before, after, rebooted, healthy, kept_files, restarted,
      reason, owed, held, there, detail). Null while that is not known.
    - C(owed) is what is installed and not in force, a reboot or restarts. C(held) is what the host keeps back. C(there)
      is what the host has of the manifest, in whatever version.
  returned: always
  type: dict
  sample:
    host: srv01.bakkerij-jansen
    asset: device:12
    outcome: patched
    at: "2026-11-26T01:12:40+00:00"
    before: {"openssl:amd64": 3.0.16-1~deb12u1}
    after: {"openssl:amd64": 3.0.17-1~deb12u3}
    rebooted: null
    healthy: true
    kept_files: []
    restarted: [ssh.service]
    reason: ""
    owed: ["restart docker.service"]
    held: ["libc6:amd64: pinned"]
    there: ["libc6:amd64", "openssl:amd64"]
    detail: {}
log:
  description: Where the host keeps what the programs printed.
  returned: when there is work
  type: str
  sample: /var/lib/msp-ops/patch/2026-11-bakkerij-jansen/20261126T011200Z-000000-812/log
will:
  description: What a look would do about it, V(report), V(repair) or V(resume).
  returned: always
  type: str
  sample: report
healthy:
  description:
    - Whether every check passes now. Null where none fails, and a baseline has nothing to compare with.
  returned: with O(action=check), when the host answered
  type: bool
  sample: true
why:
  description: Which checks do not pass, and why; or that O(begin_by) is over.
  returned: with O(action=check), when the host answered, and after O(begin_by)
  type: str
  sample: "unit nginx.service: it is failed (failed)"
error:
  description: What is wrong with the arguments, with its code.
  returned: when the task failed
  type: dict
  sample:
    code: MSP-PAT-100
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import request
from ansible_collections.msp.ops.plugins.module_utils.patching.install.doing import Desk
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.patching.install.spec import SPEC


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        found = Desk(Host(), Programs(), check=module.check_mode).act(
            module.params["action"], request.parse(module.params)
        )
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    module.exit_json(**found)


if __name__ == "__main__":
    main()
