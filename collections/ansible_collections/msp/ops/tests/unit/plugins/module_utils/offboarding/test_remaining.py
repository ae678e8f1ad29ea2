# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can still become root when our keys and accounts are gone. With a real host: tests/test_offboard.py."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.offboarding.remaining import Gone, Way, ways

OURS = Gone(frozenset({"SHA256:ours"}), frozenset({"msp-technician"}))
SUDO = [{"root": True, "commands": ["ALL"], "asks": [["password"]]}]
NO_PASSWORD: dict[str, Any] = {"password": "none"}
UNASKED = [{"root": True, "commands": ["ALL"], "asks": [[]]}]


def way(*proved: str, by: str = "ssh", limits: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"place": "network", "by": by, "proved": list(proved), "from": [], "where": [], "limits": list(limits)}


def key(fingerprint: str = "SHA256:theirs", kind: str = "ssh-ed25519", *, command: bool = False) -> dict[str, Any]:
    return {"kind": kind, "fingerprint": fingerprint, "command": command}


def account(name: str = "anna", uid: int = 1001, **changes: Any) -> dict[str, Any]:
    plain = {"keys": [key()], "ways": [way("key")], "sudo": SUDO, "password": "set", "shell_works": True}
    return {"name": name, "uid": uid, **plain, **changes}


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (account(), [Way("anna", "ssh", ("key",), "sudo")]),
        (account(sudo=UNASKED, **NO_PASSWORD), [Way("anna", "ssh", ("key",), "sudo")]),
        (
            account("root", 0, sudo=[], ways=[way("password", by="login")]),
            [Way("root", "login", ("password",), "root itself")],
        ),
        (account(keys=[key("SHA256:ours")]), []),
        (account(keys=[key("SHA256:ours"), key()]), [Way("anna", "ssh", ("key",), "sudo")]),
        (account(keys=[key(command=True)]), []),
        (account(ways=[way("key", limits=("one command",))]), []),
        (account(ways=[way("key", limits=("no shell",))]), []),
        (account(ways=[way("unknown: keys of AuthorizedKeysCommand")]), []),
        (account(ways=[way()]), []),
        (account(ways=[way("hardware key", "pin")]), []),
        (
            account(ways=[way("hardware key")], keys=[key(kind="sk-ssh-ed25519@openssh.com")]),
            [Way("anna", "ssh", ("hardware key",), "sudo")],
        ),
        (account(**NO_PASSWORD), []),
        (account(sudo=[]), []),
        (account(sudo=[{"root": True, "commands": ["/usr/bin/apt"], "asks": [[]]}]), []),
        (account(sudo=[{"root": False, "commands": ["ALL"], "asks": [[]]}]), []),
        (account(sudo=[{"root": True, "commands": ["ALL"], "asks": []}]), []),
        (account("msp-technician"), []),
    ],
)
def test_a_way_is_left_where_the_customer_has_what_it_asks_for(found: dict[str, Any], left: list[Way]) -> None:
    assert ways([found], OURS, su=True) == left


def test_who_knows_the_password_of_root_becomes_it_by_su() -> None:
    root = account("root", 0, sudo=[], ways=[], keys=[])
    anna = account(sudo=[])

    assert ways([root, anna], OURS, su=True) == [Way("anna", "ssh", ("key",), "su")]
    assert ways([root, anna], OURS, su=False) == []
    assert ways([{**root, "password": "none"}, anna], OURS, su=True) == []


proofs = st.lists(st.sampled_from(("key", "password", "hardware key", "pin", "unknown: x")), max_size=2)
people = st.lists(
    st.builds(
        account,
        name=st.sampled_from(("anna", "msp-technician", "root")),
        uid=st.sampled_from((0, 1001)),
        keys=st.lists(st.builds(key, st.sampled_from(("SHA256:ours", "SHA256:theirs"))), max_size=2),
        ways=st.lists(st.builds(lambda proved: way(*proved), proofs), max_size=3),
        sudo=st.sampled_from((SUDO, UNASKED, [])),
        password=st.sampled_from(("set", "none", "empty")),
        shell_works=st.booleans(),
    ),
    max_size=4,
)


@pytest.mark.thorough
@given(people, st.booleans())
def test_the_less_is_left_the_fewer_ways_there_are(accounts: list[dict[str, Any]], su: bool) -> None:
    all_of_it = set(ways(accounts, Gone(frozenset(), frozenset()), su=su))

    assert set(ways(accounts, OURS, su=su)) <= all_of_it
    assert ways(accounts, Gone(frozenset(), frozenset(one["name"] for one in accounts)), su=su) == []


@pytest.mark.thorough
@given(people, st.booleans())
def test_whoever_has_no_key_but_ours_and_no_password_has_no_way(accounts: list[dict[str, Any]], su: bool) -> None:
    ours = [{**one, "keys": [key("SHA256:ours")], "password": "none"} for one in accounts]

    assert ways(ours, OURS, su=su) == []
