# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who comes in with what, on a made host: its sshd answers as the test says, its PAM is Debian's with our lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import files, second_factor
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n" TOTP_AUTH\n12345678\n'  # noqa: S105 - made up
KEY, OTHER = "A" * 30, "B" * 30
CODE = "pam_google_authenticator.so user=root secret=/var/lib/msp-ops/mfa/${USER}"
INGROUP = "auth [success=ignore default=1] pam_succeed_if.so quiet user ingroup msp-mfa\n"
USERS = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/:/usr/sbin/nologin
msp:x:1000:1000::/home/msp:/bin/bash
msp-breakglass:x:1001:1001::/home/msp-breakglass:/bin/bash
anna:x:1002:1002::/home/anna:/bin/bash
bert:x:1003:1003::/home/bert:/bin/bash
cees:x:1004:1004::/home/cees:/bin/bash
idle:x:1005:1005::/home/idle:/bin/bash
gone:x:1006:1006::/home/gone:/bin/bash
"""
FILES = {
    **made_pam.DEBIAN,
    "/etc/pam.d/common-auth": made_pam.AUTH,
    "/etc/pam.d/sshd": f"{INGROUP}auth [success=done default=die] {CODE}\n{made_pam.SSHD}",
    "/etc/pam.d/sudo": f"{INGROUP}auth required {CODE}\n@include common-auth\n",
    "/etc/pam.d/login": "@include common-auth\n",
    "/etc/passwd": USERS,
    "/etc/shadow": "".join(
        f"{name}:{word}:19000:0:99999:7:::\n"
        for name, word in (
            ("root", "*"),
            ("msp", "!"),
            ("msp-breakglass", "$y$x"),
            ("anna", "$y$x"),
            ("bert", "$y$x"),
            ("cees", "!"),
            ("idle", "!"),
        )
    )
    + "gone:$y$x:19000:0:99999:7::10:\n",
    "/etc/group": "root:x:0:\nanna:x:1002:\nmsp-mfa:x:990:anna\nmsp-mfa-fido2:x:991:cees\n",
    "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n",
    "/keys/msp": f"ssh-ed25519 {KEY} automation\n",
    "/keys/anna": f'from="192.0.2.1" ssh-ed25519 {OTHER} anna\n# ssh-ed25519 {KEY} not any more\n',
    "/keys/cees": f"sk-ssh-ed25519@openssh.com {'C' * 40} cees\n",
    f"{second_factor.STATE}/anna": SECRET,
}
PLAIN = {
    "usepam": "yes",
    "authorizedkeysfile": "/keys/%u",
    "authenticationmethods": "any",
    "pubkeyauthentication": "yes",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitrootlogin": "no",
    "pubkeyacceptedalgorithms": "ssh-ed25519,sk-ssh-ed25519@openssh.com",
    "pubkeyauthoptions": "none",
}
ASKED = {"authenticationmethods": "publickey,keyboard-interactive:pam", "kbdinteractiveauthentication": "yes"}
HARDWARE = {
    "pubkeyacceptedalgorithms": "sk-ssh-ed25519@openssh.com",
    "pubkeyauthoptions": "verify-required",
    "authenticationmethods": "publickey",
}
REFUSED = {"denyusers": "msp msp-breakglass"}
INSIDE = "10.1.0."


def sshd(*cases: tuple[str, Mapping[str, str]]) -> str:
    """A server that answers by what -C asks, whose end is the user: the first pattern that fits counts."""
    parts = [f"*{pattern}) {printed({**PLAIN, **said})} ;;" for pattern, said in cases]
    return 'case "$*" in\n' + "\n".join(parts) + f"\n*) {printed(PLAIN)} ;;\nesac"


def printed(settings: Mapping[str, str]) -> str:
    return "; ".join(f"echo {name} '{value}'" for name, value in settings.items())


# Nobody was ever enrolled.
NOBODY = {name: text for name, text in FILES.items() if not name.startswith(second_factor.STATE)} | {
    "/etc/group": "root:x:0:\nanna:x:1002:\n",
    "/etc/pam.d/sshd": made_pam.SSHD,
}
SHOWN = {"sshd": sshd(), "getent": "exit 2"}
ENFORCED = sshd(("user=anna", ASKED), ("user=cees", HARDWARE))


@pytest.fixture(autouse=True)
def owned(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whose the files of secrets are is not for a test to set, who need not be root."""
    real = files.look

    def look(host: Any, path: str) -> Any:
        found = real(host, path)
        if found is None:
            return None
        fields = list(found)
        fields[4] = 0 if not path.endswith("bert") else 1003
        return type(found)(fields)

    monkeypatch.setattr(second_factor, "look", look)
    yield


