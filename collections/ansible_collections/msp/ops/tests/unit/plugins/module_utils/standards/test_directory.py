# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is measured of a host's directory: out of SSSD's database and files, with stand-ins for its programs."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import directory
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import (
    called,
    made_reader,
    printing,
)
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.test_keytab import entry, file

CONF = "/etc/sssd/sssd.conf"
OPTIONS = {
    "id_provider": "ldap",
    "auth_provider": "ldap",
    "chpass_provider": "ldap",
    "ldap_uri": "ldaps://ldap.example.org",
    "ldap_search_base": "dc=example,dc=org",
    "ldap_schema": "rfc2307",
    "ldap_tls_reqcert": "demand",
    "access_provider": "simple",
    "simple_allow_groups": "users",
    "entry_cache_timeout": "600",
    "cache_credentials": "true",
}
CHOSEN: dict[str, Any] = {
    "domain": "example.org",
    "provider": "ldap",
    "servers": ("ldaps://ldap.example.org",),
    "base": "dc=example,dc=org",
    "schema": "rfc2307",
}
ACCOUNTS = "root:x:0:0::/root:/bin/bash\nmsp:x:1000:1000::/home/msp:/bin/bash\n"
ASKS = "account [default=bad success=ok user_unknown=ignore] pam_sss.so\n"
PAM = {"/etc/pam.d/sshd": f"session optional pam_mkhomedir.so umask=0077\n{ASKS}"}


def conf(options: Mapping[str, str], domains: str = "example.org") -> str:
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    pam = "[pam]\noffline_credentials_expiration = 7\n"
    return f"{directory.OURS}\n[sssd]\ndomains = {domains}\n{pam}[domain/example.org]\n{lines}"


def ldif(options: Mapping[str, str], domains: str = "example.org") -> str:
    lines = "".join(f"{name}: {value}\n" for name, value in options.items())
    return (
        f"dn: cn=sssd,cn=config\ndomains: {domains}\n\n"
        "dn: cn=pam,cn=config\noffline_credentials_expiration: 7\n\n"
        f"dn: cn=example.org,cn=domain,cn=config\n{lines}\n"
    )


def host(
    root: Path,
    files: Mapping[str, str] | None = None,
    in_force: Mapping[str, str] | None = None,
    programs: Mapping[str, str] | None = None,
) -> Reader:
    """A host whose SSSD runs with these options, if any; and has them in its file, unless files says otherwise."""
    every = {"/etc/passwd": ACCOUNTS, "/etc/group": "msp:x:1000:\n", **PAM}
    made = dict(programs or {})
    if in_force is not None:
        every.update({CONF: conf(in_force), "/proc/77/comm": "sssd\n"})
        made.setdefault("ldbsearch", printing(ldif(in_force)))
    return made_reader(root, {**every, **(files or {})}, made)


def test_a_host_that_is_as_chosen_differs_in_nothing(tmp_path: Path) -> None:
    found = directory.joined(host(tmp_path, in_force=OPTIONS), **CHOSEN)

    assert (found["chosen"], found["running"], found["different"], found["others"]) == (True, True, [], [])


def test_where_nothing_was_chosen_nothing_is_asked(tmp_path: Path) -> None:
    assert directory.joined(host(tmp_path, in_force=OPTIONS), "", "ldap")["chosen"] is False
    assert called(tmp_path) == []


def test_what_the_files_say_and_sssd_has_not_read_yet_is_told_apart(tmp_path: Path) -> None:
    changed = {CONF: conf({**OPTIONS, "ldap_schema": "rfc2307bis", "ldap_tls_reqcert": "never"})}

    reader = host(tmp_path, changed, OPTIONS)

    assert directory.joined(reader, **CHOSEN)["different"] == [
        "ldap_schema is rfc2307bis (when it starts the next time)"
    ]
    weak = directory.measure(reader)["weak"]
    assert weak == ["example.org: ldap_tls_reqcert is never (when it starts the next time)"]


