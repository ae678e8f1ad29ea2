# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page that takes a second factor into a phone says the same in a picture and in text, and is all by itself."""

from __future__ import annotations

import datetime as dt
import re
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.report.enrolment_page import Enrolment, address, grouped, page
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats

MADE = dt.datetime(2026, 11, 27, 9, 0, tzinfo=dt.UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - made up
ANNA = Enrolment("anna", "web1", "Bakkerij Jansen", SECRET, ("12345678", "23456789"), MADE)


def test_an_app_lists_it_by_the_customer_the_account_and_the_machine() -> None:
    found = urlsplit(address(ANNA))

    assert (found.scheme, found.netloc, unquote(found.path)) == ("otpauth", "totp", "/Bakkerij Jansen:anna@web1")
    assert parse_qs(found.query) == {"secret": [SECRET], "issuer": ["Bakkerij Jansen"]}


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_whatever_a_customer_is_called_the_secret_is_read_as_it_is(customer: str) -> None:
    found = urlsplit(address(Enrolment("anna", "web1", customer, SECRET, (), MADE)))

    assert parse_qs(found.query)["secret"] == [SECRET]
    assert unquote(found.path).count(":") == 1


@pytest.mark.parametrize("language", ["nl", "en"])
def test_picture_text_and_recovery_codes_are_on_it_and_nothing_from_elsewhere(language: str) -> None:
    text = page(ANNA, Formats(language, ZoneInfo("Europe/Amsterdam")))

    drawn = re.search(r'<path class="qrline" stroke="#000" d="([^"]+)"|<path stroke="#000" d="([^"]+)"', text)
    same = segno.make(address(ANNA), error="m", micro=False).svg_inline(border=4, dark="#000", light="#fff")
    assert drawn is not None
    assert (drawn[1] or drawn[2]) in same
    assert grouped(SECRET) in text and "1234 5678" in text and "2345 6789" in text
    assert "10:00" in text
    # In one piece: in a line of text it would be broken at a dash.
    assert '<p class="typed code">msp-mfa-confirm</p>' in text
    assert not re.search(r'(?:src|href)="(?!#)|url\(|<script', text)
    assert "default-src &#39;none&#39;" in text


def test_what_others_wrote_is_text() -> None:
    odd = Enrolment("<b>anna", "web1<script>", 'Jansen" onload="x', SECRET, (), MADE)
    text = page(odd, Formats("en", ZoneInfo("UTC")))

    assert "<b>anna" not in text and "web1<script>" not in text and '" onload="' not in text
