# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page by which a person takes a second factor into a phone: QR code, the same as text, and recovery codes. Pure.

It is the only place that ever shows them. Layout: report/templates/enrolment.html.j2.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from markupsafe import Markup

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.report.document import render
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats

try:
    import segno
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
else:
    LIBRARY_ERROR = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person is shown. customer is "" where nobody knows; secret in base32."""

    account: str
    host: str
    customer: str
    secret: str
    codes: tuple[str, ...]
    made: dt.datetime


def address(enrolment: Enrolment) -> str:
    """What the QR code says to an app: otpauth, with the name under which the app lists it."""
    issuer = (enrolment.customer or enrolment.host).replace(":", " ")
    label = f"{issuer}:{enrolment.account}@{enrolment.host}"
    asked = urlencode({"secret": enrolment.secret, "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(label, safe='@:')}?{asked}"


def grouped(text: str) -> str:
    """In groups of four, as people read and type it."""
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def page(enrolment: Enrolment, formats: Formats) -> str:
    if LIBRARY_ERROR is not None:
        raise MspError(
            "MSP-RPT-003",
            "the Python library segno on the controller",
            f"{LIBRARY_ERROR}",
            "run through ./msp, or install what requirements.lock names",
        )
    code = segno.make(address(enrolment), error="m", micro=False)
    picture = code.svg_inline(border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True)
    return render(
        "enrolment.html.j2",
        formats,
        e=enrolment,
        secret=grouped(enrolment.secret),
        codes=[grouped(one) for one in enrolment.codes],
        picture=Markup(picture),  # noqa: S704 - made by segno, of paths and figures alone
    )
