# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""News in words: what page and text say, in both languages, and that nothing of a host becomes more than text."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given, settings

from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import GROUPS, News, news
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest_page import Told, page, text, told
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.spent import Spent
from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import LANGUAGES
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import columns
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made_news import (
    HOUR,
    NOW,
    SINCE,
    a_week,
    booking,
    change,
    iso,
    of,
    some_changes,
    whose,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.test_page import HOSTILE, Reader

MADE_BY = "Noordkaap IT"


def say(found: News) -> Told:
    return told(found, MADE_BY)


def flat(words: str) -> str:
    return re.sub(r"\s+", " ", words)


def both(found: News) -> list[str]:
    """What the page and the text say, each in one line."""
    said = say(found)
    return [flat(Reader(page(said)).words), flat(text(said))]


def test_every_change_stands_on_the_page_and_in_the_text_with_its_key() -> None:
    found = a_week()
    rows = Reader(page(say(found))).with_attribute("data-item")
    keys = [key for item in found.items for key in item.keys]
    assert sorted(" ".join(map(str, rows)).split()) == sorted(keys)
    assert [(key, words.count(key)) for words in both(found) for key in keys if words.count(key) != 1] == []


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "nl",
            [
                "Sinds 16 nov 2026 07:00 zijn er 8 dingen veranderd.",
                "2 nieuwe apparaten staan niet in het contract. 192.0.2.80, jansen-till02",
                "jansen-sw01 Gi1/0/14",
                "DHCP-uitgifte (office)",
                "jansen-sw02 Gi1/0/8 in plaats van jansen-sw01 Gi1/0/3",
                "Spreek op het werkblad van de controle af",
                "Besloten: alleen volgen, door J. Jansen",
                "Niet gemeten: er is in deze periode geen tijd geregistreerd.",
                "Europe/Amsterdam",
            ],
        ),
        (
            "en",
            [
                "8 things have changed since 16 Nov 2026 06:00.",
                "2 new devices are not in the contract. 192.0.2.80, harbour-till02",
                "harbour-sw01 Gi1/0/14",
                "DHCP leases (office)",
                "harbour-sw02 Gi1/0/8 instead of harbour-sw01 Gi1/0/3",
                "Agree on the verification sheet, or set the contract status in NetBox.",
                "Decided: tracked only, by Amy Holt",
                "By people: 0:25 hours.",
                "By automation: less than a minute.",
                "Europe/London",
            ],
        ),
    ],
)
def test_page_and_text_speak_the_customers_language_and_time(language: str, expected: list[str]) -> None:
    for words in both(a_week(language)):
        assert [wanted for wanted in expected if wanted not in words] == []


def test_the_page_says_which_language_it_is_in() -> None:
    assert ("html", {"lang": "nl"}) in Reader(page(say(a_week("nl")))).tags


def test_each_item_says_first_and_last_seen_by_whom_where_and_what_to_do() -> None:
    detail: dict[str, Any] = {
        **{"name": "pc", "type": "server", "vendor": "Acme", "model": "One", "os": "Plan 9", "serial": "S1"},
        **{"first_seen": iso(NOW - HOUR), "last_seen": iso(NOW), "sources": ["nmap", "my-tool:lan"]},
        **{"addresses": [f"192.0.2.{n}" for n in range(1, 7)], "macs": ["b8:27:eb:4a:10:9c"]},
        **{"switch": "sw1", "port": "7", "prefix": "192.0.2.0/24"},
    }
    for words in both(of(change("new", asset="device:7", **detail), spent=Spent(5, None, (), {"device:7": 5.0}))):
        for wanted in (
            "server · Acme One",
            "First seen 23 Nov 2026 05:00",
            "Last seen 23 Nov 2026 06:00",
            "Seen by",
            "my-tool (lan)",
            "network scan",
            "192.0.2.4",
            "and 2 more",
            "b8:27:eb:4a:10:9c",
            "Switch port sw1 7",
            "Network 192.0.2.0/24",
            "Serial no. S1",
            "System Plan 9",
            "Outside contract 0:05 hours",
            "By automation: not measured.",
        ):
            assert wanted.replace(" ", "") in words.replace(" ", "")
        assert "192.0.2.5" not in words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_group_and_kind_has_its_words_for_one_and_for_many(language: str) -> None:
    for kind in GROUPS:
        for number in (1, 2):
            made = [change(kind, f"mac:{n}", key=f"k{n}", name=f"pc{n}") for n in range(number)]
            words = both(of(*made, language=language))
            assert all("pc0" in one for one in words)


def test_what_was_not_measured_is_said_to_be_so_and_no_zero_is_shown() -> None:
    for words in both(of(change("new"))):
        assert "Not measured: no time was recorded in this period." in words
        assert "0:00" not in re.sub(r"\d\d:\d\d", "", words)
    rows = (booking("b1", 0.2, by="automation"),)
    for words in both(of(change("new"), spent=Spent(None, 0.2, rows))):
        assert "By people: not measured." in words and "By automation: less than a minute." in words
        assert "b1" in words


