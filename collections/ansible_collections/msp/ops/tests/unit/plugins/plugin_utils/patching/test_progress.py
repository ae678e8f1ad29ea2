# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a rollout is, for people: nothing that matters is left out, and nothing is promised that nobody can know."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import deciding, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import decide
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress import (
    ORDER,
    Progress,
    as_dict,
    history_lines,
    host_state,
    lines,
    of,
    progress,
    state_of,
    waits_for,
)
from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import LANGUAGES
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    APPROVED,
    BROAD,
    DAY,
    EVENING,
    EVERYBODY,
    HOUR,
    MINUTE,
    NAMES,
    NOON,
    PILOT,
    PLANNED,
    batch,
    ended,
    failed,
    passed,
    plan,
    rollout,
    soaking,
)

AFTER = EVENING + 2 * DAY
AT_WORK = (
    *BROAD,
    batch("broad", "db1", "db2", at=AFTER),
    ended("db1", "lost", at=AFTER, reason="no answer"),
)


def now_of(*history: Event, now: dt.datetime, **changed: Any) -> Progress:
    found, made = rollout(*history), plan(**changed)
    return progress(found, made, now, decide(found, made, now, replace(EVERYBODY, running=frozenset({"db2"}))))


def said_of(*history: Event, now: dt.datetime, **changed: Any) -> list[str]:
    return lines(now_of(*history, now=now, **changed), now)


def test_a_rollout_at_work_as_a_person_sees_it() -> None:
    assert said_of(*AT_WORK, now=AFTER + 10 * MINUTE, **{"rates.at_once": 1}) == [
        "r1 (security): active, 1 of 4 hosts done",
        "  pilot  complete  1 patched",
        "  broad  active    1 at work, 1 waiting, 1 lost",
        "  db1: lost since 2026-06-11 22:00 CEST: no answer",
        "  db2: at work since 2026-06-11 22:00 CEST",
        "  window: takes hosts until 2026-06-12 01:00 CEST, 2 h 50 min left",
        "  likely done: 2026-06-11 23:10 CEST",
        "  deadline: 2026-06-23 14:00 CEST",
        "  next: as many hosts are at work as ring broad may have at once",
    ]


def test_what_waits_says_for_what_and_until_when() -> None:
    found = now_of(*PILOT, now=EVENING + HOUR)
    assert (found.state, found.next, found.until) == ("soaking", "soak", EVENING + DAY)
    # The pilot soaks until Wednesday evening; Thursday's is the next window, and one batch takes half an hour.
    assert found.end == AFTER + 30 * MINUTE
    assert found.open_until == EVENING + 3 * HOUR
    closed = now_of(APPROVED, now=NOON)
    assert (closed.open_until, closed.opens, closed.next, closed.until) == (None, EVENING, "window", EVENING)


def test_where_nobody_can_read_the_plan_the_history_alone_is_told_and_nothing_is_promised() -> None:
    assert history_lines(rollout(*AT_WORK), AFTER) == [
        "r1 (security): active, 1 of 4 hosts done",
        "  pilot  complete  1 patched",
        "  broad  active    1 at work, 1 waiting, 1 lost",
        "  db1: lost since 2026-06-11 20:00 UTC: no answer",
        "  db2: at work since 2026-06-11 20:00 UTC",
        "  deadline: 2026-06-23 12:00 UTC",
        f"  manifest: {rollout(*AT_WORK).manifest}",
    ]


def test_the_end_is_reckoned_with_what_hosts_took_so_far() -> None:
    slow = (*PILOT[:3], ended("till", seconds=45 * 60), soaking("pilot"))
    assert now_of(*slow, now=EVENING + HOUR).end == AFTER + 45 * MINUTE
    assert now_of(*slow, now=EVENING + HOUR, **{"rates.at_once": 1}).end == AFTER + 135 * MINUTE
    assert now_of(*slow, now=EVENING + HOUR, **{"rings.1.soak": "3h"}).end == AFTER + 45 * MINUTE + 3 * HOUR


def test_no_end_is_promised_that_depends_on_a_person() -> None:
    paused = events.Paused(EVENING, "anna", "stocktaking")
    for history in ((), (*PILOT, paused), (*PILOT, failed("pilot"))):
        assert now_of(*history, now=AFTER, automatic=False).end is None
    assert "likely done" not in "\n".join(said_of(*PILOT, paused, now=AFTER))


def test_what_is_not_as_it_should_be_is_named_with_why() -> None:
    found = now_of(*PILOT, failed("pilot", till="nginx is not active"), now=AFTER)
    assert (found.side, found.next) == ("halted", "halted")
    assert [(host.host, host.state, host.why) for host in found.hosts] == [("till", "patched", "nginx is not active")]
    said = lines(found, AFTER)
    assert said[0] == "r1 (security): halted at gate, 1 of 4 hosts done"
    assert "ring pilot did not pass" in said[-1]


def test_of_many_hosts_the_first_are_named_and_the_rest_counted() -> None:
    names = [f"h{number:02}" for number in range(30)]
    rings = (
        replace(PLANNED.rings[0], hosts=tuple(events.Target(name, name, name) for name in names)),
        PLANNED.rings[1],
    )
    planned = replace(PLANNED, rings=rings)
    lost = [events.HostEnded(EVENING, replace(ended("till", "lost").result, host=name)) for name in names]
    found = progress_of([planned, APPROVED, PILOT[1], batch("pilot", *names), *lost])
    assert len(found.hosts) == 30
    assert "  and 10 more hosts" in lines(found, EVENING)


