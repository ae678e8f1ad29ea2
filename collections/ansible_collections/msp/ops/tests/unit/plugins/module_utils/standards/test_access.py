# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can log in to a made host: its files, and what its programs say."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import access, directory
from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import CONSOLE, NETWORK
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import (
    called,
    made_reader,
    printing,
)

HASH = "$y$j9T$made$hash"
SSHD = """usepam yes
permitrootlogin prohibit-password
pubkeyauthentication yes
passwordauthentication {words}
kbdinteractiveauthentication no
gssapiauthentication no
authenticationmethods any
permitemptypasswords no
authorizedkeyscommand none
trustedusercakeys none
authorizedkeysfile .ssh/authorized_keys /etc/ssh/keys/%u
pubkeyacceptedalgorithms ssh-ed25519
allowtcpforwarding yes
disableforwarding no
"""
USERS = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
anna:x:1000:1000:Anna:/home/anna:/bin/sh
bert:x:1001:1001::/home/bert:/bin/sh
carl:x:1002:1002::/home/carl:/bin/none
dora:x:1003:1003::/home/dora:/bin/sh
www:x:33:33::/var/www:/usr/sbin/nologin
"""
SHADOW = f"""root:*:20000::::::
daemon:*:20000::::::
anna:{HASH}:20000:0:99999:7:::
bert:!{HASH}:20000::::::
carl:{HASH}:20000::::::
dora:{HASH}:20000:::::19000:
www:{HASH}:0::::::
"""
RULES = {
    "User_Specs": [
        {
            "User_List": [{"username": "ALL"}, {"username": "bert", "negated": True}],
            "Cmnd_Specs": [{"runasusers": [{"username": "ALL"}], "Commands": [{"command": "ALL"}]}],
        },
        {
            "User_List": [{"usergroup": "ops"}],
            "Cmnd_Specs": [{"Options": [{"authenticate": False}], "Commands": [{"command": "/bin/id"}]}],
        },
    ]
}


def key(kind: str = "ssh-ed25519", options: str = "") -> str:
    blob = base64.b64encode(len(kind).to_bytes(4, "big") + kind.encode() + b"\0" * 40).decode()
    return f"{options} {kind} {blob} somebody\n".lstrip()


def a_host(root: Path, *, config: str = "PasswordAuthentication yes\n", sshd: str = "", **files: str) -> Any:
    shells = {"/bin/sh": "", "/usr/sbin/nologin": ""}
    written = {
        **made_pam.DEBIAN,
        "/etc/passwd": USERS,
        "/etc/shadow": SHADOW,
        "/etc/group": "ops:x:90:bert\nanna:x:1000:\n",
        "/etc/login.defs": "UID_MIN 1000\n",
        "/etc/pam.d/login": "@include common-auth\n",
        "/etc/pam.d/sudo": "@include common-auth\n",
        "/etc/ssh/sshd_config": config,
        "/etc/sudoers": "",
        **shells,
        **files,
    }
    programs = {"sshd": sshd or printing(SSHD.format(words="yes")), "cvtsudoers": printing(json.dumps(RULES))}
    reader = made_reader(root, written, {**programs, "sudo": printing("Sudo version 1.9.13p3")})
    for shell in shells:
        (root / shell.lstrip("/")).chmod(0o755)
    return reader


def found(reader: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in access.measure(reader)["accounts"]}


def network(account: dict[str, Any]) -> list[list[str]]:
    return [way["proved"] for way in account["ways"] if way["place"] == NETWORK]


def test_every_account_is_told_by_its_ways(tmp_path: Path) -> None:
    reader = a_host(tmp_path, **{"/home/bert/.ssh/authorized_keys": key(), "/etc/ssh/keys/root": key()})
    told = access.measure(reader)
    accounts = {one["name"]: one for one in told["accounts"]}

    ways = {name: network(one) for name, one in accounts.items()}
    # Nobody gets in with a shell that is not there (carl), nor after the last day (dora).
    assert ways == {"root": [["key"]], "anna": [["password"]], "bert": [["key"]], "dora": [], "www": [["password"]]}
    assert (told["closed"], told["directory"], told["unknown"]) == (2, [], [])
    assert [way["limits"] for way in accounts["www"]["ways"]] == [["no shell"]]
    assert [one["proved"] for one in accounts["anna"]["ways"] if one["place"] == CONSOLE] == [["password"]]
    flags = {name: (one["person"], one["password"], one["locked"], one["expired"]) for name, one in accounts.items()}
    assert flags["anna"] == (True, "set", False, False)
    assert flags["bert"] == (True, "none", True, False)
    assert flags["dora"] == (True, "set", False, True)
    assert flags["www"][0] is False and accounts["www"]["must_change"] is True
    assert HASH not in json.dumps(told) and key().split()[1] not in json.dumps(told)


def test_sudo_is_told_with_what_it_asks(tmp_path: Path) -> None:
    accounts = found(a_host(tmp_path, **{"/home/bert/.ssh/authorized_keys": key()}))
    every = {"root": True, "commands": ["ALL"], "asks": [["password"]]}
    assert accounts["anna"]["sudo"] == [every]
    # Taken out of the first rule, and asked nothing by the second.
    assert accounts["bert"]["sudo"] == [{"root": True, "commands": ["/bin/id"], "asks": [[]]}]
    # root has no password that fits.
    assert accounts["root"]["sudo"] == [{**every, "asks": []}]


def test_sshd_is_asked_for_each_account_from_wherever_its_match_blocks_tell_logins_apart(tmp_path: Path) -> None:
    config = "PasswordAuthentication no\nMatch User anna Address 10.0.0.0/8\n  PasswordAuthentication yes\n"
    sshd = f"""case "$*" in
