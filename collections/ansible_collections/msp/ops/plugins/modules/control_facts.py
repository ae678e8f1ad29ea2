#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures what the controls of a standard ask of one host. The probes are in module_utils/standards."""

from __future__ import annotations

DOCUMENTATION = r"""
module: control_facts
short_description: Measure what controls ask of a host, by what is in force
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Answers every probe of a request in one round trip. A probe asks for one thing, such as a setting of the ssh server,
    the rules of the packet filter or the rights of files, and gets what is in force, not what one file says.
  - Changes nothing on the host. It starts and reloads nothing, renews no lists, and sends nothing to other machines.
    The probes of TLS connect to servers of the host itself.
  - Changes nothing on the host. It starts and reloads nothing, renews no lists, and sends nothing on the network, but
    for what SSSD asks its directory.
  - Decides nothing. Whether a host is as it has to be is judged by M(msp.ops.standard_scan), which asks this module.
  - A probe that fails or takes longer than 30 seconds has the state V(error) with the reason, and ends no other one.
    What is not on the host at all has the state V(absent). Neither is ever an empty value.
  - Run it with C(become). Most of what is asked only root may see.
options:
  probes:
    description:
      - What to measure. Each is a mapping with C(id), C(kind) and the arguments of that kind.
      - C(sshd) with C(name), C(user) for what holds for one user, and C(agreed), accounts whose password from some
        addresses alone is passed over. What C(sshd -T) says. Where a C(Match) block makes it another, C(value) says
        so too, C(values) has all of them, and C(each) what holds for everybody else and by each of those blocks. A
        block is asked as somebody whom no earlier block that says anything of it is for; where nobody such can be
        made up, and it is not sure that there is none, it is not measured.
      - What no role of this project changes is in C(value) as everything else. Where there is any, C(within_reach) has
        those fields without it, and C(out_of_reach) by field where it stands.
      - C(sysctl) with C(name). What the kernel does now. With a star for the interface
        (V(net.ipv4.conf.*.rp_filter)) C(value) is a mapping, by interface.
      - C(unit) with C(name), with its ending. How systemd has it.
      - C(package) with C(name); C(packages). What is installed, and whether it is kept at its version.
      - C(file) with C(path). The entry itself, not what a link points at. C(sha256) of a file of at most 8 MiB.
      - C(file_rights) with C(paths), C(mode) (the most that is allowed), and C(owner) and C(group) where they matter.
        A link that a pattern finds is judged by whose it is; one that is named without a pattern is wrong.
      - C(file_lines) with C(paths) and C(pattern), a regular expression. Comments are left out.
      - C(systemd_config) with C(file) (as V(systemd/journald.conf)), C(section) and C(name). With all that is dropped
        in.
      - C(mount) with C(path). How it is mounted, and what fstab says.
      - C(nftables). What the packet filter lets in, as the kernel has it. For IPv4 and IPv6 together the weaker.
      - C(listening). What waits for connections. C(open) is what does so on more than loopback.
      - C(firewall_unlisted) with C(ports) and C(closed). What programs wait for and the packet filter lets in, and
        is in neither of the two.
      - C(access). Who can log in, by which ways and with what. C(accounts) has those with a way in or a shell, each
        with its C(ways) (C(proved) is all that has to be shown, C(from) and C(where) where it is limited to,
        C(limits) what it is good for alone), C(keys) by fingerprint, C(enrolled) second factors, C(sudo), and in
        C(unknown) what could not be told of it. C(closed) is how many others there are. No hash, secret or key is in
        it.
      - C(accounts). What is wrong with accounts of the host's own files. No password hash is in it. C(system_in_use)
        are accounts of services that are seen to use their shell, C(signs) by what, with the file where it is a job.
      - C(homes) with C(below), the directory of homes. C(wrong) are those that can be put right without a doubt (in
        C(paths) by user where they are), C(left) those that a person has to look at.
      - C(sudo). Who may do what by C(sudo), by all of its files. As the rules name them (C(who), C(all)), and with
        groups looked into (C(who_people), C(all_people)). C(by_group) has who may do everything because of a group
        alone, C(lists) who stands together in a rule for everything, C(aliases) and C(command_aliases) what aliases
        stand for, C(members) in which group; C(own) is true where it is the account's own one.
      - C(login_defs) with C(name). A setting of login.defs.
      - C(umask). With which umask a session begins, by program in C(sessions), as C(pam_umask) sets it by PAM.
        C(weak) is what leaves new files to others and login.defs or C(pam-auth-update) can put right, C(by_hand) what
        only a person can, as in the shells' files for everybody and in GECOS fields. C(missing) are programs whose
        sessions lack C(pam_umask), where C(pam-auth-update) can add it. No session is opened for it.
      - C(password_hashes). By which C(methods) a new password is kept, by program, as C(pam_unix) has it, and what
        login.defs says for what goes without PAM. C(weak) are those that keep it badly, C(by_hand) what of them
        stands in PAM's own files.
      - C(repositories). Those that are on.
      - C(apt_config) with C(name). As C(apt-config) tells it. C(values) where it is a list.
      - C(time). Which service keeps the clock, by which servers, and the time zone.
      - C(audit_rules). The rules of the audit system, as they are loaded and as they are configured. Absent in a
        container.
      - C(kernel_module) with C(name). C(blocked) where modprobe runs a program that does nothing instead.
      - C(software_required) and C(software_forbidden) with C(packages), C(software_unknown) with C(packages) and
        C(origins), and C(software_held). What is installed, held against a software set.
      - C(repositories_foreign) with C(allowed), C(repositories_unsigned) with C(distribution), and
        C(repositories_wanted) with C(repositories). The repositories, held against those that are to be there.
      - C(automatic_updates). What the host installs by itself.
      - C(encrypted_volumes) with C(volumes), as M(msp.ops.disk_encryption) takes them. What of them is not as it has
        to be, by the headers on the disks and what the kernel has open and mounted. No key is tried.
      - C(encryption). Whether the root file system is encrypted, which swap space is not, how old the recovery keys
        of encrypted volumes are, and key slots of which nobody says whose they are.
      - C(local_admin) with C(account). How an account stands whose password is rotated by M(msp.ops.local_admin).
        C(managed) where the password in force is a version of a rotation, C(age_days), C(tested_days) since a login
        was tested, C(uses) since it was set, and whether it C(becomes_root). No password and no hash is in it.
      - C(password_uses). By which ways of logging in C(missing) the use of such a password is not noted.
      - C(emergency_login) with C(account) and C(addresses). From which of these the ssh server would refuse its
        password (C(refused)), and from which others it would let the account in (C(elsewhere)).
      - C(one_time_login). The account for logins that work once. C(missing) are ways to log in that ask for no grant,
        C(open) is true where it has a password and nobody was granted a login.
      - C(tls_service) with C(service) (V(nginx), V(apache), V(postfix) or V(others)) and C(profile) (V(intermediate)
        or V(modern)). What its servers of that kind take, by handshakes of which every version and cipher is offered;
        C(accepted) by port and name, C(versions_outside) and C(ciphers_outside) what of it is outside the profile. Of
        Postfix C(plain) are ports without STARTTLS, C(auth_in_clear) those that take a password without it. What is
        not reached from outside (loopback) is left out.
      - C(tls_ports) with C(ports), each as V(636 tls ldap.example.com) (V(tls), V(smtp), V(imap) or V(pop3)),
        C(profile), C(days) and C(authorities), and C(address) for another machine. The same for ports that are told,
        and what is wrong with their certificates. C(closed) are those on which nobody waits, C(plain) those without
        TLS.
      - C(tls_certificates), with C(days), C(authorities) (certificates in PEM that are believed besides),
        C(unverified) (ports whose certificate nobody has to believe) and C(names) (V(443 www.example.com)) where they
        matter. What is wrong with the certificates of all those servers and of the files that they name. C(expiring)
        and C(early) have the day, C(weak) the key or the hash, C(other_names) the names that it is for, and all whose
        it is and by whom. With C(authorities) C(self_signed), C(unknown_authority), C(incomplete) (the chain) and
        C(not_believed).
      - C(tls_changes) with C(service), and with C(versions), C(ciphers), C(offered) and C(sending) for what is to be
        changed, each with the profile that it is to have. What has to be changed in a server's files, as
        M(msp.ops.files) takes it, and what only a person can (C(left)).
      - C(postfix) with C(name). A setting of Postfix as C(postconf) has it.
      - C(second_factor) with C(automation) and C(break_glass), accounts that need none, and C(exempt) for more of
        them. Who can log in (C(people)), with what second factor (C(enrolled)), and who has none (C(missing)). What
        waits for its first code is none. No secret is in it.
      - C(second_factor_ssh) with the same, C(who) (V(enrolled) or V(everybody)) and C(locked_out). C(without) are
        those who come in by ssh with one factor, and by which way, C(undecided) those whom V(everybody) would lock
        out, C(kept_out) those who are asked for a code and should not be.
      - C(second_factor_pam) with C(services). C(without) are those who have a code and are not asked for it.
      - C(ssh_sources) with C(account), C(break_glass) and C(management), addresses and networks. C(wrong) is what
        lets the account in from elsewhere or by another way than its key, or keeps either out; C(unpunished) from
        where failed logins shut nobody out, none where the server never does that. C(elsewhere) is whether another
        control says from where C(break_glass) comes in.
      - C(directory_joined) with C(domain), C(provider) and what else was chosen of a directory. What SSSD has in
        force, and what it will have when it starts the next time, held against that. C(different) is all that is
        another, C(others) are domains beside it that are not in C(replaces). C(came_by) are the accounts of the
        host by which this measurement came.
      - C(directory). How SSSD stands, all its domains together and both as it runs and as its files are. C(weak) is
        by what somebody else could pass for the directory or its KDC, C(admits) whom it lets in, C(homes) which
        logins make no home or an open one, C(unasked) which do not ask SSSD whom it lets in, C(asked_for) for which of
        the host's own accounts it asks the directory too.
        Absent where SSSD serves no domain. It needs C(ldbsearch) (ldb-tools) where SSSD runs.
      - C(directory_online). C(offline) are domains that do not answer. SSSD is made to ask each for somebody whom
        nobody knows, so this one does send something on the network.
      - C(directory_names) with C(person) and C(group). C(unknown) is which of them the host does not have of its
        directory by NSS. SSSD may ask for them.
      - C(directory_sudo) with C(rules), each as V(%admins:ALL) with a blank behind the colon. C(missing) are those
        that are not in force, C(others) those of the directory's groups beside them.
      - C(directory_accounts) with C(names), accounts of the host itself, and C(keep). C(open) are those that
        somebody can log in as, C(lockable) what of them may be locked, C(left) why the others may not, C(proven)
        people of the directory who were seen to log in here during the last 30 days.
    type: list
    elements: dict
    required: true
  plain:
    description:
      - Return the answers as they are too, for a play that uses them itself.
    type: bool
    default: false
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Measures the same.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
    details:
      - Debian, Ubuntu and the RHEL family.
requirements:
  - Python 3.9 or newer on the host, standard library only
notes:
  - A request that is not in this form fails as a whole, before anything is looked at, and everything that is wrong with
    it is named.
seealso:
  - module: msp.ops.standard_scan
  - module: msp.ops.asset_audit
"""

