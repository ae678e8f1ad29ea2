"""The report on standards as a person sees it: in a headless Chromium, on a phone and on a desk. Made data."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.standards.report import Wrong
from ansible_collections.msp.ops.plugins.plugin_utils.standards.report_page import page, told
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards.made_report import (
    customer,
    made,
    nobody,
)
from tests.browser import CHROMIUM, chromium, measure, measure_all

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
PHONE, DESK = 390, 1280
WIDTHS = (320, PHONE, 768, DESK)
LONG = "adevicewithaverylongnamethatsomebodyoncethoughtwashelpful" * 3


def write(tmp_path: Path, language: str = "nl", *, words: str = "", empty: bool = False) -> Path:
    """The page of the made customer; words are everything that others wrote in it."""
    found = nobody() if empty else made(job_count=6)
    if words:
        one = found.assets[0]
        deviation = replace(one.deviations[0], desired=words, found=words, control=words)
        found = replace(
            found,
            assets=(replace(one, name=words, deviations=(deviation,)),),
            wrong=(Wrong((words,), words),),
            without=(words,),
            surcharges=(replace(found.surcharges[0], name=words),),
        )
    said = told(found, customer(language, words or "Bakkerij Jansen"), words or "Noordkaap IT", "standards-report.json")
    path = tmp_path / "report.html"
    path.write_text(page(said), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, dict[str, Any]]]:
    """The page of the made customer by language and width."""
    found = {}
    for language in ("nl", "en"):
        place = tmp_path_factory.mktemp(language)
        found[language] = measure_all(write(place, language), place, WIDTHS)
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_is_wider_than_the_screen_and_nothing_too_small_to_read(
    language: str, width: int, shown: dict[str, dict[int, dict[str, Any]]]
) -> None:
    found = shown[language][width]
    assert (found["width"], found["beyond"], found["small"]) == (width, [], [])


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_person_sees_every_machine_what_differs_and_since_when(
    width: int, shown: dict[str, dict[int, dict[str, Any]]]
) -> None:
    items = shown["en"][width]["items"]
    groups = {group for group, _words in items}
    assert groups == {"assets", "new", "top", "quote", "waivers", "software", "surcharges", "standard-1"}
    (worst,) = (words for group, words in items if group == "assets" and "jansen-srv01" in words)
    assert "permitrootlogin: yes" in worst and "11 May 2026" in worst
    assert any("expired" in words for group, words in items if group == "waivers")
    assert sum(group == "assets" for group, _words in items) == 8
    assert any("invoice 2021-118" in words for group, words in items if group == "surcharges")


def test_very_long_words_do_not_widen_the_page_of_a_phone(tmp_path: Path) -> None:
    found = measure(write(tmp_path, words=LONG), tmp_path, PHONE)
    assert (found["width"], found["beyond"]) == (PHONE, [])


def test_a_customer_without_anything_has_a_page_too(tmp_path: Path) -> None:
    found = measure(write(tmp_path, empty=True), tmp_path, PHONE)
    assert (found["width"], found["beyond"], found["items"]) == (PHONE, [], [])


def test_the_content_policy_lets_the_page_be_styled_and_blocks_everything_else(tmp_path: Path) -> None:
    path = write(tmp_path)
    probe = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\"></body>"
    path.write_text(path.read_text().replace("</body>", probe), encoding="utf-8")
    assert "<title>ran</title>" not in chromium(tmp_path, "--dump-dom", path.as_uri())


def test_it_prints_on_a4(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    chromium(tmp_path, f"--print-to-pdf={target}", "--no-pdf-header-footer", write(tmp_path).as_uri())
    boxes = re.findall(rb"/MediaBox\s*\[([^\]]+)\]", target.read_bytes())
    assert {tuple(round(float(n)) for n in box.split()) for box in boxes} == {(0, 0, 595, 842)}