def progress_of(history: list[Event]) -> Progress:
    from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import fold

    found = fold("r1", history)
    return progress(found, plan(), EVENING, decide(found, plan(), EVENING, EVERYBODY))


def test_the_end_names_who_lacks_it() -> None:
    over = (events.AbortAsked(NOON, "anna", "wrong day"), events.Aborted(NOON, NAMES))
    found = now_of(*over, now=EVENING)
    assert found.over
    assert lines(found, EVENING)[-2:] == [
        "  not done: till, db1, db2, mail",
        "  next: the rollout is over: aborted",
    ]
    done = (*BROAD, batch("broad", "db1", "db2", "mail", at=AFTER), *(ended(n, at=AFTER) for n in NAMES[1:]))
    whole = (*done, soaking("broad", AFTER, 0 * DAY), passed("broad", AFTER), events.Completed(AFTER))
    assert now_of(*whole, now=AFTER).end == AFTER


def test_a_plan_with_other_rings_or_without_a_window_has_no_end() -> None:
    assert now_of(*PILOT, now=EVENING, **{"rings.0.name": "first"}).end is None
    never = {"windows.night.rule": "FREQ=DAILY;UNTIL=20260101", "windows.night.start": "22:00"}
    found = now_of(APPROVED, now=EVENING, **never)
    assert (found.end, found.opens) == (None, None)
    assert "  window: none opens any more" in lines(found, EVENING)


def test_the_data_is_plain() -> None:
    found = as_dict(now_of(*AT_WORK, now=AFTER))
    assert json.loads(json.dumps(found)) == found
    assert found["rings"][1]["hosts"] == {"working": 1, "waiting": 1, "lost": 1}
    assert found["deadline"] == "2026-06-23T12:00:00+00:00"


@pytest.mark.parametrize("history", [(), AT_WORK, PILOT, (*PILOT, failed("pilot", till="nginx is not active"))])
def test_what_was_made_plain_is_made_whole_again(history: tuple[Event, ...]) -> None:
    for now in (EVENING + HOUR, AFTER):
        found = now_of(*history, now=now, automatic=False)
        assert of(json.loads(json.dumps(as_dict(found)))) == found


def test_it_is_made_whole_with_every_moment() -> None:
    found = now_of(*PILOT, now=EVENING + HOUR)
    moments = (found.until, found.end, found.open_until, found.rings[0].soak_until, found.deadline)
    assert None not in moments
    again = of(as_dict(found))
    assert (again.until, again.end, again.open_until, again.rings[0].soak_until, again.deadline) == moments


# In the other language


def test_the_same_in_dutch() -> None:
    assert lines(now_of(*AT_WORK, now=AFTER + 10 * MINUTE, **{"rates.at_once": 1}), AFTER + 10 * MINUTE, "nl") == [
        "r1 (beveiliging): bezig, 1 van 4 apparaten klaar",
        "  pilot  klaar  1 bijgewerkt",
        "  broad  bezig  1 bezig, 1 wacht, 1 geen antwoord",
        "  db1: geen antwoord sinds 2026-06-11 22:00 CEST: no answer",
        "  db2: bezig sinds 2026-06-11 22:00 CEST",
        "  venster: neemt apparaten tot 2026-06-12 01:00 CEST, nog 2 u 50 min",
        "  waarschijnlijk klaar: 2026-06-11 23:10 CEST",
        "  uiterlijk: 2026-06-23 14:00 CEST",
        "  hierna: er zijn zoveel apparaten tegelijk bezig als is afgesproken",
    ]


def test_what_the_kind_alone_does_not_say_is_quoted() -> None:
    said = lines(now_of(*PILOT, events.Paused(EVENING, "anna", "stocktaking"), now=EVENING), EVENING, "nl")
    assert said[0] == "r1 (beveiliging): gepauzeerd bij: draait proef, 1 van 4 apparaten klaar"
    assert said[-1].endswith("(vastgelegd: paused by anna: stocktaking; a person resumes or aborts it)")


KINDS = {value for name, value in vars(deciding).items() if name.isupper() and isinstance(value, str)}


@pytest.mark.parametrize("kind", sorted({*KINDS, "step", "look", "begin", "gate", "roll back"}))
@pytest.mark.parametrize("until", [None, EVENING])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_whatever_comes_next_can_be_told_to_whom_did_not_make_it(
    kind: str, until: dt.datetime | None, language: str
) -> None:
    found = replace(now_of(*PILOT, now=EVENING), next=kind, until=until)
    said = waits_for(found, Words(language), lambda at: f"at {at:%H:%M}")
    assert said and "{" not in said
    if until is None:
        assert "at 20:00" not in said


def test_every_state_has_its_word_in_both_languages() -> None:
    sides = (states.PAUSED, states.HALTED, states.ABORTING, states.ABORTED, states.SUPERSEDED, states.EXPIRED)
    found = now_of(*PILOT, now=EVENING)
    for language in LANGUAGES:
        t = Words(language)
        assert all(host_state(state, t) for state in ORDER)
        for side in (None, *sides, states.SIDE_ROLLED_BACK):
            for state in (states.PLANNED, states.APPROVED, states.WAITING, states.ACTIVE, states.SOAKING, states.GATE):
                assert state_of(replace(found, side=side, state=state), t)
