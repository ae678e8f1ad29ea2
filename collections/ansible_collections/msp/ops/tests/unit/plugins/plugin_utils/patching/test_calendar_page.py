"""The calendar in words: for a Dutch and an English customer, as a page and as a text for a mail."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.patching.calendar import calendar
from ansible_collections.msp.ops.plugins.plugin_utils.patching.calendar_page import (
    KINDS,
    Told,
    page,
    spoken,
    text,
    told,
)
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import WIDTH, columns
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import local, member, plan, utc

NOW = utc("2026-02-10T08:00")
FREEZE = {"from": "2026-03-02", "until": "2026-03-06", "reason": "Stocktaking", "emergency": "refused"}
EXCLUSION = {"package": "postgresql-*", "reason": "The till", "owner": "A. de Vries", "expires": "2026-02-01"}
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }}\u202e"


def customer(language: str = "en") -> Customer:
    terms = Contract("BJ-1", dt.date(2025, 1, 1), None, language=language, timezone="Europe/Amsterdam")
    return Customer(1, "bakkerij-jansen", "Bakkerij Jansen", terms)


def said(language: str = "en", /, **changed: Any) -> Told:
    members = [member(1, "msp-ring-pilot"), *(member(number) for number in range(2, 15))]
    changed = {"freezes": [FREEZE], "exclusions": [EXCLUSION], "preset": "cyber-essentials", **changed}
    return told(calendar(plan(**changed), members, NOW), customer(language), "Noordkaap IT", NOW)


def rows(found: Told, key: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    return {row.name: row.cells for table in found.tables if table.key == key for row in table.rows}


def lines(found: Told, kind: str) -> list[str]:
    every = [line for month in found.months for line in month.lines if line.kind == kind]
    return [" | ".join((line.day, line.time, line.what, *line.facts)) for line in every]


def test_the_rules_are_told_in_english() -> None:
    assert rows(said(), "rules") == {
        "Emergency": (("at once",), ("within 2 days",), ("at any time",)),
        "Security": (("at once",), ("within 14 days", "as Cyber Essentials asks"), ("in night",)),
        "Routine": (
            ("after 7 days", "together, on the collecting days below"),
            ("within 60 days",),
            ("in night",),
        ),
    }


def test_the_rules_are_told_in_dutch() -> None:
    found = said("nl")
    assert rows(found, "rules")["Beveiliging"] == (
        ("meteen",),
        ("binnen 14 dagen", "zoals Cyber Essentials vraagt"),
        ("in night",),
    )
    assert found.lead == (
        "In deze drie maanden zijn er 24 momenten waarop wij updates mogen installeren. "
        "Het eerste is dinsdag 10 februari 22:00."
    )


def test_rings_say_who_is_in_them_and_how_long_we_wait() -> None:
    found = rows(said(), "rings")
    assert found["pilot"] == (("host01",), ("24 hours", "in an emergency 2 hours"))
    assert found["broad"][0][0].startswith("host02, host03") and found["broad"][0][0].endswith("host13, and 1 more")
    assert found["broad"][1] == ("not at all",)


def test_freezes_and_exclusions_are_told_with_their_reasons() -> None:
    found = said()
    assert rows(found, "freezes") == {
        "2 Mar 2026 00:00 to 7 Mar 2026 00:00": (("Stocktaking",), ("Emergencies wait too.",))
    }
    assert rows(found, "exclusions") == {"postgresql-*": (("The till",), ("A. de Vries",), ("1 Feb 2026", "expired"))}


def test_what_there_is_nothing_of_has_no_table() -> None:
    assert [table.key for table in said(freezes=[], exclusions=[]).tables] == ["rules", "rings"]


def test_a_window_says_when_it_is_what_for_and_until_when_a_machine_is_begun() -> None:
    found = lines(said(), "window")
    assert found[0] == (
        "Tuesday 10 February | 22:00–02:00 | night | Security: what there is by then, group by group | "
        "after 01:00 we begin no other machine"
    )
    assert "Routine: pilot, as planned" in next(line for line in found if line.startswith("Tuesday 17 February"))


def test_batches_freezes_and_clock_changes_are_lines_on_their_day() -> None:
    found = said()
    assert lines(found, "batch")[0] == (
        "Tuesday 17 February | 12:00 | What could wait until now is taken together: Routine"
    )
    assert lines(found, "freeze") == [
        "Monday 2 March | 00:00 | From now on we install nothing: Stocktaking | Emergencies wait too.",
        "Saturday 7 March | 00:00 | We install again",
    ]
    assert lines(found, "clock") == [
        "Sunday 29 March | 03:00 | The clocks go 1 hour forward; our windows stay as long as they are"
    ]


def test_months_and_days_are_in_order_and_a_day_is_named_once() -> None:
    found = said()
    assert [month.name for month in found.months] == ["February 2026", "March 2026", "April 2026", "May 2026"]
    every = [line for month in found.months for line in month.lines]
    assert every == sorted(every, key=lambda line: (line.at, KINDS.index(line.kind)))
    tuesday = [line.begins for line in every if line.day == "Tuesday 17 February"]
    assert tuesday == [True, False]


def test_a_freeze_that_began_earlier_stands_on_the_first_day() -> None:
    found = said(
        freezes=[{**FREEZE, "from": "2026-01-01", "until": "2027-01-01"}], **{"classes.emergency.windows": ["night"]}
    )
    assert lines(found, "freeze") == [
        "Tuesday 10 February | 00:00 | From now on we install nothing: Stocktaking | Emergencies wait too."
    ]
    assert found.lead == "In these three months there is no time at which we may install updates."


@pytest.mark.parametrize(
    ("automatic", "words"),
    [(True, "without asking you first"), (False, "before every round"), ("security", "For the others we ask")],
)
def test_what_needs_the_customers_approval_is_told(automatic: Any, words: str) -> None:
    assert words in said(automatic=automatic).points[0]


@pytest.mark.parametrize(
    ("rollback", "words"), [("downgrade", "back at once, at any hour"), ("none", "a person looks at it")]
)
def test_what_becomes_of_a_machine_that_an_update_broke_is_told(rollback: str, words: str) -> None:
    assert words in said(rollback=rollback).points[2]


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(45, "45 minutes"), (60, "1 hour"), (1440, "24 hours"), (2160, "36 hours"), (2880, "2 days"), (90, "90 minutes")],
)
def test_a_duration_is_spoken_in_the_largest_unit_that_is_exact(minutes: int, words: str) -> None:
    assert spoken(dt.timedelta(minutes=minutes), Words("en")) == words


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_text_fits_a_mail_and_says_what_the_page_says(language: str) -> None:
    found = said(language)
    plain = text(found)
    assert all(columns(line) <= WIDTH for line in plain.splitlines())
    words = " ".join(plain.split())
    html = " ".join(re.sub(r"<[^>]+>", " ", page(found)).split())
    for line in (line for month in found.months for line in month.lines):
        assert line.what in html and line.day in words and " ".join(line.what.split()) in words


def test_what_others_wrote_is_text_on_the_page_and_in_the_mail() -> None:
    found = said(
        freezes=[{**FREEZE, "reason": HOSTILE}], exclusions=[{**EXCLUSION, "owner": HOSTILE, "reason": HOSTILE}]
    )
    html = page(found)
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }}?" in html
    assert "\u202e" not in html + text(found) and "49" not in rows(found, "exclusions")["postgresql-*"][1]


def test_a_long_window_ends_with_its_date() -> None:
    long = {"rule": "FREQ=WEEKLY;BYDAY=FR", "start": "20:00", "duration": "60h", "cutoff": "1h"}
    assert "Friday 13 February | 20:00–16 Feb 2026 08:00" in lines(said(**{"windows.night": long}), "window")[0]


def test_an_opening_that_began_before_the_first_day_stands_on_it() -> None:
    members = [member(1, "msp-ring-pilot"), member(2)]
    now = local("2026-02-11T00:30")
    found = told(calendar(plan(), members, now), customer(), "Noordkaap IT", now)
    assert lines(found, "window")[0].startswith("Wednesday 11 February | 22:00–02:00")
