"""Single sign-on on two real hosts, with a real OpenLDAP and a real KDC: who gets in by what, and who no longer does.

Debian 12 proves passwords by Kerberos and takes tickets; Debian 13 proves them by LDAP. Their directory listens on the
lab's own network only. Every login is one of ssh, with a real client; what decides what a host lacks is what decides it
in playbooks/standardise.yml.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ldap3
import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.plugins.module_utils.standards import lockout_plan, lockout_units
from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning, probing, scanning
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.judging import judge
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Assigned
from lab import hosts, kerberos, packages
from lab import ldap as lab_ldap
from lab.image import USER
from lab.kerberos import Kdc
from lab.ldap import Slapd
from lab.machines import NEWCOMERS
from lab.progress import step
from tests import patch_bed
from tests.patch_bed import until

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("sso-test", os.environ.get("PYTEST_XDIST_WORKER"))))
NAMES = TWELVE, THIRTEEN = ("harbour-app01", "harbour-app02")
TODAY = dt.datetime.now(dt.UTC).date()

BASE, REALM, SERVER = "dc=harbour,dc=example", "HARBOUR.EXAMPLE", "directory.harbour.example"
DOMAIN = "harbour.example"
ADMIN, READER = f"cn=admin,{BASE}", f"cn=reader,{BASE}"
USERS, ADMINS = f"cn=linux-users,ou=Groups,{BASE}", f"cn=linux-admins,ou=Groups,{BASE}"
# No two alike, so that a login shows who proved it. No secret may turn up anywhere.
READERS_WORD, ADMINS_WORD = "reader: let me read", "admin: let me write"
PEOPLE = {"anna": 20001, "bram": 20002, "carla": 20003, "dirk": 20004}
BY_LDAP = {name: f"ldap of {name} 7!" for name in PEOPLE}
BY_KERBEROS = {name: f"krb of {name} 8!" for name in PEOPLE}
WORDS = {TWELVE: BY_KERBEROS, THIRTEEN: BY_LDAP}
SECRETS = (READERS_WORD, *BY_LDAP.values(), *BY_KERBEROS.values())

# What the hosts have before anybody comes: people of their own, each with a key; and passwords over ssh, asked by PAM.
LOCALS = ("old-anna", "bert", "emergency")
PREPARE = f"""
echo '{{gateway}} {SERVER}' >>/etc/hosts
echo 'KbdInteractiveAuthentication yes' >/etc/ssh/sshd_config.d/01-lab.conf
systemctl reload ssh
for name in {" ".join(LOCALS)}; do
  useradd --create-home --shell /bin/bash $name
  cp /etc/ssh/authorized_keys.d/{USER} /etc/ssh/authorized_keys.d/$name
done
mkdir -p /var/spool/cron/crontabs
echo '@daily true' >/var/spool/cron/crontabs/bert
apt-get -qq update
"""
# All by which people log in, as one text.
LOOK = """
guarded=$(find /etc/nsswitch.conf /etc/pam.d /etc/ssh /etc/sudoers.d /etc/krb5.conf /etc/krb5.keytab /etc/sssd \
  /var/lib/pam /usr/share/pam-configs/msp-* -type f 2>/dev/null)
stat -c '%n %a %u %g' $guarded
sha256sum $guarded
# But for the account that SSSD's package makes.
grep -v '^sssd:' /etc/passwd /etc/shadow | sha256sum
systemctl is-active sssd || true
"""
# As a package of somebody has it: whoever runs pam-auth-update the next time locks everybody out.
BROKEN = """
cat >/usr/share/pam-configs/broken <<END
Name: A door that nobody gets through
Default: yes
Priority: 900
Account-Type: Primary
Account:
	requisite pam_deny.so
