# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filled sheet read back: what is refused, and what changes."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sheet
from ansible_collections.msp.ops.plugins.plugin_utils.verification import decisions, sheet
from ansible_collections.msp.ops.plugins.plugin_utils.verification.decisions import FilledRow, FilledSheet, Plan
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import (
    NOW,
    SLUG,
    TODAY,
    asset,
    small_office,
)

DOCUMENT = sheet.document(small_office().verification())
ASSETS = small_office().assets
# A spreadsheet knows no time zones.
NOON = dt.datetime(2026, 11, 30, 12)  # noqa: DTZ001
SRV01, TILL02 = "device:1", "mac:b8:27:eb:4a:10:9c"


def record(**changes: Any) -> Sheet:
    return Sheet(**{"id": DOCUMENT.id, "customer": SLUG, "written": NOW, "digest": DOCUMENT.digest, **changes})


def row(key: str, **answer: Any) -> dict[str, Any]:
    return {key: answer}


def filled(answers: dict[str, dict[str, Any]] | None = None, **changes: Any) -> FilledSheet:
    """The sheet as it comes back with these answers, by key."""
    blank: dict[str, Any] = {"agreed": None, "decision": None, "remark": ""}
    rows = [
        FilledRow(
            number, one.keys, sheet.row_digest(SLUG, one.keys), **{**blank, **(answers or {}).get(one.keys["key"], {})}
        )
        for number, one in enumerate(DOCUMENT.rows, start=9)
    ]
    values = {"id": DOCUMENT.id, "customer": SLUG, "rows": tuple(rows), "signed_by": "M. Jansen", "signed_on": TODAY}
    values["written"] = {one.keys["key"]: one.keys["name"] for one in DOCUMENT.rows}
    return FilledSheet(**{**values, **changes})


def plan(one: FilledSheet, known: list[Sheet] | None = None, assets: list[Asset] | None = None, **more: Any) -> Plan:
    return decisions.plan(
        one, more.pop("customer", SLUG), known or [record()], ASSETS if assets is None else assets, today=TODAY, **more
    )


def refusal(one: FilledSheet, *arguments: Any, **more: Any) -> MspError:
    with pytest.raises(MspError) as refused:
        plan(one, *arguments, **more)
    return refused.value


def edited(number: int, **changes: str) -> FilledSheet:
    one = filled()
    rows = list(one.rows)
    rows[number] = dataclasses.replace(rows[number], keys={**rows[number].keys, **changes})
    return dataclasses.replace(one, rows=tuple(rows))


# What changes


def test_a_sheet_without_answers_changes_nothing_and_says_what_waits() -> None:
    empty = plan(filled())
    assert empty.transitions == ()
    assert len(empty.waiting) == len(DOCUMENT.rows)


def test_agreed_changes_nothing() -> None:
    done = plan(filled(row(SRV01, agreed="yes")))
    assert (done.transitions, done.agreed) == ((), 1)
    assert "jansen-srv01" not in done.waiting


@pytest.mark.parametrize("decision", ["tracked", "excluded", "ended"])
def test_not_agreed_with_a_decision_sets_that_status(decision: str) -> None:
    (change,) = plan(filled(row(SRV01, agreed="no", decision=decision, remark="sold"))).transitions
    assert (change.key, change.before, change.after, change.remark) == (SRV01, "contracted", decision, "sold")
    assert change.asset is not None


def test_not_agreed_without_a_decision_waits() -> None:
    open_sheet = plan(filled(row(SRV01, agreed="no")))
    assert open_sheet.transitions == ()
    assert "jansen-srv01" in open_sheet.waiting


def test_keep_changes_nothing_and_does_not_wait() -> None:
    kept = plan(filled(row(SRV01, agreed="no", decision="keep")))
    assert kept.transitions == ()
    assert "jansen-srv01" not in kept.waiting


@pytest.mark.parametrize("decision", ["contracted", "tracked", "excluded"])
def test_a_thing_that_was_seen_and_decided_on_becomes_an_asset(decision: str) -> None:
    (change,) = plan(filled(row(TILL02, decision=decision))).transitions
    assert (change.before, change.after, change.asset) == ("unlisted", decision, None)


