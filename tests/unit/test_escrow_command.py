"""./msp escrow: what each command says and does, and that nothing else shows a secret."""

from __future__ import annotations

import io
from pathlib import Path

import pyrage
import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place
from msp_cli import escrow

TILL = Place("bakkerij-jansen", "device:12", "local-admin", "msp-admin")
DISK = Place("bakkerij-jansen", "device:12", "disk", "data")
NOORA, OTHER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()


@pytest.fixture(autouse=True)
def controller(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    monkeypatch.setenv("MSP_WHO", "noora")
    monkeypatch.setenv("MSP_STORE_URL", sqlite_url)
    for name in ("MSP_ESCROW", "MSP_ESCROW_RECIPIENTS", "MSP_ESCROW_IDENTITY"):
        monkeypatch.delenv(name, raising=False)
    recipients = tmp_path / "msp.ops" / "recipients"
    recipients.mkdir(parents=True)
    (recipients / "bakkerij-jansen.txt").write_text(f"# who helps out\n{NOORA.to_public()}\n")
    (tmp_path / "noora.key").write_text(f"# a comment\n{NOORA}\n")
    (tmp_path / "other.key").write_text(f"{OTHER}\n")


def keep(place: Place = TILL, value: str = "correct horse", *, mark: bool = True) -> None:
    with escrowing.at_hand("bakkerij-jansen") as escrowed:
        version = escrowed.keep(place, value, host="till03.bakkerij-jansen")
        if mark:
            escrowed.mark(place, version)


def fetch(tmp_path: Path, *more: str, machine: str = "till03", key: str = "noora.key") -> int:
    command = ["fetch", "bakkerij-jansen", machine, "--why", "the till does not start"]
    return escrow.main([*command, "--identity", str(tmp_path / key), *more])


@pytest.mark.parametrize("machine", ["till03", "till03.bakkerij-jansen", "device:12"])
def test_a_secret_is_printed_alone_and_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], machine: str
) -> None:
    keep()
    assert fetch(tmp_path, "--ticket", "T-1", machine=machine) == 0
    assert capsys.readouterr().out == "correct horse\n"

    assert escrow.main(["history", "bakkerij-jansen"]) == 0
    told = capsys.readouterr().out
    assert "secret fetched" in told and "noora" in told and "T-1" in told and "the till does not start" in told
    assert "horse" not in told


def test_after_a_change_that_was_cut_off_all_that_may_be_in_force_are_printed_the_likeliest_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(value="first")
    keep(value="second", mark=False)
    keep(value="third", mark=False)
    assert fetch(tmp_path) == 0
    told = capsys.readouterr()
    assert told.out == "first\nthird\nsecond\n"
    assert "try them in this order" in told.err


def test_one_secret_has_to_be_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep()
    keep(DISK, "key of the disk")
    with pytest.raises(MspError, match=r"MSP-ESC-016.*disk/data; .*local-admin"):
        fetch(tmp_path)
    assert fetch(tmp_path, "--purpose", "disk") == 0
    assert capsys.readouterr().out == "key of the disk\n"
    with pytest.raises(MspError, match=r"MSP-ESC-016.*none"):
        fetch(tmp_path, machine="till04")


def test_who_may_not_open_it_gets_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep()
    with pytest.raises(MspError, match="MSP-ESC-006"):
        fetch(tmp_path, key="other.key")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("key", ["nowhere.key", None])
def test_a_key_is_asked_for(tmp_path: Path, key: str | None) -> None:
    keep()
    with pytest.raises(MspError, match="MSP-ESC-004"):
        if key is None:
            escrow.main(["fetch", "bakkerij-jansen", "till03", "--why", "x"])
        else:
            fetch(tmp_path, key=key)


def test_the_list_says_what_there_is_and_who_may_open_it(capsys: pytest.CaptureFixture[str]) -> None:
    keep()
    keep(value="another", mark=False)
    assert escrow.main(["list", "bakkerij-jansen"]) == 0
    told = capsys.readouterr().out
    assert "till03.bakkerij-jansen" in told and "device:12" in told and "msp-admin" in told
    assert str(NOORA.to_public()) in told and "horse" not in told and "another" not in told


def test_a_drill_opens_everything_and_shows_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep()
    keep(DISK, "key of the disk")
    command = ["verify", "bakkerij-jansen", "--identity"]
    assert escrow.main([*command, str(tmp_path / "noora.key")]) == 0
    assert "2 places: 2 versions opened, 0 places could not be opened" in capsys.readouterr().out
    assert escrow.main([*command, str(tmp_path / "other.key")]) == 1
    told = capsys.readouterr().out
    assert "2 places could not be opened" in told and "MSP-ESC-006" in told and "horse" not in told


def test_a_drill_of_nothing_is_no_pass(tmp_path: Path) -> None:
    with pytest.raises(MspError, match="MSP-ESC-009"):
        escrow.main(["verify", "bakkerij-jansen", "--identity", str(tmp_path / "noora.key")])


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept before is there; the evidence store is not."""
    keep()
    monkeypatch.setenv("MSP_STORE_URL", "postgresql://nobody@127.0.0.1:1/evidence")


@pytest.mark.usefixtures("down")
def test_without_the_store_a_secret_is_printed_and_it_is_said_that_it_is_not_changed_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MspError, match=r"MSP-ESC-016.*machines have their names in the evidence store"):
        fetch(tmp_path)
    assert escrow.main(["list", "bakkerij-jansen"]) == 0
    told = capsys.readouterr()
    assert "device:12" in told.out and "store can't be opened" in told.err

    assert fetch(tmp_path, machine="device:12") == 0
    told = capsys.readouterr()
    assert told.out == "correct horse\n"
    assert "waits in the spool" in told.err and "./msp store deliver" in told.err and "on record;" not in told.err


def test_what_cannot_be_opened_is_named_beside_what_can(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep()
    (tmp_path / "msp.ops" / "recipients" / "bakkerij-jansen.txt").write_text(f"{OTHER.to_public()}\n")
    keep(value="staple", mark=False)

    assert fetch(tmp_path) == 0
    told = capsys.readouterr()
    assert told.out == "correct horse\n"
    assert "can't be opened: MSP-ESC-006" in told.err and "nobody knows which" in told.err


def test_an_old_version_is_fetched_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep()
    with escrowing.at_hand("bakkerij-jansen") as escrowed:
        old = str(escrowed.standing(TILL).current)
    keep(value="staple")

    assert fetch(tmp_path, "--version", old) == 0
    told = capsys.readouterr()
    assert told.out == "correct horse\n" and "is not changed for it" in told.err


def test_a_key_can_come_by_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For who becomes the automation's user, who may not read the keys of people."""
    keep()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NOORA}\n"))
    assert escrow.main(["fetch", "bakkerij-jansen", "till03", "--why", "x", "--identity", "-"]) == 0
    assert capsys.readouterr().out == "correct horse\n"


def test_looking_where_no_escrow_is_says_so_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSP_ESCROW", str(tmp_path / "elsewhere"))
    with pytest.raises(MspError, match=r"MSP-ESC-016.*elsewhere, which is not there"):
        fetch(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