*addr=10.0.0.*user=anna*) {printing(SSHD.format(words="yes"))}
;;
*) {printing(SSHD.format(words="no"))}
;;
esac"""
    accounts = found(a_host(tmp_path, config=config, sshd=sshd))
    assert network(accounts["anna"]) == [["password"]]
    (way,) = [one for one in accounts["anna"]["ways"] if one["place"] == NETWORK]
    assert way["where"] == ["address 10.0.0.0/8"]
    assert "www" not in accounts
    asked = [line for line in called(tmp_path) if line.startswith("sshd -T -C")]
    assert len([line for line in asked if "user=anna" in line]) == 2
    assert all(f"user={name}" in " ".join(asked) for name in ("root", "anna", "bert", "carl", "dora", "www", "daemon"))


def test_what_cannot_be_told_is_said_of_each_account_and_is_no_way(tmp_path: Path) -> None:
    accounts = found(a_host(tmp_path, sshd="echo 'bad configuration' >&2; exit 255"))
    assert network(accounts["anna"]) == []
    assert any(why.startswith("ssh: sshd ended with status 255") for why in accounts["anna"]["unknown"])
    # An account that is shut otherwise may have keys for all that is known.
    assert any(why.startswith("ssh: ") for why in accounts["daemon"]["unknown"])


def test_a_match_block_that_nobody_can_ask_for_makes_ssh_unknown(tmp_path: Path) -> None:
    accounts = found(a_host(tmp_path, config="Match exec /bin/true\n  PasswordAuthentication yes\n"))
    assert any("exec" in why for why in accounts["anna"]["unknown"])
    assert network(accounts["anna"]) == []


def test_a_stack_of_pam_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    accounts = found(a_host(tmp_path, **{"/etc/pam.d/sshd": "auth sometimes pam_unix.so\n"}))
    assert any(why.startswith("ssh: PAM") for why in accounts["anna"]["unknown"])


def test_keys_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    reader = a_host(tmp_path)
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home/anna").symlink_to("anna")  # a loop, which no open file comes of
    assert any(why.startswith("its keys: ") for why in found(reader)["anna"]["unknown"])


def test_a_host_without_an_ssh_server_has_no_way_over_the_network(tmp_path: Path) -> None:
    reader = a_host(tmp_path)
    (tmp_path / "usr/sbin/sshd").unlink()
    accounts = found(reader)
    assert [network(one) for one in accounts.values()] == [[] for _one in accounts]
    assert all(one["unknown"] == [] for one in accounts.values())


def test_a_directory_has_accounts_that_are_told_as_far_as_they_are_known(tmp_path: Path) -> None:
    sss = "auth sufficient pam_unix.so\nauth sufficient pam_sss.so\nauth required pam_deny.so\n"
    reader = a_host(tmp_path, **{"/etc/nsswitch.conf": "passwd: files sss\ngroup: files\n", "/etc/pam.d/sshd": sss})
    for name, script in {
        "getent": """case "$*" in
