# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A second factor is made whole or not at all, for root alone, and leaves its host sealed."""

from __future__ import annotations

import grp
import os
import pwd
import re
import secrets
import stat
import syslog
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.mfa import confirming, enrolling
from ansible_collections.msp.ops.plugins.module_utils.mfa.enrolling import CODE, ENROLLED, SECURITY_KEY, WITHDRAWN
from ansible_collections.msp.ops.plugins.module_utils.standards import second_factor

PAD = secrets.token_bytes(enrolling.PAD_BYTES)
PLAIN = {"account": "anna", "state": ENROLLED, "method": CODE, "again": False, "never": [], "by": "jan", "code": ""}


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What would be said to the log; anna is an account in both groups, and carl is none."""
    told: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _level, text: told.append(text))
    real = pwd.getpwnam("root")

    def getpwnam(name: str) -> pwd.struct_passwd:
        if name == "carl":
            raise KeyError(name)
        return real

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    every = [grp.struct_group((name, "x", 1, ["anna"])) for name in ("msp-mfa", "sudo")]
    monkeypatch.setattr(grp, "getgrall", lambda: every)
    monkeypatch.delenv("SUDO_USER", raising=False)
    yield told


def act(tmp_path: Path, dry: bool = False, **chosen: Any) -> dict[str, Any]:
    wish = enrolling.parse({**PLAIN, "pad": PAD.hex(), **chosen})
    return enrolling.act(wish, dry, str(tmp_path / "mfa"), str(tmp_path / "waiting"))


def code_of(tmp_path: Path, seconds: int = 0) -> str:
    """What a phone shows that scanned the page, with a clock that is so far ahead."""
    secret = (tmp_path / "waiting" / "anna").read_text().splitlines()[0]
    return confirming.code_at(secret, int(time.time() + seconds) // 30)


def test_a_secret_waits_for_its_first_code_for_root_alone_and_is_told_sealed(tmp_path: Path, host: list[str]) -> None:
    found = act(tmp_path)

    path = tmp_path / "waiting" / "anna"
    lines = path.read_text().splitlines()
    said = enrolling.opened(PAD, found["sealed"])
    assert re.fullmatch("[A-Z2-7]{32}", lines[0]) and lines[0] == said["secret"]
    assert lines[1:5] == ['" RATE_LIMIT 3 30', '" WINDOW_SIZE 3', '" DISALLOW_REUSE', '" TOTP_AUTH']
    assert lines[5:] == said["codes"] and len(set(lines[5:])) == 8
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["anna"]
    assert said["secret"] not in str(found)
    assert host == ["anna was given a new second factor, a code, which waits for its first one (by jan)"]
    assert not (tmp_path / "mfa").exists()


def test_the_first_code_brings_it_into_force_and_is_used_up(tmp_path: Path, host: list[str]) -> None:
    act(tmp_path)
    code = code_of(tmp_path)
    checked = act(tmp_path, dry=True, code=code)
    assert checked["changed"] and not (tmp_path / "mfa").exists()
    found = act(tmp_path, code=code)

    assert (found["changed"], found["outcome"]) == (True, "gave the right code: it is in force")
    path = tmp_path / "mfa" / "anna"
    assert os.listdir(tmp_path / "mfa") == ["anna"] and os.listdir(tmp_path / "waiting") == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    used = path.read_text().splitlines()[3]
    assert re.fullmatch(r'" DISALLOW_REUSE [0-9]{8}', used)
    assert confirming.code_at(path.read_text().splitlines()[0], int(used.split()[2])) == code
    assert host[-1] == "anna gave the first code: the second factor is in force (by jan)"
    assert code not in " ".join(host)
    assert act(tmp_path, code=code) == {"changed": False, "outcome": "has one already", "method": CODE}


@pytest.mark.parametrize(
    ("seconds", "words"), [(120, "120 seconds ahead of this host"), (-300, "300 seconds behind this host")]
)
def test_a_clock_that_is_wrong_is_told_and_nothing_comes_into_force(tmp_path: Path, seconds: int, words: str) -> None:
    act(tmp_path)
    with pytest.raises(MspError, match="MSP-MFA-021") as error:
        act(tmp_path, code=code_of(tmp_path, seconds))
    assert words in str(error.value)
    assert not (tmp_path / "mfa").exists()


def test_a_wrong_code_and_one_that_nothing_waits_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MspError, match="MSP-MFA-020"):
        act(tmp_path, code="123456")
    act(tmp_path)
    with pytest.raises(MspError, match=r"MSP-MFA-021: .* found another one"):
        act(tmp_path, code="12345")
    assert os.listdir(tmp_path / "waiting") == ["anna"] and not (tmp_path / "mfa").exists()


def test_what_was_in_force_is_until_the_new_one_has_its_first_code(tmp_path: Path) -> None:
    act(tmp_path)
    act(tmp_path, code=code_of(tmp_path))
    before = (tmp_path / "mfa" / "anna").read_text()
    found = act(tmp_path, again=True)

    assert found["outcome"] == "has a new one, in force by its first code; until then the old one is"
    assert (tmp_path / "mfa" / "anna").read_text() == before
    act(tmp_path, code=code_of(tmp_path))
    now = (tmp_path / "mfa" / "anna").read_text()
    assert not set(before.split()) & set(now.split()) & {before.split()[0], *before.split()[-8:]}


def test_an_account_whose_password_is_rotated_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_factor, "rotated", lambda _host, name: name == "anna")
    with pytest.raises(MspError, match=r"MSP-MFA-012: .* rotated"):
        act(tmp_path)


def test_who_has_one_keeps_it_unless_another_is_asked_for(tmp_path: Path) -> None:
    first = enrolling.opened(PAD, act(tmp_path)["sealed"])
    kept = act(tmp_path)
    other = act(tmp_path, again=True)

    assert kept == {"changed": False, "outcome": "waits for its first code", "method": CODE}
    assert other["changed"]
    now = (tmp_path / "waiting" / "anna").read_text()
    assert first["secret"] not in now and not any(code in now for code in first["codes"])


def test_nothing_is_made_where_it_is_only_tried_or_where_it_could_not_be_told(tmp_path: Path) -> None:
    assert act(tmp_path, dry=True)["changed"]
    with pytest.raises(MspError, match="MSP-MFA-013"):
        act(tmp_path, pad="00" * 16)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_put_in_its_place_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(tmp_path)
    before = (tmp_path / "waiting" / "anna").read_text()

    def refuse(_old: str, _new: str) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no room"):
        act(tmp_path, again=True)
    assert os.listdir(tmp_path / "waiting") == ["anna"]
    assert (tmp_path / "waiting" / "anna").read_text() == before


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({"account": "../../etc/x"}, "MSP-MFA-010"),
        ({"account": "-x"}, "MSP-MFA-010"),
        ({"account": "carl"}, "MSP-MFA-011"),
        ({"account": "glass", "never": ["glass"]}, "MSP-MFA-012"),
    ],
)
def test_what_is_no_person_of_the_host_gets_none(tmp_path: Path, chosen: dict[str, Any], code: str) -> None:
    with pytest.raises(MspError, match=code):
        act(tmp_path, **chosen)


def test_the_account_that_the_run_comes_in_by_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "anna")
    with pytest.raises(MspError, match="MSP-MFA-012"):
        act(tmp_path)


def test_what_is_taken_away_is_gone_with_the_groups_of_those_who_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: list[str]
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(enrolling, "_run", lambda *argv: ran.append(argv))
    act(tmp_path)
    act(tmp_path, code=code_of(tmp_path))
    act(tmp_path, again=True)
    found = act(tmp_path, state=WITHDRAWN)

    assert (found["changed"], found["outcome"]) == (True, "has none any more")
    assert os.listdir(tmp_path / "mfa") == os.listdir(tmp_path / "waiting") == []
    assert ran == [("gpasswd", "--delete", "anna", "msp-mfa")]
    assert host[-1] == "anna has no second factor any more (by jan)"
    monkeypatch.setattr(grp, "getgrall", list)
    assert act(tmp_path, state=WITHDRAWN) == {"changed": False, "outcome": "had none", "method": ""}
    # Of an account that is gone too.
    assert act(tmp_path, state=WITHDRAWN, account="carl")["outcome"] == "had none"


def test_who_is_locked_out_by_a_withdrawal_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolling, "_run", lambda *_argv: None)
    monkeypatch.setattr(second_factor, "everybody_is_asked", lambda _host: True)
    for dry in (True, False):
        assert "who has none does not come in" in act(tmp_path, dry=dry, state=WITHDRAWN)["outcome"]


def test_a_security_key_needs_its_public_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_factor, "read", lambda _reader: [])
    with pytest.raises(MspError, match="MSP-MFA-014"):
        act(tmp_path, method=SECURITY_KEY)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3))
def test_what_is_sealed_opens_with_its_pad_and_no_byte_of_it_shows(words: dict[str, str]) -> None:
    text = enrolling.sealed(PAD, words)

    assert enrolling.opened(PAD, text) == words
    other = secrets.token_bytes(enrolling.PAD_BYTES)
    with pytest.raises(ValueError):
        enrolling.opened(other, text)


def test_what_is_longer_than_its_pad_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="too short"):
        enrolling.sealed(b"short", {"secret": "x"})


def test_who_enrols_cannot_write_a_line_of_the_log_of_his_own(tmp_path: Path, host: list[str]) -> None:
    act(tmp_path, by="jan\nanna has no second factor any more")
    (line,) = host
    assert line.endswith(" (by jan?anna has no second factor any more)")
