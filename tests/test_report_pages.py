"""The report as a person sees it: in a headless Chromium, on a phone and on a desk, and printed. Made data, no lab."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.verification.page import page
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import Made, asset, small_office
from tests.browser import CHROMIUM, chromium, measure

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
PHONE, DESK = 390, 1280
LONG = "a-device-with-a-very-long-name-that-somebody-once-thought-was-helpful-" * 3


def write(made: Made, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(page(made.verification(), "VER-1"), encoding="utf-8")
    return path


def figures(made: Made, tmp_path: Path, width: int) -> dict[str, Any]:
    return measure(write(made, tmp_path), tmp_path, width)


@pytest.mark.parametrize("width", [320, PHONE, 768, DESK])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_is_wider_than_the_screen_and_nothing_too_small_to_read(
    language: str, width: int, tmp_path: Path
) -> None:
    found = figures(small_office(language), tmp_path, width)
    assert (found["width"], found["beyond"], found["small"]) == (width, [], [])


def test_a_very_long_name_does_not_widen_the_page_of_a_phone(tmp_path: Path) -> None:
    made = small_office()
    made.assets = [asset(1, LONG.replace("-", ""), serial=LONG, model=LONG, site=LONG, address="2001:db8::1")]
    found = figures(made, tmp_path, PHONE)
    assert (found["width"], found["beyond"]) == (PHONE, [])


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_person_sees_what_is_unlisted_what_is_absent_and_every_warranty(width: int, tmp_path: Path) -> None:
    found = figures(small_office("en"), tmp_path, width)
    assert "harbour-till02" in str(found["unlisted"]) and "b8:27:eb:4a:10:9c" in str(found["unlisted"])
    assert "harbour-nas01" in str(found["absent"]) and "Not found" in str(found["absent"])
    assert found["warranty"] == {
        "device:1": "In warranty",
        "device:2": "Ends soon",
        "device:3": "Expired",
        "device:4": "Unknown",
        "device:5": "In warranty",
    }


def test_the_content_policy_lets_the_page_be_styled_and_blocks_everything_else(tmp_path: Path) -> None:
    path = write(small_office(), tmp_path)
    probe = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\"></body>"
    path.write_text(path.read_text().replace("</body>", probe), encoding="utf-8")
    dom = chromium(tmp_path, "--dump-dom", path.as_uri())
    assert "<title>ran</title>" not in dom


def test_it_prints_on_a4_with_a_place_to_sign(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    chromium(tmp_path, f"--print-to-pdf={target}", "--no-pdf-header-footer", write(small_office(), tmp_path).as_uri())
    content = target.read_bytes()
    boxes = {tuple(round(float(n)) for n in box.split()) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", content)}
    assert content.startswith(b"%PDF")
    assert boxes == {(0, 0, 595, 842)}