def test_a_thing_without_a_name_is_named_after_what_it_was_seen_by() -> None:
    keys = {"key": "mac:3c:2a:f4:77:01:aa", "name": "192.0.2.80", "address": "192.0.2.80", "mac": "3c:2a:f4:77:01:aa"}
    assert decisions.asset_name(keys) == "seen-3c:2a:f4:77:01:aa"


# What is refused


def test_another_customers_sheet_is_refused() -> None:
    assert refusal(filled(), customer="harbour-dental").code == "MSP-VER-001"


def test_a_sheet_that_was_never_written_is_refused() -> None:
    assert refusal(filled(id="VER-forged")).code == "MSP-VER-006"


@pytest.mark.parametrize("sign", [{"applied": NOW}, {"decisions": ({"key": SRV01},)}])
def test_a_sheet_older_than_the_last_one_applied_or_begun_is_refused(sign: dict[str, Any]) -> None:
    newer = record(id="VER-newer", written=NOW + dt.timedelta(hours=1), **sign)
    error = refusal(filled(), [newer, record()])
    assert error.code == "MSP-VER-002" and "VER-newer" in error.expected


def test_a_newer_sheet_that_was_not_applied_does_not_matter() -> None:
    newer = record(id="VER-newer", written=NOW + dt.timedelta(hours=1))
    assert plan(filled(), [newer, record()]).transitions == ()


@pytest.mark.parametrize("column", sheet.KEY_COLUMNS)
def test_an_edited_key_column_is_refused_with_its_row_named(column: str) -> None:
    error = refusal(edited(2, **{column: "edited"}))
    assert error.code == "MSP-VER-003" and "row 11" in str(error)


def test_every_edited_row_is_named_at_once() -> None:
    one = edited(0, serial="X")
    rows = list(one.rows)
    rows[3] = dataclasses.replace(rows[3], keys={**rows[3].keys, "name": "Y"})
    error = refusal(dataclasses.replace(one, rows=tuple(rows)))
    assert isinstance(error, MspErrors) and "row 9" in str(error) and "row 12" in str(error)


def test_a_row_edited_together_with_its_own_digest_is_refused() -> None:
    one = edited(2, serial="X")
    rows = list(one.rows)
    rows[2] = dataclasses.replace(rows[2], digest=sheet.row_digest(SLUG, rows[2].keys))
    assert refusal(dataclasses.replace(one, rows=tuple(rows))).code == "MSP-VER-003"


def test_every_missing_row_is_refused_by_its_name() -> None:
    one = filled()
    first, second, *rest = one.rows
    error = refusal(dataclasses.replace(one, rows=tuple(rest)))
    assert isinstance(error, MspErrors)
    assert [(e.code, e.expected) for e in error.errors] == [
        ("MSP-VER-003", f"the row of {row.keys['name']} ({row.keys['key']})") for row in (first, second)
    ]


def test_a_missing_row_is_refused_where_the_workbook_does_not_say_what_was_written() -> None:
    one = filled(written={})
    assert refusal(dataclasses.replace(one, rows=one.rows[1:])).code == "MSP-VER-003"


@pytest.mark.parametrize("note", [{"keys": {"name": "Called on Monday"}}, {"remark": "Called on Monday"}])
def test_a_note_below_the_table_is_no_row_of_ours_and_to_be_removed(note: dict[str, Any]) -> None:
    one = filled()
    blank = FilledRow(30, dict.fromkeys(sheet.KEY_COLUMNS, ""), "", None, None, "")
    keys = {**blank.keys, **note.get("keys", {})}
    stray = dataclasses.replace(blank, **{**note, "keys": keys})
    again = dataclasses.replace(stray, number=31)
    error = refusal(dataclasses.replace(one, rows=(*one.rows, stray, again)))
    assert isinstance(error, MspErrors)
    assert [(e.code, e.found) for e in error.errors] == [
        ("MSP-VER-003", f"row {number} (Called on Monday), which is not a row of ours") for number in (30, 31)
    ]
    assert error.action.startswith("remove it")


