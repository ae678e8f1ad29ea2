#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guards a change that could lock everybody out. This only calls module_utils/standards/lockout.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lockout_guard
short_description: Change what people log in by, and have the host bring it back where nobody can log in afterwards
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - V(armed) saves files, units, sysctls and nftables' tables as they are, and starts a timer on the host that brings
    them back after O(seconds). Then the change is made. V(proven) logs in anew and disarms the guard; where no login
    works, the host itself brings back what was saved, whatever became of the connection and of the controller.
  - The host does so in rounds. What a slow run changes after the first one is brought back by the next, which comes
    after O(seconds), at most two minutes. The first round has the units read again what is back; a later one touches
    only what differs, and units only where something does.
  - The rounds go on until a call with O(state=armed), O(state=proven) or O(state=reverted) told what was brought back,
    and end by themselves after about an hour, so that nobody's repair of the next day is undone. The journal
    (C(journalctl -u msp-lockout-guard)) says what each did. To end them before, run
    C(sh /var/lib/msp-ops/guard/current/back.sh end) as root.
  - The timer is the transient unit C(msp-lockout-guard.timer), so systemd itself refuses a second one. Until the guard
    is over a unit of the boot brings everything back too and starts the timer anew, so a host that is cut off from its
    power meanwhile does not stay locked.
  - The proof is made over a connection of its own, never over one that a master of ssh kept open, with the task's own
    user and C(become). The host compares the two logins, and refuses a proof that came over the one that armed it.
  - A guard that brought something back is an error of the next call that would arm or prove, once. It brings back what
    was changed since, and says what was brought back in all and what of it did not work in the end.
  - What was saved is below C(/var/lib/msp-ops/guard), for root only, and goes when the guard is disarmed or was told.
options:
  state:
    description:
      - V(armed) saves, and starts the timer. Nothing may have been changed before.
      - V(proven) proves a new login, and disarms. It fails when the host has brought back what was saved, and then says
        so only after what was changed since is brought back too.
      - V(reverted) brings back at once what was saved, as for a change that did not pass its own validation, also where
        the host has done so before. Where no guard is armed nothing is done. Where the task cannot become root any
        more, it waits for what the host does.
      - V(status) only tells.
    type: str
    choices: [armed, proven, reverted, status]
    required: true
  name:
    description:
      - What is guarded, in a word (V(ssh), V(firewall)). A proof is for the guard of the same name that this run armed.
    type: str
    required: true
  files:
    description:
      - Files and directories to bring back, as absolute paths. What is not there now goes again. A directory in which
        anything differs is brought back whole, so what came into it meanwhile goes too. Of a link, the link and what it
        leads to.
      - With O(state=armed) at least one of O(files), O(units), O(sysctls) and O(tables) is needed.
    type: list
    elements: str
    default: []
  units:
    description:
      - Units of systemd. One that is active now is reloaded (restarted where it cannot reload), one that is not is
        stopped, and whether it is enabled, disabled or masked is brought back. One that is not there now is stopped.
    type: list
    elements: str
    default: []
  sysctls:
    description: Kernel parameters (V(net.ipv4.conf.all.rp_filter)) whose values are brought back. All must be there.
    type: list
    elements: str
    default: []
  tables:
    description:
      - Tables of nftables, each with its family (V(inet msp)), that are brought back as they are loaded now, in one
        transaction. One that is not there now goes again. Other tables are left alone.
      - V(all) stands for the whole ruleset. It is refused where nft cannot read its own listing of it, as with the
        tables of C(iptables-nft).
    type: list
    elements: str
    default: []
  validate:
    description:
      - Commands, each a list of words and never a shell's line. They must succeed on the host as it is now, else the
        guard is not armed, for what it would bring back is no good. When it brings back, they run again after the files
        are back, and no unit is reloaded where one fails.
    type: list
    elements: list
    default: []
  seconds:
    description:
      - Seconds from V(armed) until the host brings back what was saved. The change and the proof must fit in it, on the
        slowest host of the batch.
    type: int
    default: 120
  because:
    description:
      - Why it is brought back. With O(state=reverted) the task then fails with these words, and brings back only what
        this run has armed, as is right after a change of its own that failed. Without it, whoever armed it.
    type: str
  run:
    description:
      - What tells this run's guard from another's, so that no run disarms a guard under which another one is at work.
        The action plugin fills it in, and nobody else needs to.
    type: str
  lost_after:
    description:
      - Seconds that V(proven) and V(reverted) ask a host that no login works on. The rest of O(seconds) and the
        host's own work must fit in it, for a failed proof is told only when it is known what became of the host.
    type: int
    default: 420
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
      - Arms nothing, proves nothing and brings nothing back. What would be saved is looked at and validated.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
    details:
      - Hosts with systemd. nftables where O(tables) are given.
