# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verification as a page: what it says, in both languages, and that nothing of a host becomes markup."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from html.parser import HTMLParser

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.verification.page import page
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import (
    Made,
    asset,
    audit,
    customer,
    facts,
    sighting,
    small_office,
)

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}{% x %}"


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def with_attribute(self, name: str) -> dict[str | None, dict[str, str | None]]:
        return {attrs[name]: attrs for _tag, attrs in self.tags if name in attrs}


def read(made: Made) -> Reader:
    return Reader(page(made.verification(), "VER-1"))


def test_every_contracted_asset_stands_there_with_what_became_of_it() -> None:
    rows = read(small_office()).with_attribute("data-asset")
    assert {key: attrs["data-state"] for key, attrs in rows.items()} == {
        "device:1": "present",
        "device:2": "differs",
        "device:3": "present",
        "device:4": "absent",
        "device:5": "not_audited",
    }


def test_every_thing_that_is_not_in_the_contract_stands_there() -> None:
    reader = read(small_office())
    assert set(reader.with_attribute("data-thing")) == {"mac:b8:27:eb:4a:10:9c", "mac:3c:2a:f4:77:01:aa"}
    assert "jansen-till02" in reader.words
    assert "Raspberry Pi Trading" in reader.words


def test_every_warranty_stands_there_the_earliest_end_first() -> None:
    rows = read(small_office()).with_attribute("data-warranty")
    assert [(key, attrs["data-state"]) for key, attrs in rows.items()] == [
        ("device:3", "expired"),
        ("device:2", "ending"),
        ("device:5", "in"),
        ("device:1", "in"),
        ("device:4", "unknown"),
    ]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("nl", ["Uw contract noemt 5 apparaten. Daarvan zijn er 3 gevonden.", "15 jan 2027", "Niet gemeten", "16:30"]),
        (
            "en",
            ["Your contract names 5 devices. 3 of them were found.", "15 Jan 2027", "1:35 hours by people", "15:30"],
        ),
    ],
)
def test_the_page_speaks_the_customers_language_and_time(language: str, words: list[str]) -> None:
    made = small_office(language)
    made.audits = {key: pair for key, pair in made.audits.items() if key != "device:1"}
    made.audits["device:1"] = (audit(at=made.now), audit(at=made.now))
    reader = read(made)
    assert ("html", {"lang": language}) in reader.tags
    assert [w for w in words if w not in re.sub(r"\s+", " ", reader.words)] == []


def test_what_a_host_calls_itself_is_shown_and_never_becomes_markup() -> None:
    made = Made(
        customer(report_contact=HOSTILE),
        [asset(1, HOSTILE, vendor=HOSTILE, model=HOSTILE, serial=HOSTILE, site=HOSTILE, platform=HOSTILE)],
        {"device:1": (audit(), audit(outcome="failed", error=HOSTILE))},
        {"device:1": facts(hostname={"name": HOSTILE}, os={"name": HOSTILE, "version": HOSTILE})},
        [sighting(names=[HOSTILE], attributes={"vendor": HOSTILE}, place={"seen_by": HOSTILE})],
        made_by=HOSTILE,
    )
    html = page(made.verification(), HOSTILE)
    reader = Reader(html)
    assert "script" not in {tag for tag, _attrs in reader.tags}
    assert "<script" not in html
    assert reader.words.count(HOSTILE) >= 10
    assert "49" not in re.sub(r"\d{3,}", "", reader.words.replace(HOSTILE, ""))


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script() -> None:
    reader = read(small_office())
    assert {tag for tag, _a in reader.tags} & {"script", "link", "img", "iframe", "object", "form"} == set()
    for tag, attrs in reader.tags:
        assert "style" not in attrs and not [name for name in attrs if name.startswith("on")], tag
        assert str(attrs.get("href", "#")).startswith("#")
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and a.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")


def test_every_reference_leads_to_an_evidence_row_and_every_row_is_referred_to() -> None:
    reader = read(small_office())
    ids = {a["id"] for _t, a in reader.tags if re.fullmatch(r"e\d+", str(a.get("id")))}
    references = {str(a["href"])[1:] for _t, a in reader.tags if re.fullmatch(r"#e\d+", str(a.get("href")))}
    assert ids == references and len(ids) == 7


def test_no_element_has_the_id_of_another_and_every_link_has_its_place() -> None:
    reader = read(small_office())
    ids = [a["id"] for _t, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {str(a["href"])[1:] for t, a in reader.tags if t == "a"} <= set(ids)


def test_headings_go_down_one_step_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _a in read(small_office()).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_customer_with_nothing_at_all_gets_a_page_too() -> None:
    words = read(Made(customer("en"), [], {}, {}, [])).words
    assert "There are no devices in the contract yet." in words
    assert "Everything we saw is known." in words


def test_an_ended_contract_is_said_first() -> None:
    ended = customer("en", end=dt.date(2026, 1, 1))
    assert "This contract ended on 1 January 2026" in read(Made(ended, [], {}, {}, [])).words