END
"""
MEND = "rm /usr/share/pam-configs/broken; DEBIAN_FRONTEND=noninteractive pam-auth-update --package"

Task = dict[str, Any]


def entry(dn: str, *lines: str) -> str:
    return "\n".join((f"dn: {dn}", *lines, "", ""))


def unit(name: str) -> str:
    return entry(f"ou={name},{BASE}", "objectClass: organizationalUnit", f"ou: {name}")


def account(dn: str, password: str) -> str:
    name = dn.split(",", maxsplit=1)[0][3:]
    return entry(dn, "objectClass: person", f"cn: {name}", "sn: none", f"userPassword: {password}")


def person(name: str, number: int) -> str:
    return entry(
        f"uid={name},ou=People,{BASE}",
        "objectClass: inetOrgPerson",
        "objectClass: posixAccount",
        f"cn: {name}",
        f"sn: {name}",
        f"uid: {name}",
        f"uidNumber: {number}",
        "gidNumber: 20000",
        f"homeDirectory: /home/{name}",
        "loginShell: /bin/bash",
        f"userPassword: {BY_LDAP[name]}",
    )


def group(dn: str, number: int, *members: str) -> str:
    name = dn.split(",", maxsplit=1)[0][3:]
    lines = [f"memberUid: {member}" for member in members]
    return entry(dn, "objectClass: posixGroup", f"cn: {name}", f"gidNumber: {number}", *lines)


DATA = "".join(
    [
        entry(BASE, "objectClass: dcObject", "objectClass: organization", "o: Harbour", "dc: harbour"),
        account(ADMIN, ADMINS_WORD),
        account(READER, READERS_WORD),
        unit("People"),
        unit("Groups"),
        *(person(name, number) for name, number in PEOPLE.items()),
        group(f"cn=everyone,ou=Groups,{BASE}", 20000),
        group(USERS, 20010, "anna", "bram", "dirk"),
        group(ADMINS, 20011, "anna"),
    ]
)


@dataclass
class Ran:
    """One ansible-playbook: what each host's tasks registered as told, or what failed; and all that was printed."""

    told: dict[str, dict[str, Any]]
    output: str
    changed: dict[str, int]


