# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bytes of unknown encoding as text. Pure: bytes in, text out; never an exception for bytes of a sensible size."""

from __future__ import annotations

import codecs

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

# The leases of a large network and the scan of a /16 are well below this; what is larger is something else.
LARGEST = 256 * 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(content: bytes) -> tuple[str, str]:
    """The text, and the name of its encoding: by its byte order mark, else UTF-16 where most of every other byte is
    zero, else UTF-8, else cp1252 or Latin-1.

    A last character that was cut in two does not make UTF-8 something else: it becomes U+FFFD.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace"), encoding
    if encoding := _without_mark(content[:200]):
        return content.decode(encoding, errors="replace"), encoding
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.end == len(content):
            return content[: error.start].decode("utf-8") + "\ufffd", "utf-8"
    try:
        return content.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1"


def _without_mark(start: bytes) -> str:
    """UTF-16 whose mark is missing shows by its Latin letters: every one has a zero byte beside it."""
    for encoding, zeros, letters in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if len(zeros) > 1 and zeros.count(0) * 4 > len(zeros) * 3 and 0 not in letters:
            return encoding
    return ""


def limited(content: bytes, origin: str) -> bytes:
    """The same bytes, when they are not too many to be what they should be."""
    if len(content) > LARGEST:
        raise MspError(
            "MSP-OBS-015",
            f"{origin} to hold at most {LARGEST // 1024**2} MiB",
            f"{len(content) // 1024**2} MiB",
            "check that it is the right file; split a scan into smaller prefixes",
        )
    return content
