"""The calendar of a patch plan as a person sees it: in a headless Chromium, on a phone and on a desk. Made data."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract import yamlfile
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.patching.calendar import calendar
from ansible_collections.msp.ops.plugins.plugin_utils.patching.calendar_page import page, told
from ansible_collections.msp.ops.plugins.plugin_utils.patching.reading_plan import read_context
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import member, utc
from tests.browser import CHROMIUM, chromium, measure

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "patching" / "plan.yml"
PHONE, DESK = 390, 1280
NOW = utc("2026-12-20T08:00")
LONG = "adevicewithaverylongnamethatsomebodyoncethoughtwashelpful" * 3


def write(tmp_path: Path, language: str = "nl", *, words: str = "", name: str = "") -> Path:
    """The page of the documentation's example; words are everything that others wrote in it."""
    data = yamlfile.read(EXAMPLE.read_text(encoding="utf-8"), "plan.yml").data
    plan: dict[str, Any] = data["msp_patch_plan"]
    if words:
        plan["freezes"][0]["reason"] = plan["exclusions"][0]["reason"] = plan["exclusions"][0]["owner"] = words
    members = [member(1, "msp-ring-pilot", name=name), *(member(number, name=name) for number in range(2, 30))]
    terms = Contract("BJ-2025-001", dt.date(2025, 1, 1), None, language=language, timezone="Europe/Amsterdam")
    customer = Customer(1, "bakkerij-jansen", "Bakkerij Jansen", terms)
    said = told(calendar(read_context(data), members, NOW), customer, "Noordkaap IT", NOW)
    path = tmp_path / "calendar.html"
    path.write_text(page(said), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [320, PHONE, 768, DESK])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_is_wider_than_the_screen_and_nothing_too_small_to_read(
    language: str, width: int, tmp_path: Path
) -> None:
    found = measure(write(tmp_path, language), tmp_path, width)
    assert (found["width"], found["beyond"], found["small"]) == (width, [], [])


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_person_sees_every_kind_of_day(width: int, tmp_path: Path) -> None:
    items = measure(write(tmp_path, "en"), tmp_path, width)["items"]
    kinds = {"rules", "rings", "freezes", "exclusions", "window", "batch", "freeze"}
    assert {group for group, _words in items} == kinds
    (freeze,) = (words for group, words in items if group == "freeze" and "Oliebollen" in words)
    assert "29 December" in freeze
    assert any("Sunday 3 January" in words and "Routine: broad, as planned" in words for _group, words in items)


def test_very_long_words_do_not_widen_the_page_of_a_phone(tmp_path: Path) -> None:
    found = measure(write(tmp_path, words=LONG, name=LONG), tmp_path, PHONE)
    assert (found["width"], found["beyond"]) == (PHONE, [])


def test_the_content_policy_lets_the_page_be_styled_and_blocks_everything_else(tmp_path: Path) -> None:
    path = write(tmp_path)
    probe = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\"></body>"
    path.write_text(path.read_text().replace("</body>", probe), encoding="utf-8")
    assert "<title>ran</title>" not in chromium(tmp_path, "--dump-dom", path.as_uri())


def test_it_prints_on_a4(tmp_path: Path) -> None:
    target = tmp_path / "calendar.pdf"
    chromium(tmp_path, f"--print-to-pdf={target}", "--no-pdf-header-footer", write(tmp_path).as_uri())
    boxes = re.findall(rb"/MediaBox\s*\[([^\]]+)\]", target.read_bytes())
    assert {tuple(round(float(n)) for n in box.split()) for box in boxes} == {(0, 0, 595, 842)}