@dataclass
class Bed(patch_bed.Bed):
    slapd: Slapd = field(init=False)
    kdc: Kdc = field(init=False)

    def begin(self, tasks: Mapping[str, Sequence[Task]], *, check: bool = False) -> tuple[subprocess.Popen[str], Path]:
        """Start ansible-playbook over ssh: each host's own tasks, all hosts at once."""
        self.number += 1
        place = self.place / f"run{self.number}"
        (place / "results").mkdir(parents=True)
        python = {"ansible_python_interpreter": "/usr/bin/python3"}
        inventory = {"all": {"hosts": {name: {"ansible_host": self.rows[name]["address"], **python} for name in tasks}}}
        (place / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
        # As people give them: from a file that is theirs alone.
        secret = {"msp_sso_bind_password": READERS_WORD}
        (place / "secret.yml").write_text(json.dumps(secret), encoding="utf-8")
        for name, of_host in tasks.items():
            (place / f"{name}.yml").write_text(json.dumps(list(of_host)), encoding="utf-8")

        def keep(what: str) -> Task:
            copy = {"content": what, "dest": f"{place}/results/{{{{ inventory_hostname }}}}.json", "mode": "0600"}
            task = {"ansible.builtin.copy": copy, "delegate_to": "localhost", "become": False}
            return {**task, "check_mode": False, "diff": False, "changed_when": False}

        include = {"ansible.builtin.include_tasks": "{{ inventory_hostname }}.yml"}
        block = [include, keep("{{ told | default({}) | to_json }}")]
        rescue = [keep("{{ ansible_failed_result | to_json }}")]
        play = {"hosts": "all", "strategy": "free", "gather_facts": False, "become": True}
        (place / "play.yml").write_text(json.dumps([{**play, "tasks": [{"block": block, "rescue": rescue}]}]))
        environment = {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_TIMEOUT": "4",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.place / "c"),
            "NO_COLOR": "1",
        }
        files = ["-i", str(place / "inventory.yml"), "-e", f"@{place / 'secret.yml'}", str(place / "play.yml")]
        process = subprocess.Popen(
            ["ansible-playbook", "--diff", *(["--check"] if check else []), *files],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return process, place

    def end(self, begun: tuple[subprocess.Popen[str], Path]) -> Ran:
        process, place = begun
        output, _none = process.communicate(timeout=patch_bed.SECONDS)
        files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in place.glob("results/*.json")}
        assert process.returncode == 0 and files, output
        changed = {name: int(count) for name, count in re.findall(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)", output, re.M)}
        assert [secret for secret in SECRETS if secret in output] == []
        return Ran(files, output, changed)

    def run(self, tasks: Mapping[str, Sequence[Task]], *, check: bool = False) -> Ran:
        return self.end(self.begin(tasks, check=check))

    def wanted(self, host: str, **chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The key msp_standard of a host's config context; chosen are parameters of controls, by their ids with _."""
        # Debian 13 by TLS from the first byte, Debian 12 by StartTLS.
        scheme, _slashes, end = (self.slapd.ldap if host == TWELVE else self.slapd.ldaps).partition("://")
        directory: dict[str, Any] = {
            "domain": DOMAIN,
            "servers": [f"{scheme}://{SERVER}:{end.rpartition(':')[2]}"],
            "base": BASE,
            "bind": READER,
            "authority": self.slapd.ca.read_text(),
            "person": "anna",
            "group": "linux-admins",
            **({"realm": REALM, "kdcs": [self.kdc.address]} if host == TWELVE else {}),
        }
        parameters: dict[str, dict[str, Any]] = {
            "sso-joined": directory,
            "sso-access": {"allowed": ["linux-users"]},
            "sso-sudo": {"rules": ["%linux-admins: ALL", "%linux-users: /usr/bin/id, /bin/ls -l"]},
            "sso-tickets": {"accepted": "yes"},
            "sso-accounts": {"replaced": [*LOCALS, USER], "keep": ["emergency"], "lock": True},
        }
        for name, values in chosen.items():
            parameters[name.replace("_", "-")] = {**parameters.get(name.replace("_", "-"), {}), **values}
        return {"name": "doors", "parameters": parameters}

    def judged(self, contexts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What msp.ops.standard_scan says of each host: measured by ssh, judged by the same code."""
        assigned = {host: held_to(context) for host, context in contexts.items()}
        tasks = {}
        for host, of_host in assigned.items():
            facts = {"probes": probing.probes(of_host)[0], "plain": True}
            tasks[host] = [{"msp.ops.control_facts": facts, "register": "told"}]
        found = {}
        for host, said in self.run(tasks).told.items():
            answer = scanning.read(host, {"packed": pack(said)})
            assert answer.error is None, said
            records = judge(assigned[host], answer.answers, answer.platform, today=TODAY)
            told = scanning.told(assigned[host], answer, records, None, today=TODAY, diff=False)
            told["records"] = {record.control: record.told() for record in records}
            found[host] = told
        return found

    def role(self, host: str, told: Mapping[str, Any], *, seconds: int = lockout_plan.SECONDS_MOST) -> Task:
        """The role as the playbook calls it after a scan."""
        keytab = {"msp_sso_keytab": str(self.kdc.place / f"host-{host}.keytab")} if host == TWELVE else {}
        arguments = {
            "msp_sso_enforce": told["enforce"].get("msp_sso", []),
            "msp_sso_parameters": told["parameters"]["msp_sso"],
            "msp_sso_guard_seconds": seconds,
            **keytab,
        }
        return {"ansible.builtin.include_role": {"name": "msp_sso"}, "vars": arguments}

    def roles(self, told: Mapping[str, Mapping[str, Any]], *, check: bool = False) -> Ran:
        return self.run({host: [self.role(host, of_host)] for host, of_host in told.items()}, check=check)

    def look(self, host: str) -> set[str]:
        return set(self.sh(host, LOOK).splitlines())

    def ssh(
        self, host: str, who: str, *command: str, word: str | None = None, ticket: bool = False, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """A login of its own: by key, by a password that PAM asks for, or by a ticket of Kerberos."""
        if ticket:
            how = [
                "PreferredAuthentications=gssapi-with-mic",
                "GSSAPIAuthentication=yes",
                f"GSSAPIServerIdentity={host}",
            ]
        elif word is not None:
            how = ["PreferredAuthentications=keyboard-interactive", "NumberOfPasswordPrompts=1"]
        else:
            how = ["PreferredAuthentications=publickey", "BatchMode=yes"]
        how += ["ControlMaster=no", "ControlPath=none"]
        answerer = self.place / "answer"
        answerer.write_text('#!/bin/sh\nprintf "%s\\n" "$ANSWER"\n')
        answerer.chmod(0o700)
        return subprocess.run(
            ["ssh", "-F", str(self.state_dir / "ssh" / "config"), "-l", who]
            + [part for option in how for part in ("-o", option)]
            + [host, *command],
            env={
                **self.kdc.environment,
                "ANSWER": word or "",
                "SSH_ASKPASS": str(answerer),
                "SSH_ASKPASS_REQUIRE": "force",
            },
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def gets_in(self, host: str, who: str, word: str | None = None, *, ticket: bool = False) -> bool:
        """Whether somebody does; where not, it was said that he may not, and not that nobody is there."""
        done = self.ssh(host, who, "id", "-un", word=word, ticket=ticket)
        if done.returncode == 0:
            assert done.stdout.strip() == who
            return True
        assert re.search(r"Permission denied|Connection closed by|Authentication failed|expired", done.stderr), (
            done.stderr
        )
        return False

    def change_group(self, dn: str, change: str, member: str) -> None:
        """What the customer does in the directory, over TLS that is checked."""
        tls = ldap3.Tls(ca_certs_file=str(self.slapd.ca), validate=ssl.CERT_REQUIRED, valid_names=[SERVER])
        with ldap3.Connection(ldap3.Server(self.slapd.ldaps, tls=tls), ADMIN, ADMINS_WORD, auto_bind=True) as directory:
            assert directory.modify(dn, {"memberUid": [(change, [member])]}), directory.result


def held_to(context: Mapping[str, Any]) -> Assigned:
    """A standard of this area alone."""
    controls: dict[str, Any] = {id: {} for id in held_ids()}
    own = {"doors": {"version": "1", "title": {"en": "Doors", "nl": "Deuren"}, "class": "server", "controls": controls}}
    return assigning.assign(context, own, today=TODAY)


def waived(context: Mapping[str, Any]) -> dict[str, Any]:
    """The customer does without all of it, until tomorrow."""
    agreed = {"by": "M. Visser", "on": TODAY.isoformat(), "reference": "mail"}
    tomorrow = (TODAY + dt.timedelta(days=1)).isoformat()
    waiver = {"reason": "The move to the new directory", "owner": "A. de Vries", "expires": tomorrow, "agreed": agreed}
    return {**context, "waivers": dict.fromkeys(held_ids(), waiver)}


def held_ids() -> list[str]:
    return [control.id for control in catalogue().values() if control.role == "msp_sso"]


def statuses(told: Mapping[str, Any]) -> dict[str, str]:
    return {control: record["status"] for control, record in told["records"].items()}


def on_both(call: Any) -> dict[str, Any]:
    with ThreadPoolExecutor(len(NAMES)) as pool:
        return dict(zip(NAMES, pool.map(call, NAMES), strict=True))


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    packages.ensure(step, [*lab_ldap.missing(), *kerberos.missing()])
    if missing := [*lab_ldap.missing(), *kerberos.missing()]:
        pytest.skip(f"not installed: {missing[0].name}")
    machines = [machine for machine in NEWCOMERS if machine.name in NAMES]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("sso"), (), Bed) as made:
        gateway = str(made.rows[TWELVE]["gateway"])
        with (
            lab_ldap.slapd(BASE, DATA, host=gateway, names=[SERVER], admin=ADMIN) as made.slapd,
            kerberos.kdc(REALM, BY_KERBEROS, host=gateway) as made.kdc,
        ):
            made.kdc.keytab(f"host/{TWELVE}")
            on_both(lambda host: made.sh(host, PREPARE.format(gateway=gateway)))
            yield made


# -- before it is joined ------------------------------------------------------------------------------------------


def test_where_no_directory_was_chosen_nothing_applies_and_where_one_was_it_is_drift(bed: Bed) -> None:
    nothing, chosen = {"name": "doors"}, bed.wanted(THIRTEEN)

    found = bed.judged({TWELVE: nothing, THIRTEEN: chosen})

    assert set(statuses(found[TWELVE]).values()) == {"not applicable"}
    assert found[TWELVE]["enforce"] == {}
    assert [id for id, status in statuses(found[THIRTEEN]).items() if status != "not applicable"] == ["sso-joined"]
    assert found[THIRTEEN]["enforce"] == {"msp_sso": ["sso-joined"]}


@pytest.fixture(scope="module")
def lacking(bed: Bed) -> dict[str, Any]:
    """What a scan finds on new hosts."""
    return bed.judged({host: bed.wanted(host) for host in NAMES})


def test_check_mode_shows_what_would_be_done_and_no_secret_and_does_nothing(bed: Bed, lacking: dict[str, Any]) -> None:
    before = bed.look(TWELVE)

    ran = bed.roles({TWELVE: lacking[TWELVE]}, check=True)

    assert ran.told == {TWELVE: {}}, ran.output
    assert bed.look(TWELVE) == before
    for shown in (
        "+ldap_uri = ldap://",
        "+ldap_id_use_start_tls = true",
        "+ldap_tls_reqcert = demand",
        "+simple_allow_groups = linux-users",
        "+%linux-admins ALL=(ALL:ALL) ALL",
    ):
        assert shown in ran.output
    assert min(ran.changed.values()) > 5


def test_a_server_that_somebody_else_vouches_for_is_refused_and_a_lockout_is_brought_back_by_the_host(
    bed: Bed, lacking: dict[str, Any], tmp_path: Path
) -> None:
    """Debian 12 trusts another authority. On Debian 13 what is installed has PAM lock everybody out."""
    bed.sh(THIRTEEN, BROKEN)
    before = on_both(bed.look)
    lab_ldap.write_certificates(tmp_path, "somebody else", [SERVER])
    other = bed.wanted(TWELVE, sso_joined={"authority": (tmp_path / "ca.pem").read_text()})
    found = bed.judged({TWELVE: other})
    begun = bed.begin({TWELVE: [bed.role(TWELVE, found[TWELVE])], THIRTEEN: [bed.role(THIRTEEN, lacking[THIRTEEN])]})

    def tries() -> bool:
        """A login of the role's own, by which it would prove one: what it installs has come to its end before that."""
        own = f"ControlPath=none .*{bed.rows[THIRTEEN]['address']}"
        return subprocess.run(["pgrep", "--full", "--", own], capture_output=True, check=False).returncode == 0

    until(tries, "a login to prove one")
    until(lambda: not tries(), "its refusal")
    assert bed.ssh(THIRTEEN, USER, "true").returncode != 0
    # The end of the guard's hour: systemd starts what its timer starts.
    bed.on(THIRTEEN, "systemctl", "start", lockout_units.SERVICE)

    ran = bed.end(begun)

    said = json.dumps(ran.told[TWELVE])
    assert "MSP-SSO-007" in said and "no answer" in said, ran.output
    said = json.dumps(ran.told[THIRTEEN])
    assert "MSP-STD-082" in said or "MSP-STD-089" in said, ran.output
    assert "directory /etc/pam.d" in said
    # What was installed stays; nothing of it has a say.
    after = on_both(bed.look)
    assert {host: before[host] ^ after[host] for host in NAMES} == {host: set() for host in NAMES}
    assert [host for host in NAMES if bed.ssh(host, USER, "sudo", "-n", "true").returncode] == []
    bed.sh(THIRTEEN, "rm /usr/share/pam-configs/broken")


# -- joined -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def joined(bed: Bed) -> dict[str, Any]:
    """What a scan finds after the role has done what a scan before found lacking."""
    contexts = {host: bed.wanted(host) for host in NAMES}
    ran = bed.roles(bed.judged(contexts))
    assert ran.told == {host: {} for host in NAMES}, ran.output
    return bed.judged(contexts)


def test_a_host_is_joined_in_one_run_and_a_second_one_changes_nothing(bed: Bed, joined: dict[str, Any]) -> None:
    for host, tickets in ((TWELVE, "compliant"), (THIRTEEN, "not applicable")):
        found = statuses(joined[host])
        assert {**found, "sso-accounts": ""} == {
            **dict.fromkeys(found, "compliant"),
            "sso-tickets": tickets,
            "sso-accounts": "",
        }, joined[host]["records"]
        assert joined[host]["enforce"] == {}
        # The account by which the run came is not locked, nor any other before somebody was seen to log in.
        record = joined[host]["records"]["sso-accounts"]
        assert record["status"] == "drift" and "sso-accounts" in joined[host]["left"]
        assert "old-anna: nobody of the directory was seen to log in" in record["reason"]
    before = on_both(bed.look)
    assert {"/etc/krb5.keytab 600 0 0", "/etc/sssd/conf.d/zz-msp-secret.conf 600 0 0"} < before[TWELVE]
    assert {"/etc/sssd/conf.d/zz-msp-secret.conf 640 0 0"} < before[THIRTEEN]
    everything = {
        host: {**of_host, "enforce": {"msp_sso": [id for id in held_ids() if id != "sso-online"]}}
        for host, of_host in joined.items()
    }

    ran = bed.roles(everything, check=True)

    assert ran.told == {host: {} for host in NAMES}, ran.output
    assert ran.changed == dict.fromkeys(NAMES, 0), ran.output
    assert on_both(bed.look) == before


def test_people_log_in_by_password_and_by_ticket_and_only_those_agreed_on(bed: Bed, joined: dict[str, Any]) -> None:
    for host in NAMES:
        word, other = WORDS[host]["anna"], WORDS[next(name for name in NAMES if name != host)]["anna"]
        script = "sudo -S -p '' whoami; stat -c '%a %U' ~; pwd"
        done = bed.ssh(host, "anna", script, word=word, text=f"{word}\n")
        # root by her group; a home that is hers alone.
        assert done.stdout.split() == ["root", "700", "anna", "/home/anna"], done
        # The host asks the KDC or the directory, as was agreed, and not the other one.
        assert not bed.gets_in(host, "anna", other)
        # Known, with a good password, and not among those agreed on.
        assert not bed.gets_in(host, "carla", WORDS[host]["carla"])
        # One group may do less with sudo than the other.
        word = WORDS[host]["bram"]
        script = "sudo -S -p '' /usr/bin/id -u; sudo -S -p '' -k /usr/bin/whoami || echo refused"
        assert bed.ssh(host, "bram", script, word=word, text=f"{word}\n{word}\n").stdout.split() == ["0", "refused"]
    bed.kdc.ticket("anna", BY_KERBEROS["anna"])
    assert [bed.gets_in(host, "anna", ticket=True) for host in NAMES] == [True, False]
    bed.kdc.ticket("carla", BY_KERBEROS["carla"])
    assert not bed.gets_in(TWELVE, "carla", ticket=True)


def test_who_is_taken_out_of_a_group_is_out_within_seconds(bed: Bed, joined: dict[str, Any]) -> None:
    """SSSD remembers for ten minutes who somebody is, and asks anew at each login, but for one right after another."""

    def in_nowhere(who: str) -> bool:
        return not any(bed.gets_in(host, who, WORDS[host][who]) for host in NAMES)

    def is_root(host: str) -> bool:
        word = WORDS[host]["anna"]
        return bed.ssh(host, "anna", "sudo -k -S -p '' whoami", word=word, text=f"{word}\n").stdout.strip() == "root"

    assert all(bed.gets_in(host, "bram", WORDS[host]["bram"]) and is_root(host) for host in NAMES)
    bed.change_group(USERS, ldap3.MODIFY_DELETE, "bram")
    bed.change_group(ADMINS, ldap3.MODIFY_DELETE, "anna")
    try:
        begin = time.monotonic()
        until(lambda: in_nowhere("bram"), "bram is out")
        seconds = time.monotonic() - begin
        until(lambda: not any(map(is_root, NAMES)), "anna is no administrator any more")
        bed.kdc.ticket("bram", BY_KERBEROS["bram"])
        assert not bed.gets_in(TWELVE, "bram", ticket=True)
        print(f"bram was out after {seconds:.1f} s")
        assert seconds < 60
    finally:
        bed.change_group(USERS, ldap3.MODIFY_ADD, "bram")
        bed.change_group(ADMINS, ldap3.MODIFY_ADD, "anna")


def test_accounts_that_the_directory_replaces_are_locked_once_it_is_proven_and_never_one_in_use(
    bed: Bed, joined: dict[str, Any]
) -> None:
    contexts = {host: bed.wanted(host) for host in NAMES}
    # Reported, and no more, where nobody said that they may be locked.
    reported = bed.judged({TWELVE: bed.wanted(TWELVE, sso_accounts={"lock": False})})[TWELVE]
    assert reported["enforce"] == {} and "old-anna" in reported["records"]["sso-accounts"]["found"]
    found = bed.judged(contexts)
    assert [of_host["enforce"] for of_host in found.values()] == 2 * [{"msp_sso": ["sso-accounts"]}]
    assert [bed.gets_in(host, "old-anna") for host in NAMES] == [True, True]

    ran = bed.roles(found)

    assert ran.told == {host: {} for host in NAMES}, ran.output
    for host, after in bed.judged(contexts).items():
        # A key opens it no more either.
        opened = {who: bed.gets_in(host, who) for who in (*LOCALS, USER)}
        assert opened == {"old-anna": False, "bert": True, "emergency": True, USER: True}
        assert after["enforce"] == {} and after["left"] == ["sso-accounts"]
        reason = after["records"]["sso-accounts"]["reason"]
        for why in ("bert: a crontab", "emergency: it is kept, as was agreed", f"{USER}: this measurement came by it"):
            assert why in reason


# -- the directory is away ----------------------------------------------------------------------------------------


def soon(call: Any) -> bool:
    """Whether it is so, and nobody waited for a directory. This machine may be busy."""
    begin = time.monotonic()
    found = bool(call())
    assert time.monotonic() - begin < 10
    return found


def it_is_said_and_nothing_is_brought_about_for_it(bed: Bed) -> None:
    for after in bed.judged({host: bed.wanted(host) for host in NAMES}).values():
        assert after["records"]["sso-online"]["status"] == "drift" and "sso-online" in after["left"]
        assert after["enforce"] == {} and after["records"]["sso-joined"]["status"] == "compliant"
    for after in bed.judged({host: waived(bed.wanted(host)) for host in NAMES}).values():
        assert statuses(after)["sso-online"] == "waived"


@pytest.mark.parametrize("how", ["hangs", "is down"])
def test_while_the_directory_is_away_who_was_there_before_gets_in_and_so_does_the_automation(
    bed: Bed, joined: dict[str, Any], how: str
) -> None:
    for host in NAMES:
        assert bed.gets_in(host, "anna", WORDS[host]["anna"])
    # What is remembered is out of date at once.
    on_both(lambda host: bed.sh(host, "sss_cache -E"))
    servers = (bed.slapd, bed.kdc)
    for server in servers:
        if how == "hangs":
            os.kill(server.process.pid, signal.SIGSTOP)
        else:
            server.stop()
    try:
        for host in NAMES:
            assert soon(lambda host=host: bed.ssh(host, USER, "sudo", "-n", "true").returncode == 0)
            assert soon(lambda host=host: bed.gets_in(host, "emergency"))
        # The first of the directory waits until it is given up, nobody after that.
        assert on_both(lambda host: bed.gets_in(host, "anna", WORDS[host]["anna"])) == dict.fromkeys(NAMES, True)
        for host in NAMES:
            assert soon(lambda host=host: bed.gets_in(host, "anna", WORDS[host]["anna"]))
            assert not bed.gets_in(host, "anna", "not her word")
            # He may, and was never here.
            assert not bed.gets_in(host, "dirk", WORDS[host]["dirk"])
            assert soon(lambda host=host: bed.ssh(host, USER, "sudo", "-n", "true").returncode == 0)
        if how == "is down":
            it_is_said_and_nothing_is_brought_about_for_it(bed)
    finally:
        for server in servers:
            if how == "hangs":
                os.kill(server.process.pid, signal.SIGCONT)
            else:
                server.start_again()
    until(
        lambda: (
            all(bed.gets_in(host, "anna", WORDS[host]["anna"]) for host in NAMES)
            and not any("Offline" in bed.sh(host, f"sssctl domain-status -o {DOMAIN}") for host in NAMES)
        ),
        "the directory is there again",
    )


# -- what people do by hand ---------------------------------------------------------------------------------------

BREAK = """
cd /etc/sssd/conf.d
sed -i 's/^ldap_schema.*/ldap_schema = rfc2307bis/' ../sssd.conf
sed -i 's/^ldap_tls_reqcert.*/ldap_tls_reqcert = never/' zz-msp-tls.conf
sed -i 's/^access_provider.*/access_provider = permit/' zz-msp-access.conf
sed -i 's/^cache_credentials.*/cache_credentials = false/' zz-msp-offline.conf
rm /etc/sudoers.d/zz-msp-sso
DEBIAN_FRONTEND=noninteractive pam-auth-update --disable msp-mkhomedir
"""
# On one host all of it takes effect, on the other nobody has started SSSD anew, and PAM asks it about nobody.
BREAK_MORE = BREAK + "rm ../../ssh/sshd_config.d/00-msp-sso-tickets.conf; systemctl reload ssh; systemctl restart sssd"
BREAK_PAM = BREAK + "DEBIAN_FRONTEND=noninteractive pam-auth-update --disable sss"
BROKEN_CONTROLS = {"sso-joined", "sso-tls", "sso-access", "sso-sudo", "sso-offline", "sso-homes"}


def test_what_people_change_is_drift_or_waived_and_put_right(bed: Bed, joined: dict[str, Any]) -> None:
    bed.sh(TWELVE, BREAK_MORE)
    bed.sh(THIRTEEN, BREAK_PAM)
    contexts = {host: bed.wanted(host) for host in NAMES}
    wrong = {TWELVE: BROKEN_CONTROLS | {"sso-tickets"}, THIRTEEN: BROKEN_CONTROLS}
    # Now everybody of the directory gets in, and is known to nobody here.
    assert bed.gets_in(TWELVE, "carla", WORDS[TWELVE]["carla"])

    found = bed.judged(contexts)
    forgiven = bed.judged({host: waived(context) for host, context in contexts.items()})

    for host, of_host in found.items():
        assert {id for id, status in statuses(of_host).items() if status == "drift"} - {"sso-accounts"} == wrong[host]
        assert set(of_host["enforce"]["msp_sso"]) == wrong[host]
        assert {id for id in wrong[host] if statuses(forgiven[host])[id] == "waived"} == wrong[host]
        assert forgiven[host]["enforce"] == {}
    assert "sshd: SSSD is not asked" in found[THIRTEEN]["records"]["sso-access"]["found"]
    assert "(when it starts the next time)" in found[THIRTEEN]["records"]["sso-tls"]["found"]
    assert "(when it starts the next time)" not in found[TWELVE]["records"]["sso-tls"]["found"]

    ran = bed.roles(found)

    assert ran.told == {host: {} for host in NAMES}, ran.output
    for of_host in bed.judged(contexts).values():
        assert of_host["enforce"] == {} and of_host["left"] == ["sso-accounts"]
    assert not bed.gets_in(TWELVE, "carla", WORDS[TWELVE]["carla"])


def test_what_somebody_else_set_up_is_asked_about_and_only_what_is_waived_stays(
    bed: Bed, joined: dict[str, Any]
) -> None:
    """On Debian 12 a rule of sudo that nobody agreed on, and access that was waived; on Debian 13 SSSD is another's."""
    rule = "/etc/sudoers.d/somebody"
    bed.sh(
        TWELVE,
        f"echo '%everyone ALL=(ALL) NOPASSWD: ALL' >{rule}; chmod 440 {rule}; cd /etc/sssd/conf.d; "
        "sed -i 's/^simple_allow_groups.*/simple_allow_groups = everyone/' zz-msp-access.conf; "
        "sed -i 's/^cache_credentials.*/cache_credentials = false/' zz-msp-offline.conf",
    )
    bed.sh(
        THIRTEEN,
        "cp -a /etc/sssd /root/sssd; sed -i '1d; s/^ldap_schema.*/ldap_schema = rfc2307bis/' /etc/sssd/sssd.conf; "
        f"sed -i 's/{DOMAIN}/other.example/' /etc/sssd/sssd.conf /etc/sssd/conf.d/*; systemctl restart sssd",
    )
    waiver = waived({})["waivers"]["sso-access"]
    contexts = {TWELVE: {**bed.wanted(TWELVE), "waivers": {"sso-access": waiver}}, THIRTEEN: bed.wanted(THIRTEEN)}

    found = bed.judged(contexts)

    assert found[TWELVE]["enforce"] == {"msp_sso": ["sso-offline"]}
    assert set(found[TWELVE]["left"]) == {"sso-sudo", "sso-accounts"}
    assert "%everyone: ALL without a password" in found[TWELVE]["records"]["sso-sudo"]["reason"]
    assert found[THIRTEEN]["enforce"] == {}
    assert "sso-joined" in {row["control"] for row in found[THIRTEEN]["undecided"]}
    ran = bed.roles({TWELVE: found[TWELVE]})
    assert ran.told == {TWELVE: {}}, ran.output
    access = bed.judged({TWELVE: contexts[TWELVE]})[TWELVE]["records"]["sso-access"]
    assert (access["status"], "everyone" in access["found"]) == ("waived", True)

    # Once it is said that the other one may go, it does.
    decided = {THIRTEEN: bed.wanted(THIRTEEN, sso_joined={"replaces": ["other.example"]})}
    ran = bed.roles(bed.judged(decided))
    assert ran.told == {THIRTEEN: {}}, ran.output
    assert bed.judged(decided)[THIRTEEN]["enforce"] == {}
    assert bed.gets_in(THIRTEEN, "anna", WORDS[THIRTEEN]["anna"])
