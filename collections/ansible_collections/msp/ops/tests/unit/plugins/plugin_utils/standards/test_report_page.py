# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report in words: nothing that matters is left out, in both languages, and what others wrote stays words."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.effort import surcharge, uplift
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import Lack
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import NOT_ASSIGNED
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import WIDTH, columns
from ansible_collections.msp.ops.plugins.plugin_utils.report.standing_page import MOST_ROWS, Told, page, text
from ansible_collections.msp.ops.plugins.plugin_utils.standards import model, quoting, report, software, standing
from ansible_collections.msp.ops.plugins.plugin_utils.standards.report import Report, Wrong
from ansible_collections.msp.ops.plugins.plugin_utils.standards.report_page import (
    MOST_ITEMS,
    SECTIONS,
    SEVERITY_TONE,
    SOFTWARE_TONE,
    TONE,
    WAIVER_TONE,
    told,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards.made_report import (
    ENDING,
    MEASURED,
    NOW,
    RUNNING,
    customer,
    made,
    nobody,
    of_software,
)

HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}\x1b[2J\u202e"


def said(found: Report | None = None, language: str = "en", name: str = "Bakkerij Jansen") -> Told:
    return told(found or made(), customer(language, name), "Noordkaap IT", "standards-report.json")


def section(key: str, found: Report | None = None, language: str = "en") -> Any:
    (one,) = (each for each in said(found, language).sections if each.key == key)
    return one


def rows(key: str, found: Report | None = None, language: str = "en") -> dict[str, Any]:
    return {f"{row.name} {row.chip}".strip(): row for row in section(key, found, language).rows}


def pairs(item: Any) -> dict[str, str]:
    return dict(item.pairs)


def test_in_short() -> None:
    found = said()
    assert found.lead == "Machines that are wholly as their standard wants: 1 of 7."
    assert [(words, who) for _tone, words, who in found.points] == [
        ("2 machines differ from their standard:", "jansen-srv01, till-back"),
        ("Of 3 machines we do not know:", "jansen-nas01, office-pc02, oven-panel"),
        ("1 machine differs only as was agreed with you:", "till-front"),
        ("1 exception has expired and counts as a deviation now:", "No software that must not be there"),
        ("1 exception ends soon:", "Root can't log in over ssh"),
        ("Of 1 machine it can't be read which standard is meant for it:", "jansen-vpn01"),
        ("1 machine in the contract has no standard:", "label-printer"),
    ]
    assert [(tile.value, tile.label) for tile in found.tiles] == [
        (1, "as it should be"),
        (1, "agreed exception"),
        (3, "unknown"),
        (2, "differs"),
    ]
    assert [one.key for one in found.sections] == [*SECTIONS, "standard-1"]


def test_a_machine_says_what_should_be_what_is_and_since_when_the_most_serious_first() -> None:
    row = rows("assets")["jansen-srv01 differs"]
    root, sudo = row.items
    assert (root.name, root.chip) == ("Root can't log in over ssh", "serious")
    assert pairs(root) == {"Should be": "permitrootlogin: no", "Is": "permitrootlogin: yes", "Since": "11 May 2026"}
    assert sudo.name == "Nobody becomes root without a password"
    assert row.cells == (("2 deviations",), ("6 of 8 hold",), ("20 Jun 2026 11:00",))


def test_what_is_said_of_a_control_is_in_the_customers_language() -> None:
    """All but what a host, a standard or a person wrote themselves."""
    found = rows("assets", language="nl")
    sudo = found["jansen-srv01 wijkt af"].items[1]
    assert pairs(sudo)["Moet zijn"] == "sudo zonder wachtwoord: niets"
    assert pairs(sudo)["Is"] == "sudo zonder wachtwoord: deploy: ALL"
    audit = found["jansen-nas01 onbekend"].items[0]
    assert pairs(audit) == {
        "Moet zijn": "geladen auditregels: met identity",
        "Waarom": "niet te meten (auditctl: exit 1)",
    }
    (clock,) = (row for row in section("new", language="nl").rows if row.name == "De klok loopt gelijk")
    assert clock.cells[1] == ("moet zijn: klok gelijkgezet: ja", "is: klok gelijkgezet: nee")
    assert found["oven-panel onbekend"].cells[0][1] == "melding: no route to host"


def test_an_exception_that_was_agreed_says_until_when_and_one_that_ended_is_a_deviation_that_says_so() -> None:
    found = rows("assets")
    agreed = found["till-front agreed exception"].items
    assert {item.name: item.chip for item in agreed} == {
        "Root can't log in over ssh": "agreed exception",
        "A firewall lets in only what is agreed": "agreed exception",
    }
    expired = found["till-back differs"].items[0]
    assert (expired.name, expired.chip, expired.tone) == ("No software that must not be there", "moderate", "warn")
    assert pairs(expired)["Agreed"] == "expired on 31 May 2026: The scanner still needs telnet (A. de Vries)"


def test_of_what_nobody_knows_nothing_is_promised() -> None:
    found = rows("assets")
    assert found["office-pc02 unknown"].cells == (("never measured",), (), ("never",))
    silent = found["oven-panel unknown"]
    assert silent.cells[0] == (
        "could not be measured the last time",
        "message: no route to host",
        "at the last good measurement 1 control differed",
    )
    assert (silent.cells[1], silent.items) == ((), ())
    unmeasured = found["jansen-nas01 unknown"]
    assert [(item.name, item.chip) for item in unmeasured.items] == [
        ("Changes of accounts are written down", "could not be measured")
    ]
    assert pairs(unmeasured.items[0])["Why"] == "auditctl: exit 1"
    assert unmeasured.cells[1] == ("6 of 7 hold", "1 not applicable")


def test_a_machine_of_which_nobody_can_read_the_standard_is_told_with_why() -> None:
    row = rows("assets")["jansen-vpn01 unknown"]
    assert row.cells[0][0] == "it can't be read which standard is meant"
    assert "at most 6; found 9" in row.cells[0][1]


def test_of_very_many_deviations_the_worst_are_shown_and_the_rest_counted() -> None:
    found = made()
    asset = found.assets[0]
    many = replace(asset, deviations=asset.deviations * MOST_ITEMS)
    row = rows("assets", replace(found, assets=(many,)))["jansen-srv01 differs"]
    assert len(row.items) == MOST_ITEMS
    assert row.cells[0][1] == f"the first {MOST_ITEMS} are below, the other {MOST_ITEMS} in the data file"


def test_what_is_new_says_where_and_since_when_and_whether_it_is_still_so() -> None:
    section_of_new = section("new")
    assert section_of_new.intro.startswith("What began to differ since 20 May 2026")
    found = {(row.name, row.cells[0][0]): row for row in section_of_new.rows}
    assert set(found) == {
        ("Nobody becomes root without a password", "jansen-srv01"),
        ("The clock is right", "jansen-srv01"),
    }
    mended = found["The clock is right", "jansen-srv01"]
    assert mended.cells[2] == ("31 May 2026", "now: as it should be (8 Jun 2026)")
    assert mended.tone == "good"


def test_every_state_that_something_new_can_be_in_now_has_its_words() -> None:
    found = made()
    for status in (*model.STATUSES, NOT_ASSIGNED):
        for language in ("nl", "en"):
            new = replace(found.new[0], now=status, before=None)
            (row,) = rows("new", replace(found, new=(new,)), language).values()
            assert all(row.cells[1])


def test_what_differs_most_is_counted() -> None:
    found = rows("top")
    assert next(iter(found)) == "Root can't log in over ssh serious"
    assert found["Root can't log in over ssh serious"].cells == (("1: jansen-srv01",), ("11 May 2026",))


def test_the_quote_says_how_much_on_how_many_and_that_it_is_from_a_table() -> None:
    found = section("quote")
    assert found.intro == (
        "To bring these 7 machines to their standard takes 3 changes on 2 machines, about 0:24 hours. That is an"
        " estimate from a table of times for work by hand: too little was measured yet. It leaves out 2 machines of"
        " which we know nothing: office-pc02, oven-panel. On 1 machine not every control could be measured:"
        " jansen-nas01."
    )
    assert next((row.name, row.cells) for row in found.rows) == (
        "No software that must not be there",
        (("1: till-back",), ("0:10",)),
    )


def test_a_quote_of_jobs_that_were_measured_says_between_what_it_lies() -> None:
    intro = section("quote", made(job_count=6)).intro
    assert "That is measured on 6 earlier jobs; it is likely between 0:12 and 0:36 hours." in intro


def test_what_a_quote_leaves_to_a_person_is_told_by_control_and_in_the_data() -> None:
    found = made(job_count=6)
    nas = next(name for name in found.names if found.names[name] == "jansen-srv01")
    held = {
        one.asset: [
            replace(record, left=(one.asset, record.control) == (nas, "ssh-root-login"))
            for record in report.records_of(one) or ()
        ]
        for one in found.assets
    }
    found = replace(
        found,
        quote=quoting.quote(held, found.controls, quoting.pace_of(found.quote.jobs), today=NOW.date()),
    )

    notes = {row.name: row.sub for row in section("quote", found).rows}
    data = report.as_dict_of(found)["quote"]

    assert notes["Root can't log in over ssh"] == "By hand: jansen-srv01"
    assert set(notes.values()) == {"", "By hand: jansen-srv01"}
    assert "By the run: 2 changes; by hand" in section("quote", found).intro
    assert data["left_to_a_person"] == {"changes": 1, "hours": 0.1}
    assert data["by_run"]["changes"] == 2
    assert data["hours"] == pytest.approx(data["by_run"]["hours"] + 0.1)
    assert [line["left_to_a_person"] for line in data["lines"] if line["control"] == "ssh-root-login"] == [
        ["jansen-srv01"]
    ]


def test_where_nothing_has_to_change_it_says_so_and_still_what_nobody_knows() -> None:
    found = made()
    quote = replace(found.quote, lines=(), assets=(), by_run=quoting.Part(0, 0.0))
    said_of_it = section("quote", replace(found, quote=quote)).empty
    assert said_of_it.startswith("Nothing has to change. It leaves out 2 machines")


def test_exceptions_are_told_with_who_agreed_and_until_when_the_expired_first_and_in_red() -> None:
    found = section("waivers").rows
    assert [(row.chip, row.tone) for row in found] == [("expired", "bad"), ("ends soon", "warn"), ("in force", "info")]
    telnet, root, firewall = found
    assert telnet.cells == (
        ("1: till-back",),
        ("The scanner still needs telnet", "owner: A. de Vries"),
        ("B. Jansen, 12 Jan 2026", "mail of 12 January"),
        ("31 May 2026",),
    )
    assert root.name == "Root can't log in over ssh"
    assert firewall.cells[0] == ("2: till-back, till-front",)


def test_an_exception_that_is_not_needed_says_where() -> None:
    found = made(time_synchronised=RUNNING)
    row = rows("waivers", found)["The clock is right in force"]
    assert row.cells[0][1].startswith("not needed here now: ")


def test_software_says_what_is_wrong_with_it_where_the_worst_first() -> None:
    found = section("software")
    assert [(row.name, row.chip, row.cells) for row in found.rows] == [
        ("debian-10", "end of life", (("1: office-pc01",), (), ("looked after until 30 Jun 2024",))),
        ("telnetd", "forbidden", (("1: till-back",), ("0.17-44",), ("not: telnetd",))),
        (
            "redis-server",
            "end of life",
            (("1: jansen-srv01",), ("6:6.2.14-1",), ("looked after until 31 Mar 2025",)),
        ),
        ("chrony", "missing", (("1: till-back",), (), ())),
        ("openssl", "outdated", (("2: jansen-srv01, till-back",), ("3.0.15-1~deb12u1",), ("3.0.17-1~deb12u2",))),
        ("redis-server", "not known", (("1: jansen-srv01",), ("6:6.2.14-1",), ("from packages.redis.example",))),
    ]
    assert "by a list of 1 Jun 2026." in found.intro
    assert "Of 1 machine the software is not known: office-pc02." in found.intro
    assert found.intro.endswith(
        "Nobody can say whether anything is \u201cend of life\u201d, \u201coutdated\u201d, \u201cnot known\u201d on:"
        " office-pc01."
    )


def test_without_a_list_of_ends_or_with_an_old_one_it_says_so() -> None:
    found = made()
    without = section("software", replace(found, software=of_software(None)))
    assert "Without a list of end dates nobody can say" in without.intro
    assert [row.name for row in without.rows if row.chip == "end of life"] == ["debian-10"]
    old = replace(found.software, dated=dt.date(2026, 1, 1))
    assert "That list is old" in section("software", replace(found, software=old)).intro


def test_a_surcharge_names_its_grounds_and_its_evidence() -> None:
    found = rows("surcharges")
    measured = found["jansen-srv01"]
    (item,) = measured.items
    assert (item.name, item.chip) == ("Out of warranty", "€35.47")
    assert pairs(item) == {
        "Shown by": "invoice 2021-118: until 28 Feb 2026",
        "Amount": "measured: 22 minutes more work a month (between 9.1 and 37), at your hourly rate",
        "Measured": (
            "2 machines (48 months; tickets: 2; minutes: 1,980), against 2 machines (72 months; tickets: 1; minutes:"
            " 730) without; that is 31 minutes a month more, and 16 on average at 7 customers. Your own figures count"
            " for 44%."
        ),
    }
    (table,) = found["till-front"].items
    assert table.chip == "€12.50"
    assert pairs(table)["Amount"] == ("by the table in your contract: too few tickets to compare (3 of 5)")
    assert "agreed on 12 Jan 2026: B. Jansen, mail of 12 January" in pairs(table)["Shown by"]
    assert "Debian GNU/Linux 10 (buster): until 30 Jun 2024" in pairs(found["office-pc01"].items[0])["Shown by"]
    assert "€62.97 together" in section("surcharges").intro


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize(
    "measured",
    [*(Lack(kind, 1.0, 3.0) for kind in uplift.LACKS), MEASURED],
    ids=lambda one: one.kind if isinstance(one, Lack) else "measured",
)
def test_every_ground_of_a_surcharge_has_its_words(measured: Any, language: str) -> None:
    found = made()
    bases = (surcharge.TABLE, surcharge.NOTHING) if isinstance(measured, Lack) else surcharge.BASES[:3]
    for basis in bases:
        one = found.surcharges[0]
        changed = replace(one, surcharges=(replace(one.surcharges[0], basis=basis, measured=measured),))
        (row,) = rows("surcharges", replace(found, surcharges=(changed,)), language).values()
        assert all(value for _label, value in row.items[0].pairs)


@pytest.mark.parametrize("reason", names.SURCHARGED)
@pytest.mark.parametrize("by", ["", "somebody"])
def test_every_cause_of_a_surcharge_has_its_words(reason: str, by: str) -> None:
    found = made()
    one = found.surcharges[0]
    cause = surcharge.Cause(reason, (surcharge.Proof("firewall-active", NOW.date(), by),))
    changed = replace(one, surcharges=(replace(one.surcharges[0], cause=cause),))
    (row,) = rows("surcharges", replace(found, surcharges=(changed,))).values()
    assert "20 Jun 2026" in pairs(row.items[0])["Shown by"]
    assert (by in pairs(row.items[0])["Shown by"]) and row.items[0].name


def test_a_standard_says_how_far_it_holds_how_that_went_and_which_controls_always_held() -> None:
    found = section("standard-1")
    assert found.heading == "Standard: Linux server"
    assert found.intro == "Version 1.0, on 7 machines. Of all controls on all of these machines, 58% hold."
    assert found.caption == "91% on 28 Mar 2026, 58% now"
    assert found.more == (
        "2 controls held all of the time wherever they were measured: Who logs in reads whose machine it is, Logs are"
        " there after a restart."
    )
    row = {one.name: one for one in found.rows}["Root can't log in over ssh"]
    assert row.sub == "Who did what must be known, and root is nobody."
    assert row.cells[0] == ("holds on 3 of 7", "differs on 1", "agreed exception on 1", "unknown on 2")
    assert row.cells[1][0].endswith("42% now")
    assert row.cells[2] == ("CIS Debian Linux 12 Benchmark v1.1.0, 5.1.20", "NIS2, Art. 21(2)(i)")
    assert row.tone == "bad" and "<svg" in row.chart


def test_a_customer_without_a_standard_reads_that_and_no_table() -> None:
    found = said(nobody())
    assert found.lead == "None of your machines has a standard."
    assert all(one.rows == () and one.empty for one in found.sections)
    assert "No exceptions were agreed." in page(found) and "Nothing has to change." in text(found)


def test_of_very_many_machines_the_worst_are_shown_and_the_rest_counted() -> None:
    found = made()
    assets = tuple(replace(found.assets[0], name=f"pc{n:05}") for n in range(MOST_ROWS + 50))
    shown = section("assets", replace(found, assets=assets, wrong=()))
    assert (len(shown.rows), shown.more) == (MOST_ROWS, "Here are 250; all 300 are in the data file.")


@pytest.mark.parametrize("language", ["nl", "en"])
def test_page_and_text_say_the_same(language: str) -> None:
    found = said(language=language)
    whole, plain = " ".join(page(found).split()), " ".join(text(found).split())

    def everything() -> Any:
        for one in found.sections:
            yield from (one.heading, one.more, one.caption, one.intro if one.rows else one.empty)
            for row in one.rows:
                yield from (row.name, row.sub, row.chip, *(line for cell in row.cells for line in cell))
                for item in row.items:
                    yield from (item.name, item.chip, *(value for _label, value in item.pairs))

    for words in everything():
        assert " ".join(str(words).split()) in plain, words
        assert " ".join(str(words).split()).replace("'", "&#39;") in whole, words
    assert found.foot in plain


def test_no_line_of_the_text_is_too_wide_for_a_mail() -> None:
    assert max(columns(line) for line in text(said(name="x" * 200)).splitlines()) <= WIDTH


def hostile() -> Report:
    found = made()
    waiver = replace(
        RUNNING, reason=HOSTILE, owner=HOSTILE, agreed=replace(RUNNING.agreed, by=HOSTILE, reference=HOSTILE)
    )
    one = found.assets[0]
    deviation = replace(
        one.deviations[0], desired=HOSTILE, found=HOSTILE, reason=HOSTILE, control=HOSTILE, waiver=waiver
    )
    asset = replace(one, name=HOSTILE, standard=HOSTILE, deviations=(deviation, replace(deviation, waiver=None)))
    lost = replace(asset, unknown=standing.BROKEN, error=HOSTILE)
    of = found.waivers[0]
    cost = found.surcharges[0]
    cause = surcharge.Cause("out_of_support", (surcharge.Proof(HOSTILE, NOW.date(), HOSTILE),))
    return replace(
        found,
        assets=(asset, lost),
        without=(HOSTILE,),
        wrong=(Wrong((HOSTILE,), HOSTILE),),
        waivers=(replace(of, waiver=waiver, assets=(HOSTILE,), needed=()),),
        standards=(replace(found.standards[0], name=HOSTILE, version=HOSTILE),),
        new=(replace(found.new[0], desired=HOSTILE, found=HOSTILE, asset=HOSTILE, control=HOSTILE),),
        surcharges=(replace(cost, name=HOSTILE, surcharges=(replace(cost.surcharges[0], cause=cause),)),),
    )


def test_what_others_wrote_is_words_and_nothing_else() -> None:
    found = told(hostile(), customer("en", HOSTILE), HOSTILE, "standards-report.json")
    for words in (page(found), text(found)):
        assert "\x1b" not in words and "\u202e" not in words
        assert "{{ 7 * 7 }}" in " ".join(words.split())
    assert "<script>" not in page(found)


def test_every_status_severity_and_waiver_has_its_colour() -> None:
    assert set(TONE) == set(model.STATUSES)
    assert set(SEVERITY_TONE) == set(model.SEVERITIES)
    assert set(SOFTWARE_TONE) == set(software.KINDS)
    assert set(WAIVER_TONE) == {standing.EXPIRED, standing.ENDING, standing.RUNNING}


def test_all_of_it_is_data_too_with_the_rows_behind_each_number() -> None:
    data = json.loads(json.dumps(report.as_dict_of(made(job_count=6))))
    assert data["assets"] == {"compliant": 1, "waived": 1, "unknown": 3, "drift": 2}
    worst = data["of_assets"][0]
    assert (worst["name"], worst["deviations"][0]["control"], worst["controls"]["ssh-root-login"]) == (
        "jansen-srv01",
        "ssh-root-login",
        "drift",
    )
    (standard,) = data["standards"]
    assert len(standard["controls"]) == 8 and len(standard["course"]) == 13
    assert data["waivers"][1]["expires"] == ENDING.expires.isoformat()
    assert data["quote"]["basis"] == "measured" and data["quote"]["jobs"][0]["effort"] == ["row-0"]
    assert data["surcharges"][0]["surcharges"][0]["measured"]["having"]["effort"] == ["row-1", "row-2"]
