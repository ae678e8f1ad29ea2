# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One rotation, with an escrow and a host in memory that may be cut off before or after any of their steps.

With real ones, killed for real: tests/test_local_admin.py.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import records, rotating
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Held, Place, Standing
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import rotation
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin.rotation import Account, Looked, Policy

PLACE = Place("harbour-dental", "device:12", "local-admin", "root")
ACCOUNT = Account(PLACE, "harbour-app01")
START = dt.datetime(2026, 11, 27, 2, 0, tzinfo=dt.UTC)
MONTH = dt.timedelta(days=31)


class CutOff(Exception):
    """The run was ended here."""


@dataclass
class World:
    """What outlives a run: the escrow's versions with their passwords, and what the host takes."""

    kept: dict[str, str] = field(default_factory=dict)
    marks: dict[str, dt.datetime] = field(default_factory=dict)
    fetched: dt.datetime | None = None
    host: str = "set by hand"
    known: dict[str, str] = field(default_factory=dict)
    uses: tuple[str, ...] = ()
    tested: dt.datetime | None = None
    exists: bool = True
    now: dt.datetime = START
    # After so many steps the run is cut off; None: never.
    left: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.left is not None:
            if self.left == 0:
                raise CutOff
            self.left -= 1

    # the escrow

    def keep(self, _place: Place, value: str, *, host: str = "") -> str:
        assert host == ACCOUNT.host
        self.step()
        version = records.new_version(self.now, [Held(one) for one in self.kept])
        self.kept[version] = value
        self.step()
        return version

    def mark(self, _place: Place, version: str, *, host: str = "") -> None:
        assert host == ACCOUNT.host
        self.step()
        self.marks[version] = self.now
        self.step()

    def standing(self, _place: Place) -> Standing:
        return records.standing([Held(one, self.marks.get(one)) for one in self.kept])

    def due(self, place: Place, every: dt.timedelta) -> bool:
        current = self.standing(place).current
        made = None if current is None else records.made(current)
        return rotating.due(made, self.now, every, given=self.given(place))

    def given(self, place: Place) -> bool:
        current = self.standing(place).current
        return current is not None and self.fetched is not None and self.fetched >= records.made(current)

    # the host

    def look(self) -> Looked:
        self.step()
        version = next((name for name, word in reversed(self.known.items()) if word == self.host), None)
        return Looked(self.exists, version, self.uses, self.tested)

    def set(self, version: str, password: str) -> None:
        self.step()
        self.known[version] = password
        self.step()
        self.host = password
        self.uses, self.tested = (), None
        self.step()

    def open(self) -> list[str]:
        """What a person would be given."""
        return [self.kept[one] for one in self.standing(PLACE).candidates]

    def rotate(self, *, dry: bool = False, **policy: Any) -> rotation.Outcome:
        by = Policy(**{"every": MONTH, **policy})
        return rotation.rotate(self, ACCOUNT, self, by, self.now, dry=dry)


HAPPENS = st.lists(
    st.one_of(
        st.integers(0, 12).map(lambda left: ("cut off", left)),
        st.integers(0, 40).map(lambda days: ("time goes by", days)),
        st.sampled_from([("rotated", 0), ("fetched", 0), ("used", 0), ("older shadow", 0), ("by hand", 0)]),
    ),
    max_size=14,
)


@given(HAPPENS)
def test_whatever_ends_it_people_can_look_up_what_the_host_takes_and_it_is_never_an_old_one(
    happens: list[tuple[str, int]],
) -> None:
    world = World()
    world.rotate()
    given_out: set[str] = set()
    for what, number in happens:
        world.now += dt.timedelta(minutes=1)
        before, ours = world.host, world.host in world.kept.values()
        if what == "cut off":
            world.left = number
            with contextlib.suppress(CutOff):
                world.rotate(force=True)
            world.left = None
            if ours:
                assert world.host in world.open() or before == world.host
        elif what == "rotated":
            world.rotate()
        elif what == "fetched":
            world.fetched = world.now
            given_out |= set(world.open())
        elif what == "used":
            world.uses = ("17 auth su-l -",)
        elif what == "older shadow":
            world.host = next(iter(world.kept.values()))
        elif what == "by hand":
            world.host = "set by hand"
        else:
            world.now += dt.timedelta(days=number)

    world.now += dt.timedelta(minutes=1)
    world.rotate()

    # The first that a person would try is the one that the host takes, and nobody was ever given it.
    assert world.open()[0] == world.host
    assert world.host not in given_out
    assert len(set(world.kept.values())) == len(world.kept)
    done = world.rotate()
    assert (done.changed, done.because, done.steps) == (False, (), ())


