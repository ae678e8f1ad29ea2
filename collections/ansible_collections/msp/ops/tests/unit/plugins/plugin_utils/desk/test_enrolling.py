# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A secret that a host made is written on one page for one reader, and in nothing else that comes back."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.mfa import enrolling as on_host
from ansible_collections.msp.ops.plugins.plugin_utils.desk import enrolling
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.report import enrolment_page

SECRET, CODES = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", ["12345678", "23456789"]
VARIABLES: Mapping[str, Any] = {
    "inventory_hostname": "web/01",
    "msp": {"customer_name": "Bakkerij Jansen", "language": "nl", "timezone": "Europe/Amsterdam"},
}
ARGUMENTS: Mapping[str, Any] = {
    "account": "anna",
    "state": "enrolled",
    "method": "code",
    "language": None,
    "code": None,
    "by": "jan",
}


def wish(directory: Path | None, *, check: bool = False, **arguments: Any) -> enrolling.Wish:
    chosen = {**ARGUMENTS, "directory": None if directory is None else str(directory), **arguments}
    return enrolling.wish_of(chosen, VARIABLES, check=check)


def makes(pad: str) -> dict[str, Any]:
    """A host that has made one, with more in its answer than it should have."""
    sealed = on_host.sealed(bytes.fromhex(pad), {"secret": SECRET, "codes": CODES})
    return {"changed": True, "outcome": "has one", "method": "code", "sealed": sealed, "invocation": {"pad": pad}}


def test_a_page_for_one_reader_is_all_that_has_the_secret(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "pages"
    found = enrolling.enrol(wish(directory), makes)

    page = directory / "mfa-web_01-anna.html"
    assert found == {"changed": True, "outcome": "has one", "method": "code", "page": str(page)}
    text = page.read_text(encoding="utf-8")
    assert "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP" in text and "1234 5678" in text
    assert '<html lang="nl">' in text and "Bakkerij Jansen" in text
    assert stat.S_IMODE(page.stat().st_mode) == 0o600 and stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [one.name for one in directory.iterdir()] == [page.name]
    assert '<html lang="en">' in _again(directory, language="en")


def _again(directory: Path, **arguments: Any) -> str:
    return Path(enrolling.enrol(wish(directory, **arguments), makes)["page"]).read_text(encoding="utf-8")


ASSET = {"msp": {"customer": "jansen", "asset": {"key": "device:12"}}, "inventory_hostname": "web1"}


@pytest.mark.parametrize(
    ("chosen", "action"),
    [
        ({}, "second factor given"),
        ({"code": "123456"}, "second factor in force"),
        ({"method": "security key"}, "second factor in force"),
        ({"state": "withdrawn"}, "second factor withdrawn"),
    ],
)
def test_what_was_done_is_on_record_and_what_was_not_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any], action: str
) -> None:
    kept: list[SecurityEvent] = []
    monkeypatch.setattr(spool, "put", kept.extend)
    arguments = {**ARGUMENTS, "directory": str(tmp_path / "pages"), **chosen}

    def turn(*, changed: bool = True, check: bool = False, **more: Any) -> None:
        asked = enrolling.wish_of(arguments, ASSET, check=check)
        enrolling.enrol(asked, lambda pad: {**makes(pad), "changed": changed, **more})

    turn(changed=False)
    turn(check=True)
    turn(failed=True)
    assert kept == []
    turn()
    (one,) = kept
    assert (one.customer, one.asset, one.host, one.subject) == ("jansen", "device:12", "web1", "anna")
    assert (one.action, one.who) == (action, "jan")
    assert SECRET not in repr(one) and "123456" not in repr(one)


def test_the_first_code_takes_no_page(tmp_path: Path) -> None:
    assert wish(None, code="123456").directory is None
    assert wish(tmp_path, code="123456").directory is None


def test_each_call_has_a_pad_of_its_own(tmp_path: Path) -> None:
    pads: list[str] = []

    def ask(pad: str) -> dict[str, Any]:
        pads.append(pad)
        return makes(pad)

    for _number in range(2):
        enrolling.enrol(wish(tmp_path), ask)
    assert len(set(pads)) == 2 and {len(pad) for pad in pads} == {2 * on_host.PAD_BYTES}


@pytest.mark.parametrize(
    "answer",
    [
        {"changed": False, "outcome": "has one already", "method": "code"},
        {"failed": True, "msg": "MSP-MFA-011", "sealed": "00"},
    ],
)
def test_where_nothing_was_made_nothing_is_written(tmp_path: Path, answer: dict[str, Any]) -> None:
    found = enrolling.enrol(wish(tmp_path), lambda _pad: answer)

    assert "page" not in found and "sealed" not in found
    assert list(tmp_path.iterdir()) == []


def test_a_preview_a_security_key_and_a_withdrawal_write_no_page(tmp_path: Path) -> None:
    assert "page" not in enrolling.enrol(wish(tmp_path, check=True), makes)
    assert wish(None, method="security key").directory is None
    assert wish(None, state="withdrawn").directory is None
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_the_page_no_host_is_asked(tmp_path: Path) -> None:
    def never(_pad: str) -> dict[str, Any]:
        raise AssertionError("the host was asked")

    with pytest.raises(MspError, match="MSP-MFA-016"):
        wish(None)
    (tmp_path / "file").write_text("")
    with pytest.raises(MspError, match="MSP-MFA-018"):
        enrolling.enrol(wish(tmp_path / "file" / "pages"), never)


def test_without_the_library_for_the_page_no_host_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment_page, "LIBRARY_ERROR", ImportError("no segno"))
    with pytest.raises(MspError, match="MSP-RPT-003"):
        enrolling.enrol(wish(tmp_path), lambda _pad: pytest.fail("the host was asked"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sealed", ["", "zz", "00", json.dumps({"secret": SECRET}).encode().hex()])
def test_what_cannot_be_opened_is_said_without_a_word_of_it(tmp_path: Path, sealed: str) -> None:
    with pytest.raises(MspError, match="MSP-MFA-017") as error:
        enrolling.enrol(wish(tmp_path), lambda _pad: {"changed": True, "sealed": sealed})
    assert SECRET not in str(error.value) and error.value.__cause__ is None
    assert list(tmp_path.iterdir()) == []


def test_a_host_nobody_knows_a_customer_of_gets_a_page_too(tmp_path: Path) -> None:
    plain = enrolling.wish_of({**ARGUMENTS, "directory": str(tmp_path)}, {"inventory_hostname": "web1"}, check=False)
    assert (plain.customer, plain.formats.language, plain.page) == ("", "en", "mfa-web1-anna.html")
    assert plain.formats.zone == ZoneInfo("UTC")