def made(tmp_path: Path, server: str = ENFORCED, **files: str) -> Reader:
    reader = made_reader(tmp_path, {**FILES, **files}, {"sshd": server, "getent": "exit 2"}, today=20000)
    for name in (tmp_path / second_factor.STATE.lstrip("/")).iterdir():
        name.chmod(0o600)
    return reader


WHO = {"automation": "msp", "break_glass": "msp-breakglass"}


def test_people_are_those_who_can_log_in_and_each_is_told_with_what_they_have(tmp_path: Path) -> None:
    found = second_factor.enrolment(made(tmp_path), **WHO)

    # idle has nothing to log in with, the account of gone is over, and two are not people.
    assert found["people"] == ["anna", "bert", "cees"]
    assert found["enrolled"] == ["anna: code", "cees: security key"]
    assert found["missing"] == ["bert"]
    assert (found["wrong"], found["begun"]) == ([], True)
    assert second_factor.enrolment(made(tmp_path), **WHO, exempt=("bert",))["missing"] == []


@pytest.mark.parametrize(
    ("name", "text", "mode", "why"),
    [
        ("bert", SECRET, 0o600, "is not root's alone (0600)"),
        ("anna", SECRET, 0o640, "is not root's alone (0640)"),
        ("anna", "short\n", 0o600, "has no secret in its first line"),
        ("anna", "", 0o600, "has no secret in its first line"),
    ],
)
def test_a_secret_that_is_not_kept_as_it_has_to_be_is_told_and_is_none(
    tmp_path: Path, name: str, text: str, mode: int, why: str
) -> None:
    reader = made(tmp_path, **{f"{second_factor.STATE}/{name}": text})
    (tmp_path / second_factor.STATE.lstrip("/") / name).chmod(mode)
    found = second_factor.enrolment(reader, **WHO)

    assert f"{second_factor.STATE}/{name} {why}" in found["wrong"]
    assert name in found["missing"]
    assert SECRET[:32] not in json.dumps(found)


def test_what_waits_for_its_first_code_is_no_second_factor_yet(tmp_path: Path) -> None:
    reader = made(tmp_path, **{f"{second_factor.WAITING}/bert": SECRET})
    found = second_factor.enrolment(reader, **WHO)

    assert (found["missing"], found["with_code"]) == (["bert (its first code is awaited)"], ["anna"])
    asked = second_factor.by_ssh(reader, "enrolled", **WHO)
    assert (asked["to_ask"], asked["undecided"]) == ([], [])
    assert second_factor.by_ssh(reader, "everybody", **WHO)["undecided"] == ["bert"]
    assert second_factor.by_pam(reader, "sudo")["to_ask"] == []


def test_nothing_has_begun_before_anybody_is_enrolled(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, NOBODY, SHOWN)
    found = [
        second_factor.enrolment(reader, **WHO),
        second_factor.by_ssh(reader, "enrolled", **WHO),
        second_factor.by_pam(reader, "sudo"),
    ]
    assert [one["begun"] for one in found] == [False] * 3
    assert [one["without"] for one in found[1:]] == [[], []]


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("/etc/group", "msp-mfa:x:990:anna\n", True),
        ("/etc/group", "msp-mfa-fido2:x:991:anna\n", False),
        ("/etc/ssh/sshd_config.d/00-msp-mfa-ssh.conf", "UsePAM yes\n", False),
    ],
)
def test_where_all_second_factors_are_lost_nothing_is_over(tmp_path: Path, path: str, text: str, told: bool) -> None:
    reader = made_reader(tmp_path, {**NOBODY, path: text}, SHOWN)
    found = second_factor.enrolment(reader, **WHO)
    assert found["begun"] and found["missing"]
    assert ("anna is asked for a code and has none" in found["wrong"]) is told
    for measured in (second_factor.by_ssh(reader, "enrolled", **WHO), second_factor.by_pam(reader, "sudo")):
        assert measured["begun"]
        # It takes people: no role goes at it every night.
        assert measured["without"] == measured["out_of_reach"]["without"] == ["nobody has a second factor any more"]
        assert measured["within_reach"]["without"] == []