requirements:
  - Python 3.9 or newer on the host, standard library only
notes:
  - To arm and to disarm is no change of the host, so RV(ignore:changed) is true only when something was brought back.
  - Over a connection that is no login (podman, local) the proof shows only that a program still runs as root.
    RV(login) says which it was.
  - Run it with C(become).
"""

EXAMPLES = r"""
- name: Change the ssh server behind a guard
  become: true
  block:
    - name: Arm the guard
      msp.ops.lockout_guard:
        state: armed
        name: ssh
        files: [/etc/ssh/sshd_config.d/00-msp.conf, /etc/ssh/sshd_config]
        units: [ssh.service]
        validate:
          - [sshd, -t]

    - name: Write the settings
      ansible.builtin.template:
        src: sshd.conf.j2
        dest: /etc/ssh/sshd_config.d/00-msp.conf
        mode: "0600"

    - name: Validate them
      ansible.builtin.command: sshd -t
      changed_when: false

    - name: Reload the server
      ansible.builtin.systemd_service:
        name: ssh.service
        state: reloaded

    - name: Log in anew, then disarm the guard
      msp.ops.lockout_guard:
        state: proven
        name: ssh
  rescue:
    - name: Bring back what was there
      msp.ops.lockout_guard:
        state: reverted
        name: ssh
        because: "{{ ansible_failed_result.msg }}"

- name: Guard a firewall's own table
  msp.ops.lockout_guard:
    state: armed
    name: firewall
    files: [/etc/nftables.conf]
    units: [nftables.service]
    tables: [inet msp]
    seconds: 60
  become: true
"""

RETURN = r"""
state:
  description:
    - V(armed), V(disarmed), V(reverted) (something was brought back), or V(none).
    - In check mode, and with O(state=status), how it is now, which may be V(reverting) too.
  returned: always
  type: str
  sample: armed
until:
  description: When the host brings back what was saved.
  returned: while a guard is armed
  type: str
  sample: "2026-11-26T01:14:00+00:00"
guarded:
  description: What is guarded, from O(name).
  returned: when there is a guard
  type: str
  sample: ssh
login:
  description: Whether the proof was a new login by ssh, as the host saw it.
  returned: with O(state=proven)
  type: bool
  sample: true
tries:
  description: How often a new connection was tried.
  returned: with O(state=proven), and with O(state=reverted) when the task's connection could not do it
  type: int
  sample: 1
at:
  description: When something was last brought back.
  returned: with O(state=reverted) and O(state=status), when something was brought back
  type: str
  sample: "2026-11-26T01:14:00+00:00"
ended:
  description: Whether the host's rounds ended by themselves. What was changed after that is still there.
  returned: with O(state=reverted) and O(state=status), when something was brought back
  type: bool
  sample: false
brought_back:
  description: What the host brought back, in all rounds.
  returned: with O(state=reverted) and O(state=status), when something was brought back
  type: list
  elements: str
  sample: ["file /etc/ssh/sshd_config.d/00-msp.conf removed", "unit ssh.service reloaded"]
not_brought_back:
  description: What of it did not work in the last round, each with the program's last words.
  returned: with O(state=reverted) and O(state=status), when something was brought back
  type: list
  elements: str
  sample: []
error:
  description: What is wrong, with its code.
  returned: when the task failed
  type: dict
  sample:
    code: MSP-STD-082
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import lockout


def main() -> None:
    module = AnsibleModule(argument_spec=lockout.SPEC, supports_check_mode=True)
    try:
        found = lockout.Guard().act(lockout.parse(module.params), dry=module.check_mode)
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    module.exit_json(**found)


if __name__ == "__main__":
    main()
