# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An escrow in files with age: what is kept can be opened by whom it is for and nobody else, and nothing is lost."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import keeping, records, rotating, sealing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.keeping import Note
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Held, Place, Secret
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.tree import Tree

NOW = dt.datetime(2026, 11, 27, 2, 0, tzinfo=dt.UTC)
PLACE = Place("bakkerij-jansen", "device:12", "local-admin", "msp-admin")
NOORA = pyrage.x25519.Identity.generate()
OTHER = pyrage.x25519.Identity.generate()
TO = [NOORA.to_public()]
ASK = Note(NOW, keeping.FETCHED, PLACE, "", "noora", "the till does not start", "T-1")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    return Tree(tmp_path / "escrow")


def kept(tree: Tree, value: str, now: dt.datetime = NOW) -> str:
    return keeping.keep(tree, PLACE, value, TO, now=now, note=lambda _sealed: None)


def test_what_is_kept_is_fetched_by_whom_it_is_for_and_that_is_on_record_first(tree: Tree) -> None:
    version = kept(tree, "correct horse")
    told: list[Note] = []

    found = keeping.fetch(tree, [NOORA], PLACE, ASK, told.append)

    assert (found.current, [one.value for one in found.later]) == (None, ["correct horse"])
    assert [(one.action, one.version, one.who, one.why, one.ticket) for one in told] == [
        ("fetched", version, "noora", "the till does not start", "T-1")
    ]


def test_nothing_is_handed_out_that_cannot_be_put_on_record(tree: Tree) -> None:
    kept(tree, "correct horse")

    def fails(_note: Note) -> None:
        raise MspError("MSP-EVD-001", "a store", "none", "start it")

    with pytest.raises(MspError, match="MSP-EVD-001"):
        keeping.fetch(tree, [NOORA], PLACE, ASK, fails)


def test_somebody_else_opens_nothing_and_no_file_has_the_secret(tree: Tree, tmp_path: Path) -> None:
    kept(tree, "correct horse")

    with pytest.raises(MspError, match="MSP-ESC-006") as caught:
        keeping.fetch(tree, [OTHER], PLACE, ASK, lambda _note: None)

    assert "horse" not in str(caught.value)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(b"horse" in path.read_bytes() for path in files)
    assert all(not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) for path in tree.root.rglob("*"))


def test_a_secret_does_not_show_itself(tree: Tree) -> None:
    assert "horse" not in repr(Secret(PLACE, "v", "correct horse"))
    assert "horse" not in repr(sealing.seal(Secret(PLACE, "v", "correct horse"), TO))


def test_one_that_lies_in_the_place_of_another_is_not_taken_for_it(tree: Tree) -> None:
    mine = kept(tree, "mine")
    other = Place("bakkerij-jansen", "device:13", "local-admin", "msp-admin")
    tree.write(other, mine, tree.read(PLACE, mine))

    with pytest.raises(MspError, match=r"MSP-ESC-005.*device:12"):
        keeping.fetch(tree, [NOORA], other, ASK, lambda _note: None)


def test_what_is_read_back_otherwise_than_it_was_written_does_not_count(tree: Tree) -> None:
    class Failing(Tree):
        def read(self, place: Place, version: str) -> bytes:
            found = bytearray(super().read(place, version))
            found[-1] ^= 1
            return bytes(found)

    with pytest.raises(MspError, match=r"MSP-ESC-00[56]"):
        keeping.keep(Failing(tree.root), PLACE, "correct horse", TO, now=NOW, note=lambda _sealed: None)


def test_a_version_is_never_written_again(tree: Tree) -> None:
    version = kept(tree, "first")
    before = tree.read(PLACE, version)

    with pytest.raises(FileExistsError):
        tree.write(PLACE, version, b"another")

    assert tree.read(PLACE, version) == before
    assert not list(tree.root.rglob("*.partial"))


def test_the_first_mark_says_when(tree: Tree) -> None:
    version = kept(tree, "first")
    tree.mark(PLACE, version, NOW)
    tree.mark(PLACE, version, NOW + dt.timedelta(hours=1))

    assert tree.held(PLACE) == (Held(version, NOW),)
    assert list(tree.places("bakkerij-jansen")) == [PLACE]


