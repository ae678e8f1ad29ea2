"""The digest as a person sees it: in a headless Chromium, on a phone and on a desk, and printed. Made data, no lab."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import GROUPS, News
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest_page import page, told
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made_news import a_week, change, of
from tests.browser import CHROMIUM, chromium, measure

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
PHONE, DESK = 390, 1280
LONG = "adevicewithaverylongnamethatsomebodyoncethoughtwashelpful" * 3


def write(news: News, tmp_path: Path) -> Path:
    path = tmp_path / "digest.html"
    path.write_text(page(told(news, "Noordkaap IT")), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [320, PHONE, 768, DESK])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_is_wider_than_the_screen_and_nothing_too_small_to_read(
    language: str, width: int, tmp_path: Path
) -> None:
    found = measure(write(a_week(language), tmp_path), tmp_path, width)
    assert (found["width"], found["beyond"], found["small"]) == (width, [], [])


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_person_sees_every_item_with_where_it_hangs_and_what_to_do(width: int, tmp_path: Path) -> None:
    items = measure(write(a_week(), tmp_path), tmp_path, width)["items"]
    assert sorted({group for group, _words in items}, key=GROUPS.index) == list(GROUPS)
    assert len(items) == 8 and all("Last seen" in words for _group, words in items)
    (till,) = (words for _group, words in items if "harbour-till02" in words)
    assert "harbour-sw01 Gi1/0/14" in till and "Agree on the verification sheet" in till


def test_very_long_words_do_not_widen_the_page_of_a_phone(tmp_path: Path) -> None:
    values: dict[str, Any] = dict.fromkeys(
        ("name", "vendor", "model", "os", "serial", "switch", "port", "prefix", "type", "why"), LONG
    )
    values["sides"] = [{"name": LONG, "reasons": [{"kind": "serial", "value": LONG, "source": LONG}]}]
    made = [change(kind, f"mac:{kind}", key=f"{LONG}{kind}", **values) for kind in GROUPS]
    found = measure(write(of(*made), tmp_path), tmp_path, PHONE)
    assert (found["width"], found["beyond"]) == (PHONE, [])


def test_the_content_policy_lets_the_page_be_styled_and_blocks_everything_else(tmp_path: Path) -> None:
    path = write(a_week(), tmp_path)
    probe = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\"></body>"
    path.write_text(path.read_text().replace("</body>", probe), encoding="utf-8")
    assert "<title>ran</title>" not in chromium(tmp_path, "--dump-dom", path.as_uri())


def test_it_prints_on_a4(tmp_path: Path) -> None:
    target = tmp_path / "digest.pdf"
    chromium(tmp_path, f"--print-to-pdf={target}", "--no-pdf-header-footer", write(a_week(), tmp_path).as_uri())
    content = target.read_bytes()
    boxes = {tuple(round(float(n)) for n in box.split()) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", content)}
    assert content.startswith(b"%PDF")
    assert boxes == {(0, 0, 595, 842)}