EXAMPLES = r"""
- name: How root may log in, and what listens
  msp.ops.control_facts:
    probes:
      - id: root
        kind: sshd
        name: permitrootlogin
      - id: ports
        kind: listening
    plain: true
  become: true
  register: facts

- name: What the network can reach
  ansible.builtin.debug:
    var: facts.answers.ports.value.open
"""

RETURN = r"""
packed:
  description:
    - The answers, the platform and the seconds as one short text, of which M(msp.ops.standard_scan) is the reader.
  returned: success
  type: str
  sample: eJyrVkrMKy5PLSpWsqqu1VEqyEksScsvylWyUkpJTcpMzNM1NFLSUSpOTc7PSwGqMdAzqgUAzYwQ4Q==
answers:
  description:
    - By the id of each probe its state, V(ok), V(absent) or V(error), with C(value) where it is V(ok) and else
      C(reason).
  returned: success, with O(plain)
  type: dict
  sample:
    root:
      state: ok
      value:
        value: prohibit-password
        values: [prohibit-password]
    ports:
      state: ok
      value:
        ports: ["tcp/22 0.0.0.0 sshd", "tcp/25 127.0.0.1 master"]
        open: [tcp/22]
platform:
  description: Distribution and release. Empty where the host does not say.
  returned: success, with O(plain)
  type: str
  sample: debian-12
seconds:
  description: How long it took on the host.
  returned: success, with O(plain)
  type: float
  sample: 0.2
error:
  description: The first thing that is wrong with the request, with its code. C(msg) has all of them.
  returned: failure
  type: dict
  sample:
    code: MSP-STD-040
    expected: a kind of probe that control_facts knows, in the probe p1
    found: "'sysctls'"
    action: use one of accounts, apt_config, audit_rules
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import request
from ansible_collections.msp.ops.plugins.module_utils.standards.measuring import timed


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "probes": {"type": "list", "elements": "dict", "required": True},
            "plain": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        probes = request.read(module.params["probes"])
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    found = timed(Host(), probes)
    module.exit_json(changed=False, packed=pack(found), **(found if module.params["plain"] else {}))


if __name__ == "__main__":
    main()
