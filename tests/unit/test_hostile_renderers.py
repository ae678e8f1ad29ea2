"""Whatever a text of a record says, on a page it is text, in a sheet it is text, and in a mail or on a terminal it is
one line of characters that nothing obeys.

Nobody lists here which text goes where: every text in the records that a page is made of is replaced, one after the
other. Where a record refuses the text (because it is one of our own words), it can't be said there.
"""

from __future__ import annotations

import functools
import io
import random
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import report_page as access_report
from ansible_collections.msp.ops.plugins.plugin_utils.patching import calendar_page
from ansible_collections.msp.ops.plugins.plugin_utils.patching import report_page as patch_report
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import digest_page
from ansible_collections.msp.ops.plugins.plugin_utils.report import standing_page
from ansible_collections.msp.ops.plugins.plugin_utils.standards import report_page as standards_report
from ansible_collections.msp.ops.plugins.plugin_utils.verification import page as verification_page
from ansible_collections.msp.ops.plugins.plugin_utils.verification import sheet, workbook
from ansible_collections.msp.ops.tests.unit.hostile import TEXTS, Markup, Place, anything, places, put
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access import made_access
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching import (
    made_standing,
    test_calendar_page,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation import made_news
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards import made_report
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification import made as made_verification

MADE_BY = "Noordkaap IT"
MOST_ALIKE = 1
MOST_PLACES = 3
# What a record says when a text is none that it takes.
REFUSALS = (MspError, KeyError, ValueError, TypeError, AttributeError, IndexError, StopIteration)


@dataclass(frozen=True)
class Kind:
    """One kind of document: the record it is made of, and how."""

    record: Callable[[], Any]
    render: Callable[[Any], str | bytes]
    least: int
    """So many texts of the record can be anything: fewer, and the test looks at nothing."""


def of_news(render: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda found: render(digest_page.told(found, MADE_BY))


def of_patches(render: Callable[[Any], str]) -> Callable[[Any], str]:
    customer = made_standing.customer("en", "Bakkerij Jansen")
    return lambda found: render(patch_report.told(found, customer, MADE_BY, "patch-report.json"))


def of_standards(render: Callable[[Any], str]) -> Callable[[Any], str]:
    customer = made_report.customer("en", "Bakkerij Jansen")
    return lambda found: render(standards_report.told(found, customer, MADE_BY, "standards-report.json"))


def of_access(render: Callable[[Any], str]) -> Callable[[Any], str]:
    customer = made_access.customer("en")
    return lambda found: render(access_report.told(found, customer, MADE_BY, "access-report.json"))


def written(verification: Any) -> bytes:
    return workbook.write(sheet.document(verification), verification)


PAGES = {
    "verification": Kind(
        lambda: made_verification.small_office().verification(),
        lambda found: verification_page.page(found, "VER-1"),
        25,
    ),
    "digest": Kind(made_news.a_week, of_news(digest_page.page), 25),
    "patch report": Kind(made_standing.made, of_patches(standing_page.page), 25),
    "calendar": Kind(test_calendar_page.said, calendar_page.page, 15),
    "standards report": Kind(made_report.made, of_standards(standing_page.page), 25),
    "access report": Kind(made_access.made, of_access(standing_page.page), 25),
}
MAILS = {
    "digest": Kind(made_news.a_week, of_news(digest_page.text), 25),
    "patch report": Kind(made_standing.made, of_patches(standing_page.text), 25),
    "calendar": Kind(test_calendar_page.said, calendar_page.text, 15),
    "standards report": Kind(made_report.made, of_standards(standing_page.text), 25),
    "access report": Kind(made_access.made, of_access(standing_page.text), 25),
}
SHEET = Kind(lambda: made_verification.small_office().verification(), written, 25)


@functools.cache
def record(of: Callable[[], Any]) -> Any:
    return of()


@functools.cache
def takes(kind: Kind) -> tuple[Place, ...]:
    """The places of the record where any text is taken; of many alike in lists the first."""
    found = []
    alike: Counter[tuple[Any, ...]] = Counter()
    for place in places(record(kind.record)):
        field = tuple("n" if isinstance(step, int) else step for step in place)
        alike[field] += 1
        if alike[field] > MOST_ALIKE:
            continue
        if _harmless(kind, place) is not None:
            found.append(place)
    assert len(found) >= kind.least, len(found)
    return tuple(found)


def said(kind: Kind, place: Place, text: str) -> str | bytes | None:
    """The document with this text there; None where the record takes no such text, or none but our own words."""
    try:
        return kind.render(put(record(kind.record), place, text))
    except MspError:
        return None
    except REFUSALS:
        if _harmless(kind, place) is not None:
            raise
        return None


@functools.cache
def _harmless(kind: Kind, place: Place) -> str | bytes | None:
    """The document with a harmless text there; None where that is refused."""
    try:
        return kind.render(put(record(kind.record), place, "another text"))
    except REFUSALS:
        return None


@functools.cache
def ours(kind: Kind) -> frozenset[tuple[str, str]]:
    """The elements that our own templates have, whatever harmless words are in them."""
    found: set[tuple[str, str]] = set()
    for page in (kind.render(record(kind.record)), *(_harmless(kind, place) for place in takes(kind))):
        assert isinstance(page, str)
        found |= Markup(page).elements
    return frozenset(found)


def harmless_page(kind: Kind, page: str) -> None:
    markup = Markup(page)
    assert markup.elements <= ours(kind), markup.elements - ours(kind)
    assert all(link.startswith("#") for link in markup.links), markup.links


def harmless_text(text: str) -> None:
    odd = {character for character in text if not character.isprintable() and character != "\n"}
    assert odd == set()


def harmless_workbook(data: bytes) -> None:
    book = openpyxl.load_workbook(io.BytesIO(data))
    for page in book.worksheets:
        for row in page.iter_rows():
            for cell in row:
                assert cell.data_type != "f", cell.coordinate
                if isinstance(cell.value, str) and cell.value[:1] in ("=", "+", "-", "@", "\t", "\r"):
                    assert cell.quotePrefix, cell.coordinate
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}
    assert not any("<f>" in text or "<f " in text for text in inside.values())
    assert not any(re.search("externalLink|TargetMode=.External", text) for text in inside.values())


@pytest.mark.thorough
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", PAGES)
def test_on_a_page_every_text_is_text(name: str, text: str) -> None:
    kind = PAGES[name]
    shown = 0
    for place in _some(kind, name + text):
        page = said(kind, place, text)
        if isinstance(page, str):
            harmless_page(kind, page)
            shown += 1
    assert shown


@pytest.mark.thorough
@given(data=st.data(), text=anything)
def test_on_a_page_any_text_is_text(data: st.DataObject, text: str) -> None:
    kind = PAGES[data.draw(st.sampled_from(sorted(PAGES)))]
    page = said(kind, data.draw(st.sampled_from(takes(kind))), text)
    if isinstance(page, str):
        harmless_page(kind, page)


@pytest.mark.thorough
@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_text_is_shown_as_it_is(name: str) -> None:
    """Not only is it no markup: it can be read."""
    kind = PAGES[name]
    text = "<script>{{ 7 * 7 }}</script>"
    pages = [said(kind, place, text) for place in takes(kind)]
    assert any(isinstance(page, str) and text in Markup(page).words for page in pages)


@pytest.mark.thorough
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", MAILS)
def test_in_a_mail_every_text_is_one_line_of_what_can_be_printed(name: str, text: str) -> None:
    kind = MAILS[name]
    for place in _some(PAGES[name], name + text):
        mail = said(kind, place, text)
        if isinstance(mail, str):
            harmless_text(mail)
            assert not any(line.startswith(("MSP-XXX-001", "# heading")) for line in mail.splitlines())


@pytest.mark.thorough
@given(data=st.data(), text=anything)
def test_in_a_mail_any_text_is_what_can_be_printed(data: st.DataObject, text: str) -> None:
    name = data.draw(st.sampled_from(sorted(MAILS)))
    mail = said(MAILS[name], data.draw(st.sampled_from(takes(PAGES[name]))), text)
    if isinstance(mail, str):
        harmless_text(mail)


@pytest.mark.thorough
@pytest.mark.parametrize("text", TEXTS)
def test_in_a_sheet_every_text_is_text_and_no_formula(text: str) -> None:
    for place in _some(SHEET, text):
        data = said(SHEET, place, text)
        if isinstance(data, bytes):
            harmless_workbook(data)


@pytest.mark.thorough
@settings(max_examples=30)
@given(data=st.data(), text=anything)
def test_in_a_sheet_any_text_is_text_and_no_formula(data: st.DataObject, text: str) -> None:
    found = said(SHEET, data.draw(st.sampled_from(takes(SHEET))), text)
    if isinstance(found, bytes):
        harmless_workbook(found)


def _some(kind: Kind, seed: str) -> list[Place]:
    """Each text meets other places; all of them meet all, over the texts and the runs of the property tests."""
    every = list(takes(kind))
    return random.Random(seed).sample(every, min(len(every), MOST_PLACES))  # noqa: S311
