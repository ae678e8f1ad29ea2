# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people asked, as NetBox shows it: who, what, why, and of which event; and nothing that Markdown would obey."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import asking, events, journal
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    APPROVED,
    HOUR,
    NOON,
    PILOT,
    PLANNED,
)


def said(*history: events.Event) -> list[str]:
    return [one.comments for one in journal.entries("r1", (PLANNED, *history))]


def test_each_thing_that_a_person_asked_is_an_entry_with_who_when_and_why() -> None:
    paused = events.Paused(NOON + HOUR, "bob", "the baker calls")
    resumed = events.Resumed(NOON + HOUR, "bob", "he is done")
    aborted = events.AbortAsked(NOON + HOUR, "anna", "wrong week")
    assert said(*PILOT, paused, resumed, aborted) == [
        "Patch rollout r1 (security) approved by anna, 2026-06-09 12:00 UTC, manifest hash: looked at it "
        "(msp.ops patch rollout r1, event 2)",
        "Patch rollout r1 (security) paused by bob, 2026-06-09 13:00 UTC: the baker calls "
        "(msp.ops patch rollout r1, event 7)",
        "Patch rollout r1 (security) resumed by bob, 2026-06-09 13:00 UTC: he is done "
        "(msp.ops patch rollout r1, event 8)",
        "Patch rollout r1 (security) aborted by anna, 2026-06-09 13:00 UTC: wrong week "
        "(msp.ops patch rollout r1, event 9)",
    ]


def test_what_the_plan_approved_is_nobodys_word() -> None:
    assert said(events.Approved(NOON, "hash", events.THE_PLAN, "automatic: security")) == []


def test_whatever_a_person_can_ask_has_its_entry() -> None:
    for action in asking.ACTIONS:
        history: list[events.Event] = [PLANNED] if action == asking.APPROVE else [PLANNED, APPROVED]
        if action == asking.RESUME:
            history.append(events.Paused(NOON, "anna", "why"))
        from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import fold

        event = asking.ask(fold("r1", history), action, by="bob", reason="why", at=NOON, manifest="hash")
        assert len(list(journal.entries("r1", (*history, event)))) == 1 + sum(
            isinstance(one, events.Approved | events.Paused) for one in history
        )


@pytest.mark.parametrize("words", ["<img src=x>", "[a](http://b)", "# head\nline", "`code` | *bold*", "\x00\x1b[2J"])
def test_what_a_person_wrote_has_no_meaning_of_its_own(words: str) -> None:
    (entry,) = said(events.Paused(NOON, words, words))
    assert not set(entry) & set("<>[]#`|*\n\x00\x1b")


def test_an_entry_is_known_again_by_its_mark_at_the_end_alone() -> None:
    first, other = list(journal.entries("r1", (PLANNED, APPROVED, events.Paused(NOON, "bob", "why"))))
    assert first.is_in([first.comments + "\n"])
    assert first.is_in([f"somebody edited this ({first.mark})"])
    assert not first.is_in([other.comments, f"see ({first.mark}) above", ""])
    (eleventh,) = journal.entries("r1", (PLANNED, *[events.HostIdle(NOON, "x")] * 9, APPROVED))
    (first_again,) = journal.entries("r1", (PLANNED, APPROVED))
    assert not first_again.is_in([eleventh.comments])
    assert not first_again.is_in([next(iter(journal.entries("r10", (PLANNED, APPROVED)))).comments])
