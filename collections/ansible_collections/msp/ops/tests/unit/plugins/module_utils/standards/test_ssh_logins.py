# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which ways an account comes in by ssh, and which of them need no second factor."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import ssh_logins
from ansible_collections.msp.ops.plugins.module_utils.standards.pam_factors import Asked
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import called, made_reader

CODE, PASSWORD, BOTH = Asked(code=True), Asked(password=True), Asked(True, True)
ON = {"usepam": ["yes"], "pubkeyacceptedalgorithms": ["ssh-ed25519,sk-ssh-ed25519@openssh.com"]}
HARDWARE = {
    "pubkeyacceptedalgorithms": ["sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com"],
    "pubkeyauthoptions": ["verify-required"],
}


def told(methods: str, *on: str, **more: list[str]) -> dict[str, list[str]]:
    enabled = {keyword: ["yes" if method in on else "no"] for method, keyword in ssh_logins.METHODS.items()}
    return {**ON, **enabled, "authenticationmethods": [methods], **more}


@pytest.mark.parametrize(
    ("found", "asks", "weak"),
    [
        (told("any", "publickey"), {PASSWORD}, ["publickey"]),
        (
            told("any", "publickey", "password", "keyboard-interactive"),
            {CODE},
            ["publickey", "password", "keyboard-interactive"],
        ),
        (told("any", "password", "keyboard-interactive"), {BOTH}, []),
        (told("any", "password"), {BOTH, PASSWORD}, ["password"]),
        (told("publickey,keyboard-interactive:pam", "publickey", "keyboard-interactive"), {CODE}, []),
        (
            told("publickey,keyboard-interactive:pam", "publickey", "keyboard-interactive"),
            {CODE, Asked()},
            ["publickey,keyboard-interactive"],
        ),
        (
            told("publickey,keyboard-interactive:pam", "publickey", "keyboard-interactive"),
            {PASSWORD},
            ["publickey,keyboard-interactive"],
        ),
        # A list with a method that is off lets nobody in, nor does a stack without a way.
        (told("publickey,keyboard-interactive:pam", "publickey"), {PASSWORD}, []),
        (told("publickey publickey,password", "publickey", "password"), {CODE}, ["publickey"]),
        (told("gssapi-with-mic,keyboard-interactive", "gssapi-with-mic", "keyboard-interactive"), {CODE}, []),
        # Where the server does not ask PAM, PAM asks for nothing.
        (
            told("publickey,keyboard-interactive", "publickey", "keyboard-interactive", usepam=["no"]),
            {CODE},
            ["publickey,keyboard-interactive"],
        ),
        (told("publickey", "publickey", **HARDWARE), {PASSWORD}, []),
        (told("publickey", "publickey", **{**HARDWARE, "pubkeyauthoptions": ["none"]}), {PASSWORD}, ["publickey"]),
        (told("publickey", "publickey", pubkeyauthoptions=["verify-required"]), {PASSWORD}, ["publickey"]),
    ],
)
def test_a_way_is_weak_that_needs_no_second_factor(
    found: dict[str, list[str]], asks: set[Asked], weak: list[str]
) -> None:
    assert ssh_logins.weak_ways(found, frozenset(asks)) == weak


METHOD = st.sampled_from(sorted(ssh_logins.METHODS))
LISTS = st.lists(st.lists(METHOD, min_size=1, max_size=3, unique=True).map(",".join), min_size=1, max_size=3)


@given(LISTS.map(" ".join), st.sets(METHOD), st.sets(st.sampled_from([CODE, PASSWORD, BOTH, Asked()])))
def test_no_way_is_strong_that_a_key_a_ticket_or_one_answer_alone_opens(
    methods: str, on: set[str], asks: set[Asked]
) -> None:
    found = told(methods, *on)
    weak = ssh_logins.weak_ways(found, frozenset(asks))

    for way in ssh_logins.ways(found):
        if len(way) == 1 and not (asks == {BOTH} and way[0] in ("password", "keyboard-interactive")):
            assert ",".join(way) in weak
        if not any(one.code for one in asks):
            assert ",".join(way) in weak


@pytest.mark.parametrize(
    ("settings", "anna", "root"),
    [
        ({}, True, True),
        ({"permitrootlogin": ["no"]}, True, False),
        ({"denyusers": ["bert", "an*"]}, False, True),
        ({"allowusers": ["root@192.0.2.1"]}, False, True),
        ({"allowgroups": ["staff", "root"]}, True, True),
        ({"denygroups": ["st?ff"]}, False, True),
        ({"allowgroups": ["wheel"]}, False, False),
        ({"refuseconnection": ["yes"]}, False, False),
    ],
)
def test_who_is_let_try_at_all(settings: dict[str, list[str]], anna: bool, root: bool) -> None:
    assert ssh_logins.lets_in(settings, "anna", ["staff"], 1000) is anna
    assert ssh_logins.lets_in(settings, "root", ["root"], 0) is root


CONFIG = """Match User msp
    AuthenticationMethods publickey
Match Address 198.51.100.0/24
    AuthenticationMethods publickey
Match Group staff
    X11Forwarding no
Match User anna
    DenyUsers nobody
Match Group staff
    AuthenticationMethods publickey,keyboard-interactive
"""
FILES = {
    "/etc/ssh/sshd_config": CONFIG,
    "/etc/passwd": "root:x:0:0::/root:/bin/bash\nanna:x:1000:1000::/home/anna:/bin/bash\n",
    "/etc/group": "root:x:0:\nstaff:x:50:anna\n",
}


def test_every_block_that_may_decide_about_a_login_of_the_account_is_asked_as_one(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, FILES, {"sshd": "echo usepam yes"})

    found = list(ssh_logins.logins(reader, "anna"))

    conditions = [login.block.condition if login.block else "" for login in found]
    assert conditions == ["", "Address 198.51.100.0/24", "User anna", "Group staff"]
    assert [login.address for login in found][:2] == ["192.0.2.1", "198.51.100.1"]
    asked = [line for line in called(tmp_path) if "-C" in line]
    assert asked and all("user=anna" in line for line in asked)
