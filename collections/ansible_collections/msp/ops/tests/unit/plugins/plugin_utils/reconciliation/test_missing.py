# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a known thing is gone: exactly after so many complete looks, and never by a look that proves nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Coverage
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import missing
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.missing import Answer

T0 = dt.datetime(2026, 3, 1, 8, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
NOW = T0 + 1000 * HOUR
PREFIX = ("192.0.2.0/24",)
HOME = "192.0.2.7"


@dataclass(frozen=True)
class Event:
    """One look; sees: whether the thing was on its list. told: what the source says when it saw it, else the look's."""

    source: str = "nmap"
    complete: bool = True
    sees: bool = False
    at: dt.datetime | None = None
    told: dt.datetime | None = None
    scope: tuple[str, ...] = PREFIX


def happened(events: Sequence[Event]) -> tuple[list[Answer], list[Coverage]]:
    """What the store has after these looks: what each saw was recorded before the look itself."""
    looks: list[Coverage] = []
    last: dict[str, Answer] = {}
    for place, event in enumerate(events, start=1):
        at = event.at or T0 + place * HOUR
        if event.sees:
            before = last.get(event.source)
            told = max(event.told or at, before.at if before else T0 - HOUR)
            last[event.source] = Answer(event.source, told, place - 1)
        recorded = T0 + place * HOUR + dt.timedelta(minutes=1)
        looks.append(
            Coverage("bakery", event.source, at, event.complete, event.scope, recorded_at=recorded, number=place)
        )
    return list(last.values()), looks


def counted(events: Sequence[Event], *, asset_class: str = "server", now: dt.datetime = NOW) -> dict[str, int]:
    answers, looks = happened(events)
    return missing.misses(answers, [HOME], asset_class, missing.looks(looks), now)


SEEN = Event(sees=True)
MISSED = Event()
FAILED = Event(complete=False)


@pytest.mark.parametrize(
    ("events", "misses"),
    [
        ([SEEN], {}),
        ([SEEN, MISSED], {"nmap": 1}),
        ([SEEN, MISSED, MISSED, MISSED], {"nmap": 3}),
        ([SEEN, MISSED, FAILED, MISSED], {"nmap": 2}),  # a failed look neither counts nor starts the count anew
        ([SEEN, MISSED, MISSED, SEEN], {}),
        ([SEEN, MISSED, MISSED, replace(SEEN, complete=False)], {}),  # half a scan that sees it proves that it is there
        ([MISSED, MISSED, MISSED], {}),  # nobody ever saw it: no source should have
        ([SEEN, replace(MISSED, scope=("198.51.100.0/24",))], {}),  # looked somewhere else
        ([SEEN, replace(MISSED, scope=())], {"nmap": 1}),
        ([SEEN, replace(MISSED, source="dhcp", scope=())], {}),  # the DHCP server never knew it
        ([replace(SEEN, source="dhcp", scope=()), MISSED], {}),  # no scan ever saw it: its firewall may be silent
        ([SEEN, MISSED, MISSED, replace(SEEN, source="dhcp")], {}),
        ([SEEN, replace(MISSED, source="nmap:branch"), MISSED], {"nmap": 1}),
        ([SEEN, replace(SEEN, source="nmap:hq"), replace(MISSED, source="nmap:hq"), MISSED], {"nmap:hq": 1, "nmap": 1}),
        ([SEEN, replace(MISSED, at=T0)], {}),  # the clock jumped back
        ([SEEN, replace(MISSED, at=T0 + 99 * HOUR), MISSED], {}),  # it jumped ahead, and back
    ],
)
def test_how_many_looks_missed_it(events: list[Event], misses: dict[str, int]) -> None:
    assert counted(events) == misses


def test_a_machine_that_its_directory_names_in_every_look_is_on_the_list_however_long_ago_it_logged_on() -> None:
    named = Event("directory", sees=True, told=T0 - 400 * HOUR, scope=())
    assert counted([named] * 5) == {}
    assert counted([named]) == {}
    assert counted([named, named, *[replace(named, sees=False)] * 3]) == {"directory": 3}


def test_a_list_that_still_names_it_does_not_hide_that_nobody_sees_it() -> None:
    named = Event("directory", sees=True, told=T0 - 400 * HOUR, scope=())
    assert counted([SEEN, named, MISSED, named, MISSED, named, MISSED, named]) == {"nmap": 3}


def test_what_was_seen_with_a_clock_that_had_jumped_back_was_seen_after_the_looks_before_it() -> None:
    jumped = Event("arp", sees=True, at=T0 - 20 * HOUR, scope=())
    assert counted([SEEN, MISSED, MISSED, MISSED, jumped]) == {}


def test_a_list_whose_clock_is_ahead_is_taken_by_the_order_of_the_looks() -> None:
    ahead = Event("dhcp", sees=True, told=T0 + 40_000 * HOUR, scope=())
    assert counted([SEEN, MISSED, ahead]) == {}
    assert counted([SEEN, ahead, MISSED]) == {"nmap": 1}


def test_a_thing_that_was_seen_by_a_clock_gone_wrong_is_gone_by_the_order_of_the_looks() -> None:
    """Seen "in 2030"; after the clock was put right, the looks that miss it count but for the first."""
    wrong = replace(SEEN, at=T0 + 40_000 * HOUR)
    assert counted([wrong, MISSED, MISSED, MISSED]) == {"nmap": 2}


@pytest.mark.parametrize("asset_class", ["mobile", "private"])
def test_things_that_sleep_and_roam_are_missed_by_their_mdm_only(asset_class: str) -> None:
    mdm = Event("mdm", scope=())
    assert counted([SEEN, MISSED, MISSED, MISSED], asset_class=asset_class) == {}
    assert counted([replace(mdm, sees=True), MISSED, mdm], asset_class=asset_class) == {"mdm": 1}


def test_the_number_needed_is_that_of_the_kind_of_source() -> None:
    assert missing.is_missing({"nmap": 3}, {})
    assert not missing.is_missing({"nmap": 2, "dhcp": 2}, {})
    assert missing.is_missing({"dhcp:branch": 1}, {"dhcp": 1})
    assert not missing.is_missing({"nmap": 4}, {"nmap": 5})


def test_an_answer_of_which_only_the_time_is_known_counts_by_its_time() -> None:
    looks = missing.looks(happened([MISSED, MISSED])[1])
    audit, scan = Answer("audit", T0 + 1.5 * HOUR), Answer("nmap", T0, 0)
    assert missing.misses([audit, scan], [HOME], "server", looks, NOW) == {"nmap": 1}


def test_while_something_that_may_be_it_is_seen_the_looks_before_that_count_no_more() -> None:
    answers, told = happened([SEEN, MISSED, MISSED, MISSED])
    looks = missing.looks(told)

    def counted_with(*doubtful: Answer) -> dict[str, int]:
        return missing.misses(answers, [HOME], "server", looks, NOW, doubtful=doubtful)

    assert counted_with() == {"nmap": 3}
    assert counted_with(Answer("arp", T0, 0)) == {"nmap": 3}
    assert counted_with(Answer("arp", T0 + 3.5 * HOUR, 3)) == {"nmap": 1}
    # Who saw only what may be it is no source that should have seen it.
    assert missing.misses([Answer("audit", T0)], [HOME], "server", looks, NOW, doubtful=answers) == {}


# What holds whatever happens

sources = st.sampled_from(["nmap", "nmap:branch", "dhcp", "mdm"])
events = st.builds(
    Event,
    source=sources,
    complete=st.booleans(),
    sees=st.booleans(),
    at=st.none() | st.integers(-5, 60).map(lambda hours: T0 + hours * HOUR),
    scope=st.sampled_from([PREFIX, (), ("198.51.100.0/24",)]),
)
histories = st.lists(events, max_size=12)
needed = st.dictionaries(st.sampled_from(["nmap", "dhcp", "mdm"]), st.integers(1, 4), max_size=3)


def is_missing(history: Sequence[Event], limits: dict[str, int]) -> bool:
    return missing.is_missing(counted(history), limits)


@given(histories, needed, st.data())
def test_a_failed_look_never_makes_anything_missing(
    history: list[Event], limits: dict[str, int], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(history)))
    # At its own hour, like every other look here: a clock that goes wrong is another property.
    usual = [replace(event, at=None) for event in history]
    failed = replace(data.draw(events), complete=False, sees=False, at=None)
    without = [*usual[:place], replace(failed, source="other"), *usual[place:]]
    with_it = [*usual[:place], failed, *usual[place:]]
    assert is_missing(with_it, limits) <= is_missing(without, limits)