def test_a_row_that_is_there_twice_is_refused_with_both_rows_named() -> None:
    one = filled()
    twice = (*one.rows, dataclasses.replace(one.rows[0], number=30))
    assert "9, 30" in str(refusal(dataclasses.replace(one, rows=twice)))


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        (SRV01, {"agreed": "maybe"}),
        (SRV01, {"decision": "contracted"}),
        (SRV01, {"decision": "=1+1"}),
        (SRV01, {"agreed": "yes", "decision": "ended"}),
        (TILL02, {"decision": "ended"}),
        (TILL02, {"agreed": "yes"}),
    ],
)
def test_an_answer_that_is_none_is_refused_with_its_row_named(key: str, answer: dict[str, Any]) -> None:
    error = refusal(filled({key: answer}))
    assert error.code == "MSP-VER-004" and "row " in error.expected


@pytest.mark.parametrize(
    "signature",
    [
        {"signed_by": ""},
        {"signed_by": "  "},
        {"signed_on": None},
        {"signed_on": "soon"},
        {"signed_on": TODAY + dt.timedelta(days=2)},
        {"signed_on": TODAY - dt.timedelta(days=2)},
    ],
)
def test_an_unsigned_sheet_is_refused(signature: dict[str, Any]) -> None:
    assert refusal(filled(**signature)).code == "MSP-VER-005"


def test_a_sheet_signed_on_paper_is_signed_by_arguments() -> None:
    done = plan(filled(signed_by="", signed_on=None), signed_by="M. Jansen", signed_on="2026-11-23")
    assert (done.signed_by, done.signed_on) == ("M. Jansen", TODAY)


@pytest.mark.parametrize(
    "value",
    [NOON, "2026-11-30", "30-11-2026", "30/11/2026", "30.11.2026", 46356, 46356.0],
)
def test_a_date_is_read_however_the_program_saved_it(value: object) -> None:
    assert decisions.read_date(value) == dt.date(2026, 11, 30)


@pytest.mark.parametrize("value", [None, "", "31-02-2026", "November", True, 7, "11/30/2026"])
def test_what_is_no_date_is_none(value: object) -> None:
    assert decisions.read_date(value) is None


def test_an_asset_whose_status_changed_in_netbox_is_refused_and_named() -> None:
    changed = [dataclasses.replace(a, status="ended") if a.key == SRV01 else a for a in ASSETS]
    error = refusal(filled(row(SRV01, agreed="yes")), assets=changed)
    assert error.code == "MSP-VER-007" and "jansen-srv01" in error.expected


def test_an_asset_that_is_no_longer_in_netbox_is_refused_and_named() -> None:
    error = refusal(filled(), assets=[a for a in ASSETS if a.key != SRV01])
    assert error.code == "MSP-VER-007" and "jansen-srv01" in error.expected


def test_a_status_that_somebody_set_by_hand_to_what_was_decided_is_no_conflict() -> None:
    changed = [dataclasses.replace(a, status="ended") if a.key == SRV01 else a for a in ASSETS]
    assert len(plan(filled(row(SRV01, decision="ended")), assets=changed).transitions) == 1


# Applied again, and after a crash


def test_with_an_asset_whose_journal_names_the_sheet_it_is_done_whatever_happened_since() -> None:
    answers = row(SRV01, decision="ended")
    begun = record(applied=NOW, decisions=plan(filled(answers)).decisions)
    again = plan(filled(answers), [begun], journaled={SRV01})
    assert (again.transitions, again.done) == ((), True)


def test_a_sheet_that_was_cut_off_goes_on_with_what_is_not_in_a_journal_yet() -> None:
    answers = row(SRV01, decision="ended") | row("device:2", decision="tracked")
    begun = record(applied=NOW, decisions=plan(filled(answers)).decisions)
    written = [dataclasses.replace(a, status="ended") if a.key == SRV01 else a for a in ASSETS]
    assert [t.key for t in plan(filled(answers), [begun], written, journaled={SRV01}).transitions] == ["device:2"]


def test_a_device_that_was_made_before_the_cut_is_found_again_and_not_made_twice() -> None:
    answers = row(TILL02, decision="contracted")
    made = asset(77, "jansen-till02", status="contracted")
    (change,) = plan(filled(answers), [record()], [*ASSETS, made]).transitions
    assert change.asset == made