ROTATED = {
    "/etc/shadow": FILES["/etc/shadow"].replace("root:*:", "root:$y$x:"),
    "/var/lib/msp-ops/local-admin/root/state.json": "{}",
}


@pytest.mark.parametrize(
    ("permitted", "keys", "person"),
    [
        ("no", KEY, False),
        ("prohibit-password", "", False),
        ("prohibit-password", f"ssh-ed25519 {'D' * 30}\n", True),
        ("yes", "", True),
    ],
)
def test_an_account_whose_password_is_rotated_is_a_person_only_where_it_comes_in_by_ssh(
    tmp_path: Path, permitted: str, keys: str, person: bool
) -> None:
    said = {"permitrootlogin": permitted, "passwordauthentication": "yes"}
    server = sshd(("user=anna", ASKED), ("user=cees", HARDWARE), ("user=root", said))
    reader = made(tmp_path, server, **ROTATED, **{"/keys/root": keys})

    assert ("root" in second_factor.enrolment(reader, **WHO)["missing"]) is person
    assert ("root" in second_factor.by_ssh(reader, "everybody", **WHO)["undecided"]) is person
    # Without the host's own record of it, it is one of all.
    other = {name: text for name, text in ROTATED.items() if name == "/etc/shadow"}
    assert "root" in second_factor.enrolment(made(tmp_path / "plain", server, **other), **WHO)["missing"]


def test_who_is_asked_and_should_not_be_is_told(tmp_path: Path) -> None:
    asks = (
        f"auth [success=1 default=ignore] pam_succeed_if.so quiet user in msp\nauth [success=done default=die] {CODE}\n"
    )
    everybody = {"/etc/pam.d/sshd": asks + made_pam.SSHD}
    server = sshd(("user=msp", {}), ("user=*", ASKED))
    reader = made(tmp_path, server, **everybody)

    assert second_factor.by_ssh(reader, "everybody", **WHO)["kept_out"] == ["msp-breakglass"]
    assert second_factor.by_ssh(reader, "everybody", **WHO, exempt="bert")["kept_out"] == ["bert", "msp-breakglass"]
    # What was for everybody is for the enrolled now: cees has a security key, anna a code.
    assert "bert" in second_factor.by_ssh(reader, "enrolled", **WHO)["kept_out"]
    assert not {"anna", "cees"} & set(second_factor.by_ssh(reader, "enrolled", **WHO)["kept_out"])
    assert second_factor.by_ssh(made(tmp_path / "not"), "enrolled", **WHO)["kept_out"] == []


def test_the_account_of_logins_that_work_once_is_never_asked_whatever_is_exempt(tmp_path: Path) -> None:
    users = USERS + "msp-technician:x:1010:1010::/home/t:/bin/bash\n"
    shadow = FILES["/etc/shadow"] + "msp-technician:$y$x:19000:0:99999:7:::\n"
    reader = made(tmp_path, **{"/etc/passwd": users, "/etc/shadow": shadow})

    assert "msp-technician" not in second_factor.enrolment(reader, **WHO, exempt="backup")["missing"]
    assert "msp-technician" not in second_factor.by_ssh(reader, "everybody", **WHO, exempt="backup")["undecided"]


def sudoers(*specs: dict[str, Any], **more: Any) -> str:
    return "echo '%s'" % json.dumps({"User_Specs": list(specs), **more})


def spec(who: dict[str, str], authenticate: bool | None) -> dict[str, Any]:
    options = [] if authenticate is None else [{"authenticate": authenticate}]
    commands = [{"command": "ALL"}]
    return {"User_List": [who], "Cmnd_Specs": [{"runasusers": [], "Options": options, "Commands": commands}]}