@pytest.mark.parametrize("part", ["customer", "asset", "purpose", "name"])
@pytest.mark.parametrize("text", ["", "..", "../x", "a/b", "a\n", ".x", "device:0", "device:1/..", "x" * 200])
def test_what_can_be_no_place_is_refused(part: str, text: str) -> None:
    parts: dict[str, str] = {
        "customer": "bakkerij-jansen",
        "asset": "device:1",
        "purpose": "disk",
        "name": "data",
        part: text,
    }
    with pytest.raises(MspError, match=rf"MSP-ESC-001.*{part}"):
        Place(**parts)


def test_an_escrow_that_others_can_get_at_is_refused(tree: Tree) -> None:
    tree.root.mkdir()
    tree.root.chmod(0o750)
    with pytest.raises(MspError, match=r"MSP-ESC-007.*0750"):
        Tree(tree.root)


def test_one_that_would_vanish_with_its_container_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWX_HOST", "awx.example.com")
    monkeypatch.delenv("MSP_DURABLE_PATHS", raising=False)
    with pytest.raises(MspError, match="MSP-EVD-004"):
        Tree(tmp_path / "escrow")
    assert not (tmp_path / "escrow").exists()


class Crash(Exception):
    """The controller ends here."""


@dataclass
class Host:
    """Writes down what it will take before it takes it, as msp.ops.local_password does."""

    takes: str | None = None
    intended: tuple[str, str] = ("", "")

    def version(self) -> str | None:
        return self.intended[0] if self.takes is not None and self.intended[1] == self.takes else None


@pytest.mark.thorough
@given(st.data())
def test_wherever_a_rotation_is_cut_off_what_the_host_takes_is_in_the_escrow(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Runs of the rotation, each cut off anywhere or not at all; in the end one that is not."""
    root = tmp_path_factory.mktemp("escrow")
    os.environ["MSP_DURABLE_PATHS"] = str(root)
    tree = Tree(root / "tree")
    host = Host()
    now = [NOW]
    # By the clock of then, as the evidence has it.
    written: dict[str, dt.datetime] = {}

    def run(cut_after: int | None) -> None:
        steps = iter(range(1000))

        def step() -> None:
            if next(steps) == cut_after:
                raise Crash

        for _time in range(5):
            known = records.standing(tree.held(PLACE))
            due = rotating.due(written.get(known.current or ""), now[0], dt.timedelta(days=1), given=False)
            todo = rotating.next_step(rotating.Seen(known, host.version(), due))
            if todo.do == rotating.NOTHING:
                return
            step()
            version = todo.version
            if todo.do == rotating.CHANGE:
                new = rotating.new_password()
                version = keeping.keep(tree, PLACE, new, TO, now=now[0], note=lambda _sealed: step())
                written[version] = now[0]
                step()
                host.intended = (version, new)
                step()
                host.takes = new
                step()
            tree.mark(PLACE, version, now[0])
            step()
        raise AssertionError("it comes to no end")

    def value(version: str) -> str:
        return sealing.opened(tree.read(PLACE, version), [NOORA], PLACE, version).value

    for cut in data.draw(st.lists(st.none() | st.integers(0, 9), max_size=4)):
        now[0] += dt.timedelta(hours=data.draw(st.integers(-2, 30)))
        with contextlib.suppress(Crash):
            run(cut)
        known = records.standing(tree.held(PLACE))
        assert host.takes is None or host.takes in {value(one) for one in known.candidates}
    now[0] += dt.timedelta(days=3)
    run(None)
    known = records.standing(tree.held(PLACE))
    assert known.current is not None and value(known.current) == host.takes
    assert not known.later


def test_what_the_escrow_does_not_know_as_the_last_one_is_changed() -> None:
    known = records.standing([Held("20261127T020000.000000Z-00000000", NOW), Held("20261127T030000.000000Z-00000000")])
    assert rotating.next_step(rotating.Seen(known, "20261101T000000.000000Z-00000000", due=False)).do == rotating.CHANGE
    assert rotating.next_step(rotating.Seen(known, known.current, due=False)).do == rotating.NOTHING
    assert rotating.next_step(rotating.Seen(known, known.later[0], due=True)).do == rotating.MARK


@given(st.lists(st.integers(-1_000_000, 1_000_000), max_size=8))
def test_versions_sort_as_they_were_made_whatever_the_clocks_say(seconds: list[int]) -> None:
    held: list[Held] = []
    for number in seconds:
        held.append(Held(records.new_version(NOW + dt.timedelta(seconds=number), held)))
    assert sorted(held) == held
    assert len(set(held)) == len(held)