@pytest.mark.parametrize("known", [{"macs": ("00:00:5e:00:53:99",)}, {"serial": "EXT2P6630"}])
def test_another_machine_of_the_same_name_is_not_what_the_row_is_about(known: dict[str, Any]) -> None:
    answers = row(TILL02, decision="excluded")
    other = asset(77, "jansen-till02", status="contracted", **known)
    (change,) = plan(filled(answers), [record()], [*ASSETS, other]).transitions
    assert change.asset is None


@pytest.mark.parametrize("answer", [{}, {"agreed": "yes"}, {"agreed": "no"}, {"agreed": "no", "decision": "keep"}])
def test_once_applied_a_row_that_changes_nothing_may_have_another_status_by_now(answer: dict[str, Any]) -> None:
    answers = row(SRV01, **answer) | row("device:2", decision="tracked")
    begun = record(applied=NOW, decisions=plan(filled(answers)).decisions)
    since = [dataclasses.replace(a, status="ended") if a.key == SRV01 else a for a in ASSETS]
    assert [t.key for t in plan(filled(answers), [begun], since).transitions] == ["device:2"]
    assert plan(filled(answers), [begun], since, journaled={"device:2"}).transitions == ()


def test_once_applied_a_decision_not_carried_out_is_still_refused_for_an_asset_that_changed() -> None:
    answers = row(SRV01, decision="ended")
    begun = record(applied=NOW, decisions=plan(filled(answers)).decisions)
    since = [dataclasses.replace(a, status="excluded") if a.key == SRV01 else a for a in ASSETS]
    assert refusal(filled(answers), [begun], since).code == "MSP-VER-007"


@pytest.mark.parametrize(
    "signature", [{"signed_by": "P. Jansen"}, {"signed_on": TODAY + dt.timedelta(days=1)}, {"signed_on": "soon"}]
)
def test_another_signature_is_refused_once_applied(signature: dict[str, Any]) -> None:
    answers = row(SRV01, decision="ended")
    begun = record(applied=NOW, signed_by="M. Jansen", signed_on=TODAY, decisions=plan(filled(answers)).decisions)
    assert refusal(filled(answers), [begun], **signature).code == "MSP-VER-002"
    assert refusal(filled(answers, **signature), [begun]).code == "MSP-VER-002"


def test_a_sheet_signed_on_paper_goes_on_with_the_recorded_signature() -> None:
    unsigned = filled(row(SRV01, decision="ended"), signed_by="", signed_on=None)
    first = plan(unsigned, signed_by="M. Jansen", signed_on=TODAY.isoformat())
    begun = record(applied=NOW, signed_by="M. Jansen", signed_on=TODAY, decisions=first.decisions)
    again = plan(unsigned, [begun])
    assert (again.signed_by, again.signed_on) == ("M. Jansen", TODAY)


def test_the_same_sheet_with_other_answers_is_refused_once_applied() -> None:
    begun = record(applied=NOW, decisions=plan(filled(row(SRV01, decision="ended"))).decisions)
    assert refusal(filled(row(SRV01, decision="tracked")), [begun]).code == "MSP-VER-002"


@given(
    st.dictionaries(
        st.sampled_from([one.keys["key"] for one in DOCUMENT.rows]),
        st.fixed_dictionaries(
            {
                "agreed": st.sampled_from([None, "yes", "no"]),
                "decision": st.sampled_from([None, "keep", "contracted", "tracked", "excluded", "ended", "x"]),
            }
        ),
    )
)
def test_whatever_is_answered_a_plan_only_does_what_was_decided(answers: dict[str, dict[str, Any]]) -> None:
    try:
        done = plan(filled(answers))
    except MspError as error:
        assert error.code == "MSP-VER-004"
        return
    for change in done.transitions:
        assert change.after == answers[change.key]["decision"]
        assert change.after in sheet.CHOICES[change.before]
    decided = {key for key, a in answers.items() if a["decision"] not in (None, "keep")}
    assert {t.key for t in done.transitions} == decided