OFF = {"Defaults": [{"Options": [{"authenticate": False}]}]}
UNASKED = ["sudo asks anna for nothing"]


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        (sudoers(spec({"username": "anna"}, False)), UNASKED),
        (sudoers(spec({"usergroup": "msp-mfa"}, False)), UNASKED),
        (sudoers(spec({"username": "bert"}, False)), []),
        (sudoers(spec({"username": "anna"}, None)), []),
        (sudoers(spec({"username": "anna"}, None), **OFF), UNASKED),
        (sudoers(spec({"username": "anna"}, True), **OFF), []),
    ],
)
def test_whom_sudo_asks_for_nothing_it_asks_for_no_code(tmp_path: Path, rules: str, left: list[str]) -> None:
    reader = made_reader(
        tmp_path, FILES, {"sshd": ENFORCED, "getent": "exit 2", "sudo": "exit 0", "cvtsudoers": rules}, today=20000
    )
    (tmp_path / second_factor.STATE.lstrip("/") / "anna").chmod(0o600)
    found = second_factor.by_pam(reader, "sudo")

    assert found["without"] == left
    if left:
        assert found["within_reach"]["without"] == [] and found["out_of_reach"]["without"] == left
    # The console is none of sudo's.
    assert second_factor.by_pam(reader, "login")["without"] == ["login: anna"]


def test_only_the_enrolled_are_looked_at_or_everybody_and_who_would_be_locked_out_is_named(tmp_path: Path) -> None:
    enrolled = second_factor.by_ssh(made(tmp_path), "enrolled", **WHO)
    everybody = second_factor.by_ssh(made(tmp_path), "everybody", **WHO)

    assert (enrolled["without"], enrolled["undecided"], enrolled["begun"]) == ([], [], True)
    assert (everybody["without"], everybody["undecided"]) == (["bert: publickey"], ["bert"])
    assert second_factor.by_ssh(made(tmp_path), "everybody", **WHO, locked_out="bert")["undecided"] == []
    assert second_factor.by_ssh(made(tmp_path), "everybody", **WHO, exempt="bert")["without"] == []


SSS = {"/etc/nsswitch.conf": "passwd: files systemd sss\n", "/etc/sssd/sssd.conf": "[sssd]\n"}


def test_people_of_a_directory_are_nobody_that_could_be_left_out_without_asking(tmp_path: Path) -> None:
    joined = made(tmp_path / "a", **SSS)
    assert second_factor.enrolment(joined, **WHO)["missing"] == ["bert", "@directory"]
    assert second_factor.enrolment(joined, **WHO, exempt=("bert", "@directory"))["missing"] == []
    assert second_factor.by_ssh(joined, "everybody", **WHO)["undecided"] == ["@directory", "bert"]
    assert second_factor.by_ssh(joined, "everybody", **WHO, locked_out=("bert", "@directory"))["undecided"] == []
    assert second_factor.by_ssh(joined, "enrolled", **WHO)["undecided"] == []

    # As Debian's package leaves it, with no SSSD set up.
    named = made(tmp_path / "b", **{"/etc/nsswitch.conf": SSS["/etc/nsswitch.conf"]})
    assert second_factor.enrolment(named, **WHO)["missing"] == ["bert"]
    assert second_factor.by_ssh(named, "everybody", **WHO)["undecided"] == ["bert"]


def test_who_is_enrolled_and_not_asked_is_told_with_the_way_and_is_to_be_asked(tmp_path: Path) -> None:
    plain = second_factor.by_ssh(made(tmp_path, sshd(), **{"/etc/group": "anna:x:1002:\n"}), "enrolled", **WHO)
    assert plain["without"] == ["anna: publickey"]
    assert plain["to_ask"] == ["anna"]
    # The server asks for it, and PAM takes the password for an answer.
    other = made(tmp_path, **{"/etc/pam.d/sshd": made_pam.SSHD})
    assert second_factor.by_ssh(other, "enrolled", **WHO)["without"] == ["anna: publickey,keyboard-interactive"]