"-s sss passwd") echo 'frits:*:20001:20001::/home/frits:/bin/sh';;
*anna*) echo 'anna:*:20002:20002::/home/anna:/bin/sh'; exit 2;;
*) exit 2;;
esac""",
        "id": "echo ops",
    }.items():
        place = tmp_path / "usr/sbin" / name
        place.write_text(f"#!/bin/sh\n{script}\n")
        place.chmod(0o755)

    told = access.measure(reader)

    accounts = {one["name"]: one for one in told["accounts"]}
    assert told["directory"] == ["sss"] and "sss" in told["unknown"][0]
    assert network(accounts["frits"]) == [["password"]]
    assert accounts["frits"]["source"] == "directory"
    # A local account that the directory has too, whatever its own password is.
    assert network(accounts["bert"]) == []


def a_joined_host(tmp_path: Path, getent: str) -> Any:
    reader = a_host(tmp_path, **{"/etc/nsswitch.conf": "passwd: files sss\ngroup: files\n"})
    for name, script in {"getent": getent, "id": "echo ops"}.items():
        place = tmp_path / "usr/sbin" / name
        place.write_text(f"#!/bin/sh\n{script}\n")
        place.chmod(0o755)
    return reader


def test_where_a_directory_does_not_answer_nobody_is_told_to_be_shut_out(tmp_path: Path) -> None:
    told = access.measure(a_joined_host(tmp_path, "exit 3"))
    accounts = {one["name"]: one for one in told["accounts"]}
    assert any("sss did not answer" in why for why in told["unknown"])
    assert any(why.startswith("its password: the directory sss") for why in accounts["bert"]["unknown"])
    assert any(why.startswith("its password: ") for why in accounts["root"]["unknown"])


def test_while_sssd_cannot_ask_nobody_is_told_to_be_shut_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """getent ends as it does of a stranger then."""
    monkeypatch.setattr(directory, "online", lambda _reader: {"offline": ["example.com"]})
    told = access.measure(a_joined_host(tmp_path, "exit 2"))
    accounts = {one["name"]: one for one in told["accounts"]}
    assert "the directory example.com does not answer" in told["unknown"]
    assert "its password: the directory example.com does not answer" in accounts["bert"]["unknown"]


def test_of_many_accounts_of_a_directory_it_is_said_that_not_all_were_looked_at(tmp_path: Path) -> None:
    many = """[ "$*" = "-s sss passwd" ] || exit 2
n=1; while [ $n -le 230 ]; do echo "u$n:*:$((20000+n)):20000::/home/u$n:/bin/sh"; n=$((n+1)); done"""
    told = access.measure(a_joined_host(tmp_path, many))
    assert "30 more accounts of a directory were not looked at" in told["unknown"]
    assert len([one for one in told["accounts"] if one["source"] == "directory"]) == 200


@pytest.mark.parametrize(
    ("word", "kind"),
    [("", "empty"), ("*", "none"), ("!", "none"), ("!!", "none"), (HASH, "set"), ("x" * 13, "set"), ("NP", "none")],
)
def test_a_password_is_told_by_whether_one_fits(word: str, kind: str) -> None:
    assert access._password(word) == kind


def test_a_shadow_that_cannot_be_read_is_no_host_without_passwords(tmp_path: Path) -> None:
    reader = a_host(tmp_path)
    (tmp_path / "etc/shadow").unlink()
    with pytest.raises(OSError, match="shadow"):
        access.measure(reader)
