"""./msp store: what each command says and does."""

from __future__ import annotations

import datetime as dt
import json
import stat
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, hashing, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation, Run
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import REVISIONS, tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from msp_cli import store

OLD = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
SEEN = Observation("bakery/../../x", "nmap", OLD, {"serial": "abc"})


@pytest.fixture(autouse=True)
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    monkeypatch.delenv("MSP_STORE_URL", raising=False)


def test_status_of_a_store_that_was_never_set_up_tells_of_the_spool_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spool.put([SEEN])
    with pytest.raises(MspError) as caught:
        store.main(["status"])
    assert caught.value.code == "MSP-EVD-002"
    assert "1 files" in capsys.readouterr().out


def test_status_never_shows_a_password(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSP_STORE_URL", "postgresql://anna:hunter2@127.0.0.1:1/evidence")
    with pytest.raises(MspError) as caught:
        store.main(["status"])
    assert "hunter2" not in capsys.readouterr().out + str(caught.value)


def test_upgrade_deliver_and_status_say_what_they_did(capsys: pytest.CaptureFixture[str]) -> None:
    spool.put([SEEN])
    assert store.main(["upgrade"]) == 0
    assert store.main(["deliver"]) == 0
    assert "delivered: 1 records from 1 files" in capsys.readouterr().out
    assert store.main(["status"]) == 0
    told = capsys.readouterr().out
    assert f"schema: {REVISIONS[-1]}" in told
    assert "0 files" in told


def test_an_upgrade_lists_the_software_of_assets_that_were_audited_before_there_were_lists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.main(["upgrade"])
    facts = {"os": {"id": "debian", "version": "12.7"}, "packages": [{"name": "openssl", "version": "3.0.14"}]}
    with Store.open() as opened:
        opened.record([codec.Facts(facts), Audit("bakery", "device:1", "h", OLD, "ok", hashing.facts_hash(facts))])
        for table in (tables().software, tables().package_lists):
            opened.database.write(partial(Connection.execute, statement=table.delete()))
        assert opened.software("openssl").found == ()

    assert store.main(["upgrade"]) == 0

    assert "1 assets listed" in capsys.readouterr().out
    with Store.open() as opened:
        assert [one.asset for one in opened.software("openssl").found] == ["device:1"]


def test_deliver_tells_of_interrupted_runs_and_of_what_it_could_not_take(capsys: pytest.CaptureFixture[str]) -> None:
    store.main(["upgrade"])
    path = spool.put([Run("r1", "p.yml", OLD, None, "anna", "ctl", False)])
    path.rename(path.with_suffix(spool.OPEN))
    spool.put([SEEN]).write_text("nonsense\n")
    assert store.main(["deliver"]) == 1
    told = capsys.readouterr().out
    assert "interrupted: run r1" in told
    assert "rejected: not a record" in told


def test_export_writes_a_file_a_customer_for_its_owner_alone_and_never_outside_the_directory(tmp_path: Path) -> None:
    store.main(["upgrade"])
    spool.put([SEEN])
    store.main(["deliver"])
    assert store.main(["export", "--to", str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["kind"] == "sighting"


def test_a_customer_nobody_knows_gets_an_error_and_no_empty_file(tmp_path: Path) -> None:
    store.main(["upgrade"])
    with pytest.raises(MspError) as caught:
        store.main(["export", "--customer", "bakerij", "--to", str(tmp_path / "out")])
    assert caught.value.code == "MSP-EVD-014"
    assert not (tmp_path / "out").exists()


def test_an_export_to_where_nobody_can_write_is_refused_with_the_place_named(tmp_path: Path) -> None:
    store.main(["upgrade"])
    spool.put([SEEN])
    store.main(["deliver"])
    (tmp_path / "out").write_text("a file")
    with pytest.raises(MspError) as caught:
        store.main(["export", "--to", str(tmp_path / "out")])
    assert caught.value.code == "MSP-EVD-017"
    assert str(tmp_path / "out") in caught.value.found


def test_prune_shows_first_and_removes_only_when_told(capsys: pytest.CaptureFixture[str]) -> None:
    store.main(["upgrade"])
    spool.put([SEEN])
    store.main(["deliver"])
    store.main(["retain", "--customer", SEEN.customer, "--days", "30"])
    for apply, rows in (([], 1), (["--apply"], 1), (["--apply"], 0)):
        capsys.readouterr()
        assert store.main(["prune", "--customer", SEEN.customer, *apply]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert ["things", str(rows)] in lines


def test_a_wrong_command_is_told_by_the_parser(capsys: pytest.CaptureFixture[str]) -> None:
    assert store.main(["dance"]) == 2
    assert "dance" in capsys.readouterr().err
