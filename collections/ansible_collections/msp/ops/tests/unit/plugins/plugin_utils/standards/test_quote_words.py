# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A quote in sentences: what it takes, how sure that is, and who is not in it; in Dutch and in English."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.standards import quote_words, quoting
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import ControlRecord
from ansible_collections.msp.ops.plugins.plugin_utils.standards.quoting import Job, Pace
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import phrase
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards import made_standard

CONTROLS = made_standard.controls()
# A minute by hand takes two.
PACE = quoting.pace_of(Job(f"run-{number}", 60.0, 110.0 + 5 * number, ("row",)) for number in range(5))


def record(status: str, control: str = "ssh-root-login") -> ControlRecord:
    return ControlRecord(control, "high", status, "permitrootlogin: no", "permitrootlogin: yes")


def said(
    found: Mapping[str, tuple[ControlRecord, ...] | None], pace: Pace | None = None, language: str = "en"
) -> list[str]:
    made = quoting.quote(found, CONTROLS, pace, today=dt.date(2026, 11, 26))
    return list(quote_words.sentences(made, Words(language), Formats(language, ZoneInfo("UTC")), ", ".join))


def test_nothing_to_change_is_no_sentence() -> None:
    assert said({"srv01": (record("compliant"),), "srv02": (record("waived"),)}) == []


def test_one_change_on_one_of_many_machines_is_told_in_the_singular_and_as_an_estimate() -> None:
    changes, basis = said({"srv01": (record("drift"),), "srv02": (record("compliant"),)})

    assert changes == "To bring these 2 machines to their standard takes 1 change on 1 machine, about 0:06 hours."
    assert basis == "That is an estimate from a table of times for work by hand: too little was measured yet."


def test_measured_hours_have_their_interval_and_how_many_jobs_it_is_of() -> None:
    found = {f"srv{number:02}": (record("drift"), record("drift", "ssh-tries")) for number in range(5)}

    changes, basis = said(found, PACE)

    assert "takes 10 changes on 5 machines, about 2:00 hours." in changes
    assert "measured on 5 earlier jobs" in basis
    assert "table" not in basis


LEFT = replace(record("drift", "ssh-tries"), left=True)


def test_what_is_left_to_a_person_is_told_beside_what_the_run_does_with_its_hours() -> None:
    """Five changes of 6 minutes by hand at twice the time, and five of 6 by hand at that."""
    found = {f"srv{number:02}": (record("drift"), LEFT) for number in range(5)}

    changes, parts, basis = said(found, PACE)

    assert "takes 10 changes on 5 machines, about 1:30 hours." in changes
    assert parts == ("By the run: 5 changes; by hand: 5 changes, which takes 0:30 of these hours.")
    assert basis.startswith(
        "What the run does is measured on 5 earlier jobs, what is done by hand is from a table of times; together it is"
        " likely between 1:"
    )
    assert said(found)[1:] == [
        parts,
        "That is an estimate from a table of times for work by hand: too little was measured yet.",
    ]
    assert said(found, PACE, "nl")[1:2] == [
        "Vanzelf: 5 wijzigingen; met de hand: 5 wijzigingen, voor 0:30 van deze uren."
    ]


def test_where_all_is_left_to_a_person_no_measure_of_runs_is_spoken_of() -> None:
    for pace in (None, PACE):
        changes, basis = said({"srv01": (LEFT, record("compliant"))}, pace)
        assert "takes 1 change on 1 machine, about 0:06 hours." in changes
        assert basis == "All of it is done by hand; the hours are from a table of times."


def test_who_was_not_measured_is_named_also_where_nothing_is_known_to_change() -> None:
    (left_out,) = said({"srv01": None, "srv02": ()})

    assert left_out == "It leaves out 2 machines of which we know nothing: srv01, srv02."


def test_who_was_not_measured_in_full_is_named() -> None:
    *_rest, uncertain = said({"srv01": (record("drift"), record("error", "ssh-tries"))})

    assert uncertain == "On 1 machine not every control could be measured: srv01."


def test_what_has_to_be_decided_first_is_named_and_is_no_part_of_it() -> None:
    asks = replace(record("drift"), reason=phrase("undecided", why="forward"))

    (undecided,) = said({"srv01": (asks, record("compliant", "ssh-tries"))})

    assert undecided == "On 1 machine something has to be decided first, which is left out: srv01."


def test_dutch_says_the_same_in_as_many_sentences() -> None:
    found = {"srv01": (record("drift"),), "srv02": None, "srv03": (record("error"), record("compliant", "ssh-tries"))}

    dutch, english = said(found, language="nl"), said(found)

    assert len(dutch) == len(english) == 4
    assert dutch[0].startswith("Om deze 3 apparaten aan de standaard te laten voldoen, zijn 1 wijziging op 1 apparaat")