def test_a_block_of_somebody_else_that_lets_in_with_less_is_out_of_reach(tmp_path: Path) -> None:
    block = "Match Address 198.51.100.0/24\n AuthenticationMethods publickey\n"
    server = sshd(("addr=198.51.100.1,*user=anna", {}), ("user=anna", ASKED))
    found = second_factor.by_ssh(
        made(tmp_path, server, **{"/etc/ssh/sshd_config.d/50-office.conf": block}), "enrolled", **WHO
    )

    assert "anna: publickey (Match Address 198.51.100.0/24)" in found["without"]
    assert "Match Address 198.51.100.0/24 in /etc/ssh/sshd_config.d/50-office.conf" in found["out_of_reach"]["without"]
    assert not any("198.51.100" in one for one in found["within_reach"]["without"])
    ours = made(tmp_path / "ours", server, **{"/etc/ssh/sshd_config.d/00-msp-mfa-ssh.conf": block})
    assert "out_of_reach" not in second_factor.by_ssh(ours, "enrolled", **WHO)


def test_a_service_that_does_not_ask_is_named_with_whom_and_one_that_is_not_there_asks_nobody(tmp_path: Path) -> None:
    found = second_factor.by_pam(made(tmp_path), ("sudo", "login", "lightdm"))

    assert found == {"without": ["login: anna"], "found": ["sudo", "login"], "to_ask": [], "begun": True}
    assert second_factor.by_pam(made(tmp_path), "lightdm")["found"] == []


ALONE = {"authenticationmethods": "publickey"}
BY_PASSWORD = {"authenticationmethods": "password", "passwordauthentication": "yes"}
SHUT = (("user=msp", REFUSED), ("user=msp-breakglass", REFUSED))
OF_FENCED = ((f"addr={INSIDE}*user=msp", ALONE), (f"addr={INSIDE}*user=msp-breakglass", BY_PASSWORD), *SHUT)
FENCED = sshd(*OF_FENCED)
NETWORK = "10.1.0.0/24"


def test_the_automation_is_fenced_in_and_break_glass_has_its_way(tmp_path: Path) -> None:
    found = second_factor.by_source(made(tmp_path, FENCED), "msp", "msp-breakglass", NETWORK)

    assert found == {
        "wrong": [],
        "management": [NETWORK],
        "break_glass": True,
        "elsewhere": False,
        "begun": True,
        "unpunished": None,
    }
    assert second_factor.by_source(made(tmp_path, FENCED), "msp", "nobody", NETWORK)["break_glass"] is False


@pytest.mark.parametrize(
    ("server", "files", "why"),
    [
        (sshd(), {}, "msp comes in from 192.0.2.1"),
        # Just beside the network.
        (sshd(("addr=10.0.255.255*user=msp", ALONE), *OF_FENCED), {}, "msp comes in from 10.0.255.255"),
        (sshd(*SHUT), {}, "msp does not come in with its key alone from 10.1.0.1"),
        (
            sshd((f"addr={INSIDE}*user=msp", {"passwordauthentication": "yes"}), *SHUT),
            {},
            "msp comes in by password too",
        ),
        (
            sshd((f"addr={INSIDE}*user=msp", {}), *SHUT),
            {},
            "msp-breakglass does not come in with its password from 10.1.0.1",
        ),
        (FENCED, {"/keys/msp": "# none\n"}, "msp has no key"),
        (FENCED, {"/keys/bert": f"ssh-ed25519 {KEY} bert\n"}, "bert comes in with a key of msp"),
        (FENCED, {"/etc/pam.d/sshd": f"auth required {CODE}\n"}, "msp-breakglass is asked for a code"),
        (FENCED, {"/etc/passwd": USERS.replace("msp:x", "robot:x")}, "msp: no account with a shell has this name"),
    ],
)
def test_whatever_opens_another_way_or_shuts_the_right_one_is_told(
    tmp_path: Path, server: str, files: dict[str, str], why: str
) -> None:
    assert why in second_factor.by_source(made(tmp_path, server, **files), "msp", "msp-breakglass", NETWORK)["wrong"]