def test_a_file_that_is_dropped_in_has_the_last_word_but_no_hidden_one(tmp_path: Path) -> None:
    dropped = {
        "/etc/sssd/conf.d/zz.conf": "[domain/example.org]\naccess_provider = permit\n",
        "/etc/sssd/conf.d/.zzz.conf": "[domain/example.org]\nentry_cache_timeout = 9\n",
        "/etc/sssd/conf.d/zzz.conf.bak": "[domain/example.org]\ncache_credentials = false\n",
    }

    found = directory.measure(host(tmp_path, dropped, OPTIONS))

    assert found["admits"] == ["users", "everybody"]
    assert (found["cache_seconds"], found["uncached"]) == (600, [])


def test_sssd_that_does_not_run_is_said_and_its_old_database_does_not_count(tmp_path: Path) -> None:
    reader = host(tmp_path, {CONF: conf(OPTIONS)}, programs={"ldbsearch": printing(ldif({}, "other"))})

    assert directory.joined(reader, **CHOSEN)["different"] == ["SSSD does not run"]
    assert directory.measure(reader)["running"] is False
    assert called(tmp_path) == []


@pytest.mark.parametrize("program", [{}, {"ldbsearch": "exit 1"}])
def test_what_is_in_force_and_cannot_be_read_is_never_taken_for_right(tmp_path: Path, program: dict[str, str]) -> None:
    files = {CONF: conf(OPTIONS), "/proc/77/comm": "sssd\n"}

    reader = host(tmp_path, files, programs=program)

    assert any("ldbsearch" in one for one in directory.joined(reader, **CHOSEN)["different"])
    with pytest.raises(Unmeasurable, match="ldbsearch"):
        directory.measure(reader)


UNIX = "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n"
OF_HOST = "account sufficient pam_localuser.so\n"
SSS = "account [default=bad success=ok user_unknown=ignore] pam_sss.so\n"
PERMIT = "account required pam_permit.so\n"


@pytest.mark.parametrize(
    ("account", "asked"),
    [
        (ASKS, True),
        ("account required pam_sss.so\n", True),
        ("account required pam_unix.so\n", False),
        # It refuses, and nobody minds.
        ("account optional pam_sss.so\naccount required pam_permit.so\n", False),
        ("account sufficient pam_sss.so\naccount required pam_permit.so\n", False),
        # As authselect has it, and as Debian's pam-auth-update does.
        (f"account required pam_unix.so\n{OF_HOST}account sufficient pam_usertype.so issystem\n{SSS}{PERMIT}", True),
        (f"{UNIX}account requisite pam_deny.so\n{PERMIT}{OF_HOST}{SSS}", True),
        # Somebody comes before it, or says that it may be passed over.
        (f"account sufficient pam_unix.so\n{SSS}", False),
        (f"account sufficient pam_access.so\n{SSS}", False),
        (f"account sufficient pam_succeed_if.so user ingroup staff\n{SSS}{PERMIT}", False),
        (f"account [success=1 default=ignore] pam_succeed_if.so uid < 1000\n{SSS}{PERMIT}", True),
        (f"account [success=1 default=ignore] pam_succeed_if.so uid >= 1000\n{SSS}{PERMIT}", False),
        (f"account [default=ignore success=ok] pam_sss.so\n{PERMIT}", False),
        (f"account [default=bad success=ok authinfo_unavail=ignore] pam_sss.so\n{PERMIT}", False),
        (f"account required pam_time.so\n{SSS}", True),
        (f"{PERMIT}account required pam_sss.so ignore_authinfo_unavail\n", False),
        (f"account [success=ignore perm_denied=1 default=die] pam_localuser.so\n{SSS}{PERMIT}", False),
    ],
)
def test_a_login_that_does_not_ask_sssd_lets_everybody_of_the_directory_in(
    tmp_path: Path, account: str, asked: bool
) -> None:
    files = {"/etc/pam.d/sshd": f"session optional pam_mkhomedir.so umask=0077\n{account}"}
    found = directory.measure(host(tmp_path, files, OPTIONS))["unasked"]
    assert found == ([] if asked else ["sshd: SSSD is not asked"])


