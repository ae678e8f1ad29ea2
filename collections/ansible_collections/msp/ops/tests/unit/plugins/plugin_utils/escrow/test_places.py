# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wherever an escrow lies it keeps the same promises: in files, in the evidence store, in Vault (a stand-in for it)."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.keeping import Escrow
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Held, Place, new_version
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.stored import Stored
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.tree import Tree
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.vault import Vault
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.escrow.stand_in_vault import (
    TOKEN,
    StandInVault,
    stand_in_vault,
)
from lab import scratch

NOW = dt.datetime(2026, 11, 27, 2, 0, tzinfo=dt.UTC)
TILL = Place("bakkerij-jansen", "device:12", "local-admin", "msp-admin")
DISK = Place("bakkerij-jansen", "virtual-machine:3", "disk", "data")
ELSEWHERE = Place("dental-noord", "device:12", "local-admin", "msp-admin")


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with scratch.cluster(in_memory=True) as cluster:
        cluster.create_database("escrow")
        url = cluster.url("escrow").replace("postgresql+psycopg:", "postgresql:")
        Store.open(url, upgrade=True).close()
        yield url


@pytest.fixture
def vault() -> Iterator[StandInVault]:
    with stand_in_vault() as found:
        yield found


KINDS = ["tree", "store", pytest.param("postgresql", marks=pytest.mark.postgresql), "vault"]


@pytest.fixture(params=KINDS)
def escrow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Escrow]:
    match request.param:
        case "tree":
            yield Tree(tmp_path / "escrow")
        case "store":
            yield Stored(request.getfixturevalue("sqlite_store"))
        case "postgresql":
            with Store.open(request.getfixturevalue("postgres_url")) as store:
                yield Stored(store)
        case "vault":
            yield Vault(request.getfixturevalue("vault").url, {"VAULT_TOKEN": TOKEN})


def test_what_was_written_is_read_and_marked_and_listed(escrow: Escrow) -> None:
    first = new_version(NOW)
    second = new_version(NOW, [Held(first)])
    assert escrow.held(TILL) == ()
    for place in (DISK, TILL, ELSEWHERE):
        escrow.write(place, second, b"\x00second\xff")
    escrow.write(TILL, first, b"first")
    escrow.mark(TILL, first, NOW)
    escrow.mark(TILL, first, NOW + dt.timedelta(hours=1))

    assert (escrow.read(TILL, first), escrow.read(TILL, second)) == (b"first", b"\x00second\xff")
    assert escrow.held(TILL) == (Held(first, NOW), Held(second))
    assert list(escrow.places("bakkerij-jansen")) == [TILL, DISK]
    assert list(escrow.places("nobody")) == []


def test_no_version_is_written_again(escrow: Escrow) -> None:
    version = new_version(NOW)
    escrow.write(TILL, version, b"first")
    with pytest.raises(FileExistsError):
        escrow.write(TILL, version, b"another")
    assert escrow.read(TILL, version) == b"first"


def test_what_is_not_there_is_not_read_and_not_marked(escrow: Escrow) -> None:
    place, version = Place("bakkerij-jansen", "device:99", "disk", "data"), new_version(NOW)
    for ask in (lambda: escrow.read(place, version), lambda: escrow.mark(place, version, NOW)):
        with pytest.raises(MspError, match=r"MSP-ESC-009.*device:99"):
            ask()
    assert escrow.held(place) == ()


def test_vault_keeps_what_is_sealed_each_version_once(vault: StandInVault) -> None:
    escrow, version = Vault(vault.url, {"BAO_TOKEN": TOKEN, "VAULT_TOKEN": "another"}), new_version(NOW)
    escrow.write(TILL, version, b"sealed")
    escrow.mark(TILL, version, NOW)

    assert vault.held == {
        f"bakkerij-jansen/device:12/local-admin/msp-admin/{version}": {"age": base64.b64encode(b"sealed").decode()},
        f"bakkerij-jansen/device:12/local-admin/msp-admin/{version}.in-force": {"at": "2026-11-27T02:00:00+00:00"},
    }


@pytest.mark.parametrize(
    "fails", [(403, ["permission denied"]), (503, ["Vault is sealed"]), (500, ["disk"]), (200, [])]
)
def test_a_vault_that_does_not_answer_as_one_is_named_and_reads_as_nothing_kept_nowhere(
    vault: StandInVault, fails: tuple[int, list[str]]
) -> None:
    escrow, version = Vault(vault.url, {"VAULT_TOKEN": TOKEN}), new_version(NOW)
    escrow.write(TILL, version, b"sealed")
    vault.fails = fails
    asks: list[Any] = [lambda: escrow.held(TILL), lambda: escrow.read(TILL, version), lambda: list(escrow.places("x"))]
    for ask in asks:
        with pytest.raises(MspError, match="MSP-ESC-012") as caught:
            ask()
        assert TOKEN not in str(caught.value)


def test_a_vault_that_is_down_is_named() -> None:
    with stand_in_vault() as gone:
        pass
    with pytest.raises(MspError, match="MSP-ESC-012"):
        Vault(gone.url, {"VAULT_TOKEN": TOKEN}).held(TILL)


@pytest.mark.parametrize("content", [{}, {"age": "no base64!"}, {"other": "x"}])
def test_what_is_no_ciphertext_in_vault_is_named(vault: StandInVault, content: dict[str, str]) -> None:
    version = new_version(NOW)
    vault.held[f"{TILL}/{version}"] = content
    with pytest.raises(MspError, match="MSP-ESC-012"):
        Vault(vault.url, {"VAULT_TOKEN": TOKEN}).read(TILL, version)


def test_without_a_token_vault_is_not_asked(vault: StandInVault, tmp_path: Path) -> None:
    with pytest.raises(MspError, match="MSP-ESC-011"):
        Vault(vault.url, {"HOME": str(tmp_path)})
    (tmp_path / ".vault-token").write_text(f"{TOKEN}\n")
    assert Vault(vault.url, {"HOME": str(tmp_path)}).held(TILL) == ()