@pytest.mark.parametrize(
    ("exempt", "wrong"),
    [("none", True), (NETWORK, False), (f"192.0.2.7,{NETWORK}", False), ("0.0.0.0/0", False), ("10.1.0.0/25", True)],
)
def test_a_wrong_code_from_the_management_shuts_nobody_out(tmp_path: Path, exempt: str, wrong: bool) -> None:
    everybody = {"persourcepenalties": "crash:90 authfail:5", "persourcepenaltyexemptlist": exempt}
    server = FENCED.replace(
        "echo usepam 'yes'", " ".join(f"echo {k} '{v}';" for k, v in everybody.items()) + " echo usepam 'yes'"
    )
    found = second_factor.by_source(made(tmp_path, server), "msp", "msp-breakglass", NETWORK)

    assert found["unpunished"] == ([] if exempt == "none" else exempt.split(","))
    assert found["wrong"] == ([f"failed logins from {NETWORK} shut out whoever comes from there"] if wrong else [])


def test_without_addresses_that_is_told_once_somebody_is_enrolled_and_what_is_no_address_is_not_measured(
    tmp_path: Path,
) -> None:
    found = second_factor.by_source(made(tmp_path, sshd()), "msp", "msp-breakglass", ())
    assert (found["wrong"], found["begun"]) == (["nobody said from where the automation works"], True)
    nobody = second_factor.by_source(made_reader(tmp_path / "new", NOBODY, SHOWN), "msp", "msp-breakglass", ())
    assert (nobody["wrong"], nobody["begun"]) == ([], False)
    with pytest.raises(Unmeasurable, match=r"300\.1\.1\.1 is no address"):
        second_factor.by_source(made(tmp_path, sshd()), "msp", "msp-breakglass", "300.1.1.1")


def test_without_a_server_there_is_nothing_to_ask_of_it(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, FILES)
    with pytest.raises(Absent):
        second_factor.by_ssh(reader, "enrolled", **WHO)
    with pytest.raises(Absent):
        second_factor.by_source(reader, "msp", "msp-breakglass", NETWORK)


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("anna", True),
        ("anna.de-wit@example.com", True),
        ("_svc", True),
        ("", False),
        ("-x", False),
        ("../x", False),
        ("a/b", False),
        ("a" * 65, False),
        (".new-1", False),
        ("a\n", False),
        ("a b", False),
    ],
)
def test_what_can_be_the_name_of_an_account(name: str, may: bool) -> None:
    assert second_factor.accounts_name(name) is may


GLASS_FILE = "/etc/ssh/sshd_config.d/00-msp-break-glass.conf"
FENCE_FILE = "/etc/ssh/sshd_config.d/00-msp-mfa-automation.conf"


def test_where_another_control_says_from_where_break_glass_comes_in_that_is_not_said_twice(tmp_path: Path) -> None:
    # From the management it does not come in, and from elsewhere it does: as break-glass-login wants it.
    server = sshd(
        (f"addr={INSIDE}*user=msp-breakglass", REFUSED),
        ("user=msp-breakglass", BY_PASSWORD),
        (f"addr={INSIDE}*user=msp", ALONE),
        ("user=msp", REFUSED),
    )
    glass = {GLASS_FILE: "# ours\nMatch User msp-breakglass Address 192.0.2.0/24\n"}

    def measured(name: str, **files: str) -> dict[str, Any]:
        return second_factor.by_source(made(tmp_path / name, server, **files), "msp", "msp-breakglass", NETWORK)

    assert any("msp-breakglass" in one for one in measured("alone")["wrong"])
    found = measured("one", **glass)
    assert (found["wrong"], found["elsewhere"]) == ([], True)
    both = measured("both", **glass, **{FENCE_FILE: "Match User msp,msp-breakglass Address *\n"})
    assert both["wrong"] == ["two files say from where msp-breakglass comes in"]
    other = measured("other", **{GLASS_FILE: "Match User somebody Address 192.0.2.0/24\n"})
    assert other["elsewhere"] is False
    asked = measured("asked", **glass, **{"/etc/pam.d/sshd": f"auth required {CODE}\n"})
    assert asked["wrong"] == ["msp-breakglass is asked for a code"]