@pytest.mark.parametrize(
    ("su", "asked"),
    [
        # As the RHEL family has it: root becomes whom it likes, and nobody else is let past.
        (f"account sufficient pam_succeed_if.so uid = 0 use_uid quiet\n{SSS}{PERMIT}", True),
        (f"account sufficient pam_succeed_if.so uid >= 1000 use_uid quiet\n{SSS}{PERMIT}", False),
        (f"account sufficient pam_succeed_if.so user ingroup wheel use_uid\n{SSS}{PERMIT}", False),
    ],
)
def test_who_becomes_somebody_of_the_directory_needs_sssds_yes_too(tmp_path: Path, su: str, asked: bool) -> None:
    found = directory.measure(host(tmp_path, {"/etc/pam.d/su": su}, OPTIONS))["unasked"]
    assert found == ([] if asked else ["su: SSSD is not asked"])


def test_a_host_without_a_directory_is_told_as_one(tmp_path: Path) -> None:
    reader = host(tmp_path)

    assert directory.joined(reader, **CHOSEN)["different"] == [
        "example.org is not among the domains",
        "SSSD does not run",
    ]
    for measure in (directory.measure, directory.online):
        with pytest.raises(Absent):
            measure(reader)
    with pytest.raises(Absent):
        directory.sudo_rules(reader, ())


def test_another_directory_is_asked_about_unless_it_may_go(tmp_path: Path) -> None:
    reader = host(tmp_path, in_force={}, files={CONF: conf(OPTIONS, "example.org, old.example")})

    assert directory.joined(reader, **CHOSEN)["others"] == ["old.example"]
    found = directory.joined(reader, **CHOSEN, replaces=("old.example",))
    assert found["others"] == [] and "old.example is served too" in found["different"]