@given(histories, needed)
def test_looks_that_all_failed_never_make_anything_missing(history: list[Event], limits: dict[str, int]) -> None:
    assert not is_missing([replace(event, complete=False) for event in history], limits)


@given(histories, needed, st.data())
def test_one_more_sighting_never_makes_something_missing(
    history: list[Event], limits: dict[str, int], data: st.DataObject
) -> None:
    """Of a thing that somebody saw before; what nobody saw is not gone but unknown."""
    unseen = [place for place, event in enumerate(history) if not event.sees]
    if not unseen or len(unseen) == len(history):
        return
    place = data.draw(st.sampled_from(unseen))
    # A source that lists all it knows becomes one that should see the thing with its first sighting of it.
    known = {event.source for event in history if event.sees}
    if history[place].source not in known:
        return
    more = [*history[:place], replace(history[place], sees=True), *history[place + 1 :]]
    assert is_missing(more, limits) <= is_missing(history, limits)


@given(st.integers(1, 6), st.integers(0, 9), st.lists(st.just(FAILED), max_size=3))
def test_the_number_of_looks_is_exact(limit: int, looks: int, failed: list[Event]) -> None:
    history = [SEEN, *failed, *[MISSED] * looks, *failed]
    assert is_missing(history, {"nmap": limit}) == (looks >= limit)
