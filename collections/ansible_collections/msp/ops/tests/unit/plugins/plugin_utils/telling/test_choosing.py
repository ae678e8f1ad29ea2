# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which results are told, to whom, when, and in what words."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.telling import choosing, policy, wording
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import (
    GAVE_UP,
    LINE,
    MENDED,
    RESULTS,
    TEXT,
    TICKET,
    Result,
)

AT = dt.datetime(2026, 3, 28, 22, 30, tzinfo=dt.UTC)
YEAR = dt.timedelta(days=365)
ZONES = ["Europe/Amsterdam", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe", "UTC"]
POLICY = policy.read(
    """
channels: {desk: {environment: MSP_CHANNEL_DESK}, chat: {environment: MSP_CHANNEL_CHAT}}
tickets: {system: zammad, url: "https://support.example.com", token: {environment: MSP_ZAMMAD}, group: Desk}
default: {language: en, time_zone: UTC, gave_up: [desk], mended: [desk]}
customers:
  bakery:
    {language: nl, time_zone: Europe/Amsterdam, gave_up: [chat, tickets], requester: it@bakery.example,
     daily_at: "07:30"}
""",
    "telling.yml",
)
RESULT = Result(
    *("run1", "bakery", GAVE_UP, "disk full", "till", AT),
    found=("/ is 99 % full", "/var/log grew by 3 GB"),
    did=("removed 12 MB of old packages",),
    reason="what grew is not in the policy",
)


def test_what_gave_up_is_told_at_once_on_every_channel_that_the_customer_has_for_it() -> None:
    chat, ticket = choosing.messages(RESULT, POLICY)
    assert (chat.kind, chat.channel, chat.not_before) == (TEXT, "chat", None)
    assert (ticket.kind, ticket.channel, ticket.body["requester"]) == (TICKET, "tickets", "it@bakery.example")
    assert chat.subject == "till: disk full vraagt om een technicus"
    for said in (*RESULT.found, *RESULT.did, RESULT.reason):
        assert said in chat.body["text"]
    assert "2026-03-28 23:30 CET" in chat.body["text"]
    assert len({chat.key, ticket.key}) == 2


def test_a_customer_without_a_manner_of_its_own_is_told_in_the_default_one() -> None:
    (message,) = choosing.messages(replace(RESULT, customer="dentist"), POLICY)
    assert message.channel == "desk"
    assert message.subject == "till: disk full needs an engineer"


def test_what_was_mended_waits_for_the_text_of_the_day() -> None:
    (line,) = choosing.messages(replace(RESULT, outcome=MENDED), POLICY)
    assert (line.kind, line.channel) == (LINE, "desk")
    assert line.not_before == dt.datetime(2026, 3, 29, 5, 30, tzinfo=dt.UTC)
    assert line.body["text"] == "2026-03-28 23:30 CET till: disk full\n  - removed 12 MB of old packages"


@given(st.sampled_from([*RESULTS, "something else", ""]), st.booleans())
def test_nobody_is_told_of_nothing(outcome: str, known: bool) -> None:
    told = choosing.messages(replace(RESULT, outcome=outcome, customer="bakery" if known else "x"), POLICY)
    assert bool(told) == (outcome in (GAVE_UP, MENDED))
    assert len({one.key for one in told}) == len(told)


@pytest.mark.thorough
@given(
    st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: AT - YEAR + dt.timedelta(minutes=minutes)),
    st.times().map(lambda time: time.replace(second=0, microsecond=0)),
    st.sampled_from(ZONES),
)
def test_the_next_day_is_after_now_and_within_two_days_whatever_the_clocks_do(
    now: dt.datetime, at: dt.time, zone: str
) -> None:
    due = choosing.next_daily(now, at, ZoneInfo(zone))
    assert now < due <= now + dt.timedelta(hours=26)
    shown = due.astimezone(ZoneInfo(zone)).time()
    skipped = dt.datetime.combine(dt.date(2026, 1, 1), shown) - dt.datetime.combine(dt.date(2026, 1, 1), at)
    assert shown == at or abs(skipped) <= dt.timedelta(hours=1)


@pytest.mark.thorough
@given(st.text(), st.text(), st.lists(st.text(), max_size=30), st.sampled_from(["nl", "en"]))
def test_whatever_a_host_says_stays_one_line_of_a_subject_and_of_each_sentence(
    title: str, host: str, found: list[str], language: str
) -> None:
    said = replace(RESULT, title=title, host=host, found=tuple(found), did=(), reason="")
    subject, text = wording.gave_up(said, language, ZoneInfo("UTC"))
    assert subject.isprintable()
    assert len(subject) <= wording.SUBJECT
    lines = text.splitlines()
    assert sum(line.startswith("  - ") for line in lines) == min(len(found), wording.SENTENCES)
    assert all(line.isprintable() and len(line) <= wording.LONGEST + 4 for line in lines)


@pytest.mark.parametrize(("number", "wanted"), [(1, "bakery: 1 storing vanzelf verholpen"), (2, "bakery: 2 storingen")])
def test_the_text_of_a_day_counts_what_it_tells(number: int, wanted: str) -> None:
    subject, text = wording.day(["one\n  - done"] * number, "bakery", "nl")
    assert subject.startswith(wanted)
    assert text.count("\none\n  - done") == number