def test_the_authority_that_counts_is_the_one_in_its_file(tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
    options = {**OPTIONS, "ldap_tls_cacert": "/etc/ca.pem"}
    reader = host(tmp_path, {"/etc/ca.pem": pem.format("AAAA")}, options)

    assert directory.joined(reader, **CHOSEN, authority=pem.format("AA\nAA"))["different"] == []
    assert directory.joined(reader, **CHOSEN, authority=pem.format("BBBB"))["different"] == [
        "ldap_tls_cacert is /etc/ca.pem with others"
    ]


def test_whose_sssd_it_is_is_told_by_the_first_line_of_its_file(tmp_path: Path) -> None:
    assert directory.measure(host(tmp_path / "a", in_force=OPTIONS))["foreign"] is False
    theirs = {CONF: "[sssd]\ndomains = example.org\n"}
    assert directory.measure(host(tmp_path / "b", theirs, OPTIONS))["foreign"] is True


@pytest.mark.parametrize(
    ("stack", "found"),
    [
        ("session optional pam_mkhomedir.so umask=0077", []),
        ("session required pam_oddjob_mkhomedir.so umask=077", []),
        ("session optional pam_mkhomedir.so", ["sshd: a home is made that others can look into"]),
        ("session optional pam_mkhomedir.so umask=0022", ["sshd: a home is made that others can look into"]),
        ("session required pam_unix.so", ["sshd: no home is made"]),
    ],
)
def test_a_home_is_made_and_is_closed_to_others(tmp_path: Path, stack: str, found: list[str]) -> None:
    files = {"/etc/pam.d/sshd": stack + "\n", "/etc/login.defs": "UMASK 022\n"}

    assert directory.measure(host(tmp_path, files, OPTIONS))["homes"] == found


def test_without_a_word_of_its_own_a_home_is_as_login_defs_has_homes(tmp_path: Path) -> None:
    files = {"/etc/pam.d/sshd": "session optional pam_mkhomedir.so\n", "/etc/login.defs": "UMASK 022\nHOME_MODE 0700\n"}

    assert directory.measure(host(tmp_path, files, OPTIONS))["homes"] == []


# -- keys -----------------------------------------------------------------------------------------------------------

KERBEROS = {**OPTIONS, "auth_provider": "krb5", "krb5_realm": "EXAMPLE.ORG", "krb5_validate": "true"}


def with_key(root: Path, *names: str, mode: int = 0o600, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(socket, "gethostname", lambda: "app01")
    reader = host(root, in_force=KERBEROS)
    place = root / "etc/krb5.keytab"
    place.write_bytes(file(*(entry("host", name, realm="EXAMPLE.ORG") for name in names)))
    place.chmod(mode)
    if os.geteuid():
        pytest.skip("whose the file is cannot be set without root")
    return list(directory.measure(reader)["weak"])


@pytest.mark.parametrize("name", ["app01", "app01.example.org", "APP01"])
def test_a_host_with_a_key_of_its_own_can_tell_its_kdc(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_key(tmp_path, "other", name, monkeypatch=monkeypatch) == []


def test_a_key_of_another_host_or_that_others_may_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (why,) = with_key(tmp_path / "a", "app011", monkeypatch=monkeypatch)
    assert "no key of app01 in EXAMPLE.ORG" in why
    (why,) = with_key(tmp_path / "b", "app01", mode=0o640, monkeypatch=monkeypatch)
    assert "0640" in why


def test_with_kerberos_a_keytab_has_to_be_there(tmp_path: Path) -> None:
    assert directory.measure(host(tmp_path, in_force=KERBEROS))["weak"] == [
        "example.org: /etc/krb5.keytab is not there"
    ]


# -- whether it answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("says", "offline"), [("Online", []), ("Offline", ["example.org"])])
def test_a_domain_is_asked_for_somebody_new_before_sssd_says_whether_it_answers(
    tmp_path: Path, says: str, offline: list[str]
) -> None:
    programs = {"getent": "exit 2", "sssctl": f"echo 'Online status: {says}'"}

    reader = host(tmp_path, in_force=OPTIONS, programs=programs)

    assert directory.online(reader) == {"offline": offline}
    first, second = called(tmp_path)[-2:]
    assert first.startswith("getent -s sss passwd msp-") and first.endswith("@example.org")
    assert second.startswith("sssctl domain-status")


def test_a_word_of_sssctl_that_is_not_known_is_not_taken_for_online(tmp_path: Path) -> None:
    reader = host(tmp_path, in_force=OPTIONS, programs={"getent": "exit 2", "sssctl": "echo Online"})

    with pytest.raises(Unmeasurable, match="online"):
        directory.online(reader)


def test_a_person_is_only_known_by_the_directory_and_not_by_a_file_of_the_host(tmp_path: Path) -> None:
    getent = '[ "$2" = anna ] || [ "$2" = admins ] || exit 2; echo "$2:x:1:"'
    reader = host(tmp_path, in_force=OPTIONS, programs={"getent": getent})

    assert directory.names(reader, "anna", "admins") == {"unknown": []}
    assert directory.names(reader, "nobody1", "msp") == {"unknown": ["nobody1", "msp, which stands in /etc/group"]}
    assert directory.names(reader) == {"unknown": []}


def test_nss_that_fails_is_not_a_person_who_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="getent"):
        directory.names(host(tmp_path, in_force=OPTIONS, programs={"getent": "exit 3"}), "anna")


# -- sudo -----------------------------------------------------------------------------------------------------------

RULES = """{"User_Specs": [
  {"User_List": [{"usergroup": "admins"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]},
  {"User_List": [{"usergroup": "admins"}], "Cmnd_Specs": [
    {"Options": [{"authenticate": false}], "Commands": [{"command": "/bin/ls"}, {"command": "/bin/id"}]}]},
  {"User_List": [{"usergroup": "ghosts"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]},
  {"User_List": [{"usergroup": "msp"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}
]}"""


def test_rules_are_held_against_those_agreed_and_a_rule_without_a_password_is_another_one(tmp_path: Path) -> None:
    programs = {"sudo": "true", "cvtsudoers": printing(RULES), "getent": '[ "$4" = admins ] || exit 2; echo "$4:x:1:"'}
    reader = host(tmp_path, in_force=OPTIONS, programs=programs)

    found = directory.sudo_rules(reader, ("%admins: ALL", "%admins: /bin/ls, /bin/id"))

    # A group that nobody knows is nobody's, and one of the host itself is sudo-who's.
    assert found["missing"] == ["%admins: /bin/ls, /bin/id"]
    assert found["others"] == ["%admins: /bin/ls, /bin/id without a password"]
    assert found["within_reach"] == {"others": []}
