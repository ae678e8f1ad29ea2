# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The escrow as it is configured: whom it is sealed for, when a secret is due, and what is on record of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
from ansible_collections.msp.ops.plugins.plugin_utils.desk.escrowing import Escrowed
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import sealing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place, Secret
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.stored import Stored
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.tree import Tree
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.deliver import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

NOW = dt.datetime(2026, 11, 27, 2, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TILL = Place("bakkerij-jansen", "device:12", "local-admin", "msp-admin")
NOORA, BERT = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()


@pytest.fixture
def environ(sqlite_url: str, tmp_path: Path) -> dict[str, str]:
    recipients = tmp_path / "recipients"
    recipients.mkdir()
    (recipients / "bakkerij-jansen.txt").write_text(f"# Noora\n{NOORA.to_public()}\n")
    return {
        "MSP_STORE_URL": sqlite_url,
        "MSP_ESCROW": str(tmp_path / "escrow"),
        "MSP_ESCROW_RECIPIENTS": str(recipients),
        "MSP_WHO": "noora",
    }


def at(escrowed: Escrowed, when: dt.datetime) -> Escrowed:
    escrowed.now = lambda: when
    return escrowed


def kept(escrowed: Escrowed, value: str = "correct horse") -> str:
    version = escrowed.keep(TILL, value, host="till03.bakkerij-jansen")
    escrowed.mark(TILL, version)
    return version


def test_what_was_done_with_a_secret_is_on_record_and_the_secret_is_not(environ: dict[str, str]) -> None:
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        version = kept(escrowed)
        found = escrowed.fetch(TILL, [NOORA], why="the till does not start", ticket="T-1")
        events = escrowed.events(TILL)

    assert found.current is not None and found.current.value == "correct horse"
    assert [(e.action, e.host, e.subject, e.who, e.why, e.ticket, e.extra["version"]) for e in events] == [
        ("secret written", "till03.bakkerij-jansen", str(TILL), "noora", "", "", version),
        ("secret in force", "till03.bakkerij-jansen", str(TILL), "noora", "", "", version),
        ("secret fetched", "till03.bakkerij-jansen", str(TILL), "noora", "the till does not start", "T-1", version),
    ]
    assert "horse" not in repr(events)


def test_a_secret_is_due_when_it_is_old_was_given_out_or_may_be_opened_by_others(
    environ: dict[str, str],
) -> None:
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        at(escrowed, NOW)
        assert escrowed.due(TILL, DAY)
        kept(escrowed)
        assert not escrowed.due(TILL, DAY)
        assert at(escrowed, NOW + DAY).due(TILL, DAY)
        assert not at(escrowed, NOW).due(TILL, DAY)

        listed = escrowed.recipients_file.read_text()
        escrowed.recipients_file.write_text(f"# the same, said otherwise\n\n  {listed.splitlines()[1]}\n")
        assert not escrowed.due(TILL, DAY)
        escrowed.recipients_file.write_text(f"{listed}{BERT.to_public()}\n")
        assert escrowed.due(TILL, DAY)
        escrowed.recipients_file.write_text(listed)
        assert not escrowed.due(TILL, DAY)

        at(escrowed, NOW + DAY / 4).fetch(TILL, [NOORA], why="to look")
        assert escrowed.due(TILL, DAY)
        at(escrowed, NOW + DAY / 2)
        kept(escrowed, "another")
        assert not escrowed.due(TILL, DAY)


def test_a_clock_that_was_ahead_once_keeps_no_secret_from_being_changed(environ: dict[str, str]) -> None:
    """Neither when it is old nor after it was given out; and what is kept then has its own age again."""
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        at(escrowed, NOW + 200 * DAY)
        kept(escrowed)
        assert at(escrowed, NOW).due(TILL, 31 * DAY)
        kept(escrowed, "another")
        assert not escrowed.due(TILL, 31 * DAY) and not escrowed.given(TILL)
        escrowed.fetch(TILL, [NOORA], why="to look")
        assert escrowed.due(TILL, 31 * DAY) and escrowed.given(TILL)
        kept(escrowed, "a third")
        assert not escrowed.due(TILL, 31 * DAY) and not escrowed.given(TILL)
        assert at(escrowed, NOW + 31 * DAY).due(TILL, 31 * DAY)


def test_what_cannot_be_opened_keeps_nobody_from_what_can(environ: dict[str, str]) -> None:
    """The recipients changed, and the run was ended before the host was asked to take what was sealed for them."""
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        old = kept(escrowed)
        escrowed.recipients_file.write_text(f"{BERT.to_public()}\n")
        new = escrowed.keep(TILL, "staple")

        hers = escrowed.fetch(TILL, [NOORA], why="the till does not start")
        his = escrowed.fetch(TILL, [BERT], why="the till does not start")
        with pytest.raises(MspError, match="MSP-ESC-006"):
            escrowed.fetch(TILL, [pyrage.x25519.Identity.generate()], why="curious")
        with pytest.raises(MspError, match="MSP-ESC-006"):
            escrowed.verify(TILL, [NOORA])
        given = [event.extra["version"] for event in escrowed.events(TILL, "fetched")]

    assert [secret.value for secret in hers.every] == ["correct horse"] and list(hers.closed) == [new]
    assert [secret.value for secret in his.every] == ["staple"] and list(his.closed) == [old]
    assert given == [old, new]


def test_a_damaged_version_keeps_nobody_from_the_one_in_force(environ: dict[str, str]) -> None:
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        kept(escrowed)
        new = escrowed.keep(TILL, "staple")
        (damaged,) = Path(environ["MSP_ESCROW"]).rglob(f"*{new}*.age")
        damaged.chmod(0o600)
        damaged.write_bytes(damaged.read_bytes()[:-9])

        found = escrowed.fetch(TILL, [NOORA], why="the till does not start")

    assert [secret.value for secret in found.every] == ["correct horse"] and list(found.closed) == [new]


@pytest.mark.parametrize("harm", [lambda kept: kept[:-9], lambda kept: kept[:-1] + bytes([kept[-1] ^ 1])])
def test_one_that_is_no_longer_as_it_was_written_is_due_without_any_key(
    environ: dict[str, str], harm: Callable[[bytes], bytes]
) -> None:
    """Nobody could look it up, and a drill with a key may be months away."""
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        current = kept(escrowed)
        assert not escrowed.due(TILL, DAY)
        (file,) = Path(environ["MSP_ESCROW"]).rglob(f"*{current}*.age")
        whole = file.read_bytes()
        file.write_bytes(harm(whole))
        assert escrowed.due(TILL, DAY)

        file.write_bytes(whole)
        assert not escrowed.due(TILL, DAY)


def test_one_of_another_seal_in_the_place_of_the_one_in_force_is_due(environ: dict[str, str]) -> None:
    """Anybody can seal for the recipients, also a word that the host does not take."""
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        current = kept(escrowed)
        forged = sealing.seal(Secret(TILL, current, "of somebody else"), [NOORA.to_public()])
        (file,) = Path(environ["MSP_ESCROW"]).rglob(f"*{current}*.age")
        file.write_bytes(forged.ciphertext)
        assert escrowed.due(TILL, DAY)


def test_one_that_was_replaced_is_given_by_its_version_and_changes_nothing(environ: dict[str, str]) -> None:
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        old = kept(escrowed)
        kept(escrowed, "staple")
        found = escrowed.fetch(TILL, [NOORA], why="a copy of October was put back", version=old)
        with pytest.raises(MspError, match="MSP-ESC-009"):
            escrowed.fetch(TILL, [NOORA], why="x", version="20200101T000000.000000Z-00000000")
        assert not escrowed.given(TILL) and not escrowed.due(TILL, DAY)

    assert [secret.value for secret in found.every] == ["correct horse"] and not found.closed


def test_nothing_is_kept_that_nobody_could_open(environ: dict[str, str]) -> None:
    Path(environ["MSP_ESCROW_RECIPIENTS"], "bakkerij-jansen.txt").unlink()
    with (
        escrowing.at_hand("bakkerij-jansen", environ) as escrowed,
        pytest.raises(MspError, match=r"MSP-ESC-003.*bakkerij-jansen.txt"),
    ):
        escrowed.keep(TILL, "correct horse")
    assert not list(Path(environ["MSP_ESCROW"]).rglob("*.age"))


def test_one_customers_escrow_takes_and_gives_nothing_of_another(environ: dict[str, str]) -> None:
    other = Place("dental-noord", "device:12", "local-admin", "msp-admin")
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        asks = (
            lambda: escrowed.keep(other, "x"),
            lambda: escrowed.mark(other, "x"),
            lambda: escrowed.standing(other),
            lambda: escrowed.fetch(other, [NOORA], why="curious"),
            lambda: escrowed.verify(other, [NOORA]),
        )
        for ask in asks:
            with pytest.raises(MspError, match=r"MSP-ESC-013.*dental-noord"):
                ask()


def test_a_fetch_goes_on_without_the_store_and_is_told_it_later(environ: dict[str, str], sqlite_url: str) -> None:
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        kept(escrowed)
    down = {**environ, "MSP_STORE_URL": "postgresql://nobody@127.0.0.1:1/evidence"}
    with pytest.raises(MspError), escrowing.at_hand("bakkerij-jansen", down):
        pass

    with escrowing.at_hand("bakkerij-jansen", down, spooled=True) as escrowed:
        found = escrowed.fetch(TILL, [NOORA], why="all is dark", ticket="T-2")
        with pytest.raises(MspError, match="MSP-ESC-015"):
            escrowed.due(TILL, DAY)

    assert found.current is not None and len(spool.waiting()) == 1
    with Store.open(sqlite_url) as store:
        assert deliver(store).complete
        last = store.security_events("bakkerij-jansen")[-1]
    assert (last.action, last.who, last.why, last.ticket) == ("secret fetched", "noora", "all is dark", "T-2")


def test_nothing_is_given_out_that_can_be_put_on_record_nowhere(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        kept(escrowed)
    down = {**environ, "MSP_STORE_URL": "postgresql://nobody@127.0.0.1:1/evidence"}
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    with (
        escrowing.at_hand("bakkerij-jansen", down, spooled=True) as escrowed,
        pytest.raises(MspError, match="MSP-EVD"),
    ):
        escrowed.fetch(TILL, [NOORA], why="all is dark")


def test_it_lies_where_the_environment_says(environ: dict[str, str]) -> None:
    with escrowing.at_hand("bakkerij-jansen", environ) as escrowed:
        assert isinstance(escrowed.escrow, Tree)
    with escrowing.at_hand("bakkerij-jansen", {**environ, "MSP_ESCROW": "store"}) as escrowed:
        assert isinstance(escrowed.escrow, Stored)
        kept(escrowed)
        assert list(escrowed.escrow.places("bakkerij-jansen")) == [TILL]


@pytest.mark.parametrize("where", ["http://vault.example.com:8200", "ftp://vault.example.com", "postgresql://x/y"])
def test_a_place_of_no_known_kind_or_in_the_clear_is_refused(environ: dict[str, str], where: str) -> None:
    with (
        pytest.raises(MspError, match="MSP-ESC-014"),
        escrowing.at_hand("bakkerij-jansen", {**environ, "MSP_ESCROW": where, "VAULT_TOKEN": "x"}),
    ):
        pass


@pytest.mark.parametrize("customer", ["../other", "", "A b", "x/y"])
def test_a_customer_that_is_no_slug_is_refused(environ: dict[str, str], customer: str) -> None:
    with pytest.raises(MspError, match="MSP-ESC-001"), escrowing.at_hand(customer, environ):
        pass
