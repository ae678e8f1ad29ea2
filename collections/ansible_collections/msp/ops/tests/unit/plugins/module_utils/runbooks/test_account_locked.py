# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom pam_faillock keeps out, and which of them a runbook lets in again."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.runbooks import account_locked, answer, faillock
from ansible_collections.msp.ops.plugins.module_utils.runbooks.account_locked import Account
from ansible_collections.msp.ops.plugins.module_utils.runbooks.faillock import Failure, Rules
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.runbooks.made_tools import made_tools

NOW = 1_800_000_000
GIVEN = {"account": "anna", "most_failures": 20, "most_sources": 1, "quiet_seconds": 120}
RULE = Rules(deny=3, unlock_seconds=faillock.NEVER)


def tries(count: int, *sources: str, ago: int = 600) -> list[Failure]:
    names = sources or ("192.0.2.7",)
    return [Failure(NOW - ago - count + number, names[number % len(names)], "host") for number in range(count)]


def tally(failures: list[Failure], status: int = 3) -> bytes:
    return b"".join(struct.pack("=52sHHQ", one.source.encode(), 0, status, one.at) for one in failures)


def test_what_pam_wrote_is_read_and_what_no_longer_counts_is_not() -> None:
    mine = tries(3)
    assert faillock.parse_tally(tally(mine) + tally(tries(2), status=2)) == mine


@pytest.mark.thorough
@given(st.binary(max_size=300))
def test_any_file_is_read_without_an_error(data: bytes) -> None:
    assert len(faillock.parse_tally(data)) <= len(data) // 64


@pytest.mark.parametrize(
    ("failures", "rule", "locked"),
    [
        (tries(3), RULE, True),
        (tries(2), RULE, False),
        (tries(3), RULE._replace(deny=0), False),
        (tries(3), RULE._replace(unlock_seconds=599), False),
        (tries(3), RULE._replace(unlock_seconds=601), True),
        ([Failure(NOW - 5000, "a", "host"), *tries(2)], RULE, False),
    ],
)
def test_an_account_is_locked_as_pam_decides_it(failures: list[Failure], rule: Rules, locked: bool) -> None:
    assert faillock.locked(failures, rule, NOW) is locked


def test_the_rules_come_from_pam_files_before_the_conf_and_none_use_it_where_no_line_does(tmp_path: Path) -> None:
    files = {
        "/etc/security/faillock.conf": "# deny = 9\ndeny = 5\nunlock_time = never\nsilent\n",
        "/etc/pam.d/login": "auth required pam_faillock.so preauth deny=4\n",
        "/etc/pam.d/su": "auth required pam_unix.so\n# auth required pam_faillock.so deny=1\n",
    }
    made_tools(tmp_path, files)
    assert faillock.of_host(Host(str(tmp_path))) == Rules(deny=4, unlock_seconds=faillock.NEVER)
    (tmp_path / "etc/pam.d/login").unlink()
    assert faillock.of_host(Host(str(tmp_path))) is None


@pytest.mark.parametrize(
    ("account", "why"),
    [
        (Account("anna", None), "no account of this host's own"),
        (Account("root", 0, "bash"), "may do everything"),
        (Account("anna", 1000, "bash", locked=True), "locked by hand"),
        (Account("anna", 1000, "bash", expired=20000), "is over since 2024-10-04"),
        (Account("daemon", 1, "nologin"), "nobody logs in with"),
    ],
)
def test_what_somebody_wanted_locked_stays_so(account: Account, why: str) -> None:
    assert why in account_locked.on_purpose(account)


@pytest.mark.parametrize(
    ("failures", "why"),
    [
        (tries(21), "21 wrong logins"),
        (tries(4, "192.0.2.7", "192.0.2.8"), "looks like an attack: 192.0.2.7, 192.0.2.8"),
        (tries(3, ago=60), "somebody still tries"),
        (tries(3), ""),
    ],
)
def test_an_attack_and_who_still_tries_are_told_apart_from_a_mistake(failures: list[Failure], why: str) -> None:
    found = account_locked.looks_like_an_attack(failures, GIVEN, NOW)
    assert (why in found) if why else found == ""


@pytest.mark.thorough
@given(st.lists(st.tuples(st.integers(NOW - 3600, NOW), st.sampled_from(["a", "b", "c"])), max_size=30))
def test_nobody_is_let_in_while_it_may_be_an_attack(rows: list[tuple[int, str]]) -> None:
    failures = sorted(Failure(at, source, "host") for at, source in rows)
    if not account_locked.looks_like_an_attack(failures, GIVEN, NOW):
        assert len(failures) <= 20 and len({one.source for one in failures}) <= 1
        assert all(one.at <= NOW - 120 for one in failures)


SHADOW = "anna:$y$hash:20000:0:99999:7:::\nbert:!$y$hash:20000:0:99999:7:::\ncarl:$y$hash:20000:0:90:7::20001:\n"
PASSWD = "root:x:0:0::/root:/bin/bash\n" + "".join(
    f"{name}:x:{1000 + number}:100::/home/{name}:/bin/bash\n" for number, name in enumerate(("anna", "bert", "carl"))
)
FILES = {"/etc/passwd": PASSWD, "/etc/shadow": SHADOW, "/etc/pam.d/login": "auth required pam_faillock.so dir=/run/f\n"}


def test_accounts_are_read_from_this_hosts_own_files(tmp_path: Path) -> None:
    made_tools(tmp_path, FILES)
    host = Host(str(tmp_path))
    assert account_locked.read(host, "anna", 21000) == Account("anna", 1000, "bash")
    assert account_locked.read(host, "bert", 21000).locked
    assert account_locked.read(host, "carl", 21000) == Account("carl", 1002, "bash", expired=20001, aged=20090)
    assert account_locked.read(host, "dora", 21000).number is None


def test_success_is_claimed_only_when_the_file_says_so(tmp_path: Path) -> None:
    """A faillock that ends well and forgets nothing."""
    tools, programs = made_tools(tmp_path, FILES, {"faillock": Output(0)})
    (tmp_path / "run/f").mkdir(parents=True)
    (tmp_path / "run/f/anna").write_bytes(tally([Failure(10**10, "192.0.2.7", "host")] * 3))

    found = account_locked.act(tools, {**GIVEN, "quiet_seconds": -(10**11)})

    assert programs.ran == ["faillock --dir /run/f --user anna --reset"]
    assert (found.outcome, found.after["locked"]) == (answer.GAVE_UP, True)
    assert "still locked" in found.reason