def test_a_conflict_shows_the_evidence_for_each_side_with_source_and_time() -> None:
    for words in both(a_week()):
        assert "Different devices give the same serial number or ID, or one was copied." in words
        assert "Serial no. CZJ1520KD7 (check of the device, 22 Nov 2026 06:00)" in words
        assert "Network card 00:00:5e:00:53:17 (DHCP leases, 22 Nov 2026 06:00)" in words


def test_why_and_how_that_are_not_ours_stay_as_they_are() -> None:
    found = of(change("conflict", why="two of a kind"), change("settled", "mac:x", how="{gone} to the moon"))
    for words in both(found):
        assert "two of a kind" in words and "{gone} to the moon" in words


def test_the_first_digest_has_no_since() -> None:
    found = news(whose(), [change("new")], None)
    assert found is not None
    for words in both(found):
        assert "Up to 23 Nov 2026 06:01, 1 thing changed." in words


def test_a_customer_without_a_contract_reads_english_and_utc() -> None:
    found = of(change("new", last_seen=iso(NOW)))
    bare = News(
        type(found.customer)(1, found.customer.slug, "Nobody", None), SINCE, found.until, found.items, 1, found.spent
    )
    for words in both(bare):
        assert "23 Nov 2026 06:00" in words and "UTC" in words


def test_what_a_host_calls_itself_is_shown_and_never_becomes_markup() -> None:
    detail: dict[str, Any] = {
        **dict.fromkeys(("name", "vendor", "model", "os", "type", "serial", "switch", "port", "prefix"), HOSTILE),
        **{key: [HOSTILE] for key in ("addresses", "macs", "sources")},
        **{"why": HOSTILE, "how": HOSTILE, "misses": {HOSTILE: 3}},
        **{"before": {"switch": HOSTILE}, "after": {"switch": f"{HOSTILE}2"}},
        "changes": [{"what": HOSTILE, "before": HOSTILE, "after": HOSTILE}],
        "sides": [
            {"asset": HOSTILE, "name": HOSTILE, "reasons": [dict.fromkeys(("kind", "value", "source"), HOSTILE)]}
        ],
    }
    made = [change(kind, f"mac:{kind}", key=f"{HOSTILE} {kind}", **detail) for kind in GROUPS]
    row = booking(HOSTILE, 5, what=HOSTILE, ticket=HOSTILE)
    said = told(of(*made, spent=Spent(5, None, (row,)), report_contact=HOSTILE), HOSTILE)
    html = page(said)
    reader = Reader(html)
    assert {tag for tag, _attrs in reader.tags} & {"script", "img", "b"} == set()
    assert "<script" not in html
    assert reader.words.count(HOSTILE) >= 80
    assert flat(text(said)).count("{{ 7*7 }}{% x %}") >= 60


@pytest.mark.thorough
@settings(deadline=None, max_examples=60)
@given(some_changes())
def test_no_line_is_wider_than_a_mail_no_tag_is_a_hosts_and_every_key_is_there(made: list[Any]) -> None:
    found = news(whose(), made, SINCE)
    if found is None:
        return
    said = told(found, "a\x1b{b}<i>")
    lines = text(said).splitlines()
    assert [line for line in lines if columns(line) > 78 or len(line) > 78] == []
    assert all(line.isprintable() for line in lines)
    reader = Reader(page(said))
    plain = Reader(page(told(of(change("new")), MADE_BY)))
    expected = {tag for tag, _a in plain.tags} | {"strong"}
    assert {tag for tag, _a in reader.tags} <= expected
    for key in (key for item in found.items for key in item.keys):
        assert any(re.search(rf"\b{key}$", line) for line in lines)
        assert re.search(rf"\b{key}\b", reader.words)


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script() -> None:
    reader = Reader(page(say(a_week())))
    assert {tag for tag, _a in reader.tags} & {"script", "link", "img", "iframe", "object", "form"} == set()
    for tag, attrs in reader.tags:
        assert "style" not in attrs and not [name for name in attrs if name.startswith("on")], tag
        assert str(attrs.get("href", "#")).startswith("#")
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and a.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")


def test_every_reference_leads_to_its_evidence_and_every_evidence_is_referred_to_once() -> None:
    reader = Reader(page(say(a_week())))
    ids = [a["id"] for _t, a in reader.tags if re.fullmatch(r"e\d+", str(a.get("id")))]
    references = [str(a["href"])[1:] for _t, a in reader.tags if re.fullmatch(r"#e\d+", str(a.get("href")))]
    assert ids == references == [f"e{n}" for n in range(1, 12)]


def test_no_element_has_the_id_of_another_and_every_link_has_its_place() -> None:
    reader = Reader(page(say(a_week())))
    ids = [a["id"] for _t, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {str(a["href"])[1:] for t, a in reader.tags if t == "a"} <= set(ids)


def test_headings_go_down_one_step_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _a in Reader(page(say(a_week()))).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