def test_each_step_leaves_what_people_can_look_up() -> None:
    whole = World()
    whole.rotate()
    begun = whole.steps
    whole.rotate(force=True)
    for left in range(whole.steps - begun):
        world = World()
        world.rotate()
        world.left = left
        with pytest.raises(CutOff):
            world.rotate(force=True)
        world.left = None
        assert world.host in world.open()
        done = world.rotate(force=True)
        assert done.fresh == world.host and world.open() == [world.host]


def test_what_the_host_took_and_nobody_marked_is_marked_and_not_changed() -> None:
    world = World()
    world.rotate()
    world.marks.clear()
    done = world.rotate()
    assert (done.steps, done.because, done.fresh) == ((rotation.MARKED,), (), None)


@pytest.mark.parametrize(
    ("change", "policy", "because"),
    [
        ({"uses": ("17 auth su-l -",)}, {}, rotation.USED),
        ({"fetched": START}, {}, rotation.FETCHED),
        ({"now": START + MONTH}, {}, rotation.RENEW),
        ({"host": "set by hand"}, {}, rotation.UNKNOWN),
        ({}, {"force": True}, rotation.ASKED),
        ({}, {"tested": MONTH}, rotation.UNTESTED),
        ({"tested": START - MONTH}, {"tested": MONTH}, rotation.UNTESTED),
    ],
)
def test_a_password_is_changed_for_a_reason_that_is_said(
    change: dict[str, Any], policy: dict[str, Any], because: str
) -> None:
    world = World()
    world.rotate()
    for name, value in change.items():
        setattr(world, name, value)
    old = world.host

    foretold = world.rotate(dry=True, **policy)
    assert (world.host, foretold.because, foretold.fresh) == (old, (because,), None)
    done = world.rotate(**policy)

    assert (done.because, done.steps) == ((because,), rotation.STEPS)
    assert world.host != old and done.fresh == world.host and done.version == world.standing(PLACE).current


def test_one_that_is_tested_and_young_and_that_nobody_saw_stays() -> None:
    world = World()
    world.rotate()
    world.tested = START
    assert not world.rotate(tested=MONTH).changed


def test_an_account_that_is_not_there_is_said_and_nothing_is_kept_for_it() -> None:
    world = World(exists=False)
    assert world.rotate(dry=True).steps == rotation.STEPS
    with pytest.raises(MspError) as caught:
        world.rotate()
    assert (caught.value.code, world.kept) == ("MSP-ADM-005", {})


def test_a_host_that_does_not_take_it_keeps_it_from_being_marked() -> None:
    class Stubborn(World):
        def set(self, version: str, password: str) -> None:
            self.known[version] = password

    world = Stubborn()
    with pytest.raises(MspError) as caught:
        world.rotate()
    assert caught.value.code == "MSP-ADM-011"
    assert world.marks == {} and len(world.kept) == 1


def test_nothing_prints_a_password() -> None:
    world = World()
    done = world.rotate()
    assert done.fresh and done.fresh not in repr(done)


def test_what_a_host_answers_is_read_or_said() -> None:
    found = rotation.read("h", {"exists": True, "version": "v1", "tested": 17, "uses": ["x" * 999]})
    assert (found.version, len(found.uses[0])) == ("v1", 300)
    assert found.tested == dt.datetime(1970, 1, 1, 0, 0, 17, tzinfo=dt.UTC)
    error = {"code": "MSP-ADM-002", "expected": "a state", "found": "none", "action": "look"}
    for said, code in (
        ({"failed": True, "error": error}, "MSP-ADM-002"),
        ({"failed": True, "msg": "no Python"}, "MSP-ADM-010"),
        ({}, "MSP-ADM-010"),
    ):
        with pytest.raises(MspError) as caught:
            rotation.read("h", said)
        assert caught.value.code == code
