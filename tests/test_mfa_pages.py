"""The page of a second factor as a person sees it: in a headless Chromium, on a phone and on a desk. Made secrets."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.report.enrolment_page import Enrolment, page
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from tests.browser import CHROMIUM, measure_all

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
WIDTHS = (320, 390, 768, 1280)
# Made up, as every secret in the documentation.
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105
CODES = tuple(f"{number}{number}{number}{number}1234" for number in range(1, 9))
LONG = "amachinewithaverylongnamethatsomebodyoncethoughtwashelpful" * 2


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("host", ["bakery-web01", LONG])
def test_nothing_is_wider_than_the_screen_and_nothing_too_small_to_read(
    language: str, host: str, tmp_path: Path
) -> None:
    made = Enrolment("anna", host, "Bakkerij Jansen", SECRET, CODES, dt.datetime(2026, 11, 27, 9, 0, tzinfo=dt.UTC))
    path = tmp_path / "page.html"
    path.write_text(page(made, Formats(language, ZoneInfo("Europe/Amsterdam"))), encoding="utf-8")

    found = measure_all(path, tmp_path, WIDTHS)

    assert {width: (one["width"], one["beyond"], one["small"]) for width, one in found.items()} == {
        width: (width, [], []) for width in WIDTHS
    }
