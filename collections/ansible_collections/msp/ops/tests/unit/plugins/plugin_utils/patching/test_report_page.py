# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report in words: nothing that matters is left out, in both languages, and what others wrote stays words."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import compliance
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import OUTCOMES
from ansible_collections.msp.ops.plugins.plugin_utils.patching.report_page import (
    OUTCOME_TONE,
    SECTIONS,
    TONE,
    about,
    told,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.standing import Standing, Stuck
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import WIDTH, columns
from ansible_collections.msp.ops.plugins.plugin_utils.report.standing_page import MOST_ROWS, Told, page, text
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_standing import (
    customer,
    made,
    many,
    nobody,
)


def said(found: Standing | None = None, language: str = "en", name: str = "Bakkerij Jansen") -> Told:
    return told(found or made(), customer(language, name), "Noordkaap IT", "patch-report.json")


def rows(key: str, found: Standing | None = None, language: str = "en") -> dict[str, Any]:
    (section,) = (one for one in said(found, language).sections if one.key == key)
    return {f"{row.name} {row.chip}".strip(): row for row in section.rows}


def test_in_short() -> None:
    found = said()
    assert found.lead == "Of 8 machines with an update plan, 3 are up to date in time."
    assert [(words, who) for _tone, words, who in found.points] == [
        ("1 machine is late:", "jansen-srv01"),
        ("Of 2 machines we do not know:", "office-pc02, oven-panel"),
        ("1 machine is updated, but runs something old until it restarts:", "jansen-vpn01"),
        ("On 1 machine something stays as it is, as agreed:", "till-back"),
        ("1 machine in the contract has no update plan:", "label-printer"),
    ]
    assert [(tile.value, tile.label) for tile in found.tiles] == [
        (3, "in time"),
        (1, "agreed exception"),
        (1, "restart needed"),
        (1, "late"),
        (2, "unknown"),
    ]
    assert [section.key for section in found.sections] == list(SECTIONS)


def test_a_machine_says_what_waits_the_worst_first_and_by_when() -> None:
    row = rows("assets")["jansen-srv01 late"]
    waiting, latest, looked = row.cells
    assert waiting[0] == "4 updates"
    assert waiting[1] == "linux-image-amd64 6.1.140-1 to 6.1.158-1, late since 17 Jun 2026 14:00"
    assert waiting[2].endswith("stays until 31 Dec 2026: The maker of the till's software supports version 15.12 only")
    assert (latest, looked) == (("17 Jun 2026 14:00",), ("20 Jun 2026 09:00",))


def test_of_what_nobody_knows_nothing_is_promised() -> None:
    found = rows("assets")
    assert found["office-pc02 unknown"].cells == (("never looked at",), (), ("never",))
    silent = found["oven-panel unknown"]
    assert silent.cells[0] == ("could not be looked at the last time", "2 updates waited at the last good look")
    assert silent.cells[1] == ()


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize(
    "why",
    [
        *(compliance.NEVER, compliance.BROKEN, compliance.OLD, compliance.AGELESS, compliance.OLD_LISTS),
        compliance.BLIND,
    ],
)
def test_every_reason_not_to_know_has_its_words(why: str, language: str) -> None:
    found = made()
    (of_plan,) = found.plans
    asset = replace(of_plan.compliance.of_assets[0], state=compliance.UNKNOWN, unknown=why)
    one = replace(of_plan, compliance=replace(of_plan.compliance, of_assets=(asset,)))
    (row,) = rows("assets", replace(found, plans=(one,)), language).values()
    assert row.cells[0][0]


def changed_first(**changed: Any) -> Standing:
    found = made()
    (of_plan,) = found.plans
    asset = replace(of_plan.compliance.of_assets[0], **changed)
    return replace(found, plans=(replace(of_plan, compliance=replace(of_plan.compliance, of_assets=(asset,))),))


def test_a_machine_whose_list_is_not_complete_says_what_it_lacks() -> None:
    blind = ("no security archive is among the sources", HOSTILE)
    found = changed_first(state=compliance.UNKNOWN, unknown=compliance.BLIND, blind=blind)
    (row,) = rows("assets", found).values()
    assert row.cells[0][:2] == ("its list of updates is not complete", "no security archive is among the sources")
    assert "<script>" not in page(said(found))


def test_a_machine_that_owes_a_restart_says_so_also_where_it_is_late_and_where_nothing_waits() -> None:
    owed = "installed, but not in force yet: reboot: linux-image-6.1.0-42-amd64, restart docker.service"
    assert rows("assets")["jansen-vpn01 restart needed"].cells[0] == (owed,)
    assert rows("assets")["jansen-vpn01 restart needed"].cells[1] != ()
    by = dt.datetime(2026, 6, 2, 10, tzinfo=dt.UTC)
    late = rows("assets", changed_first(owed=("reboot: libc6",), owed_by=by))["jansen-srv01 late"]
    assert late.cells[1] == ("2 Jun 2026 12:00",)
    assert late.cells[0][:2] == ("installed, but not in force yet: reboot: libc6", "4 updates")


def test_what_an_attempt_left_to_be_restarted_is_told() -> None:
    found = made()
    attempt = replace(found.attempts[0], outcome="reboot owed", owed=("reboot: libc6",))
    row = rows("history", replace(found, attempts=(attempt,)))["jansen-nas01 has to restart"]
    assert row.cells[0][-1] == "installed, but not in force yet: reboot: libc6"
    assert row.tone == "warn"


def test_what_the_machine_itself_kept_back_in_an_attempt_is_told() -> None:
    found = made()
    attempt = replace(found.attempts[0], held=("nginx: hold",))
    row = rows("history", replace(found, attempts=(attempt,)))["jansen-nas01 patched"]
    assert row.cells[0][-1] == "kept back by the machine itself: nginx: hold"


def test_what_waits_says_for_what() -> None:
    found = rows("waits")
    assert found["The rollout under way"].sub == "Security; group pilot has to run well until 20 Jun 2026 22:00"
    assert found["The agreed wait"].sub == "Routine; until 21 Jul 2026 12:00"
    assert found["The machine itself keeps it back"].sub == "Security; hold"
    assert found["Nothing: it stays as it is, as agreed"].cells[2] == ()


def test_how_fast_it_goes_and_how_much_of_that_nobody_knows() -> None:
    found = rows("speed")
    assert found["Security"].cells == (
        ("4 days",),
        ("within 14 days",),
        ("6 updates", "of which 1 without a known beginning"),
    )
    assert found["Routine"].cells[0] == ("nothing installed",)


def test_what_did_not_work_is_told_too() -> None:
    found = rows("history")
    assert found["till-back failed"].cells[1] == ("nginx.service has failed",)
    assert found["office-pc02 lost"].cells[0] == ("nobody knows what changed",)
    assert "restarted" in found["till-front patched"].cells[0]


def test_a_rollout_that_cannot_go_on_says_so() -> None:
    found = replace(made(), stuck=(Stuck("r9", "routine", "NetBox has no patch plan office any more"),))
    row = rows("rollouts", found)["Routine halted"]
    assert (row.sub, row.tone) == ("r9", "bad")
    assert row.cells[1] == ("a person: it can't go on as it is", "NetBox has no patch plan office any more")


def test_a_customer_without_a_plan_reads_that_and_no_table() -> None:
    found = said(nobody())
    assert found.lead == "None of your machines has an update plan."
    assert all(section.rows == () and section.empty for section in found.sections)
    assert found.lead in page(found) and "No rollout is under way." in text(found)


def test_of_very_many_machines_the_worst_are_shown_and_the_rest_counted() -> None:
    found = said(many(MOST_ROWS + 50))
    assets, waits, *_rest = found.sections
    assert (len(assets.rows), assets.more) == (MOST_ROWS, "Here are 250; all 300 are in the data file.")
    assert waits.rows[0].cells[1] == ("300: pc00000, pc00001, pc00002, pc00003, pc00004, pc00005, and 294 more",)
    assert assets.more in page(found) and assets.more in text(found)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_page_and_text_say_the_same(language: str) -> None:
    found = said(language=language)
    whole, plain = " ".join(page(found).split()), " ".join(text(found).split())
    for section in found.sections:
        for row in section.rows:
            for words in (section.heading, row.name, row.sub, row.chip, *(line for cell in row.cells for line in cell)):
                assert " ".join(str(words).split()) in plain, words
                assert str(words).replace("'", "&#39;") in whole, words
    assert found.foot in plain


def test_no_line_of_the_text_is_too_wide_for_a_mail() -> None:
    assert max(columns(line) for line in text(said(name="x" * 200)).splitlines()) <= WIDTH


HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}\x1b[2J\u202e"


def test_what_others_wrote_is_words_and_nothing_else() -> None:
    exclusion = {
        "package": "postgresql-*",
        "assets": ["jansen-srv01", "till-back"],
        "reason": HOSTILE,
        "owner": HOSTILE,
        "expires": "2026-12-31",
    }
    found = made(exclusions=[exclusion])
    attempt = replace(found.attempts[0], reason=HOSTILE, name=HOSTILE, changes=((HOSTILE, HOSTILE, HOSTILE),))
    hostile = said(replace(found, attempts=(attempt,), without=(HOSTILE,)), name=HOSTILE)
    for words in (page(hostile), text(hostile)):
        assert "\x1b" not in words and "\u202e" not in words
        assert "{{ 7 * 7 }}" in " ".join(words.split())
    assert "<script>" not in page(hostile)


def test_every_state_and_outcome_has_its_colour() -> None:
    assert set(TONE) == set(compliance.STATES)
    assert set(OUTCOME_TONE) == set(OUTCOMES) - {"nothing"}


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (dt.timedelta(days=4, hours=13), "5 days"),
        (dt.timedelta(days=2), "2 days"),
        (dt.timedelta(hours=47, minutes=40), "2 days"),
        (dt.timedelta(hours=36), "36 hours"),
        (dt.timedelta(hours=2), "2 hours"),
        (dt.timedelta(minutes=61), "61 minutes"),
        (dt.timedelta(seconds=10), "0 minutes"),
    ],
)
def test_a_mean_is_told_as_a_person_would(time: dt.timedelta, words: str) -> None:
    assert about(time, Words("en")) == words
    assert about(time, Words("nl"))
