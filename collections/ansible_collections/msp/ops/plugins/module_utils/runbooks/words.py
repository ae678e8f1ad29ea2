# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How what a host says gets into a sentence: one line, printable, short, and without what looks like a secret. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 200
HIDDEN = "***"
# A word that says what follows is a secret, and what follows; and a password in an address.
_NAMED = re.compile(
    r"(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|pwd|secret|token|api_?key|apikey|authorization|bearer|credential)"
    r"[a-z0-9_.-]*[\"']?)(\s*[=:]\s*|\s+)((?:bearer|basic)\s+)?(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
)
_IN_ADDRESS = re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@")
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def plain(text: str, most: int = LONGEST) -> str:
    """Text of a host: cut where it is too long, for somebody who reads it in a ticket."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    shown = _IN_ADDRESS.sub(r"\1:%s@" % HIDDEN, line)
    shown = _NAMED.sub(_hide, shown)
    return shown if len(shown) <= most else shown[: most - 3] + "..."


def _hide(found: re.Match) -> str:
    name, between, value = found.group(1), found.group(2), found.group(4)
    # "the password is wrong" and "password for root" tell nothing; "password: x" and "password=x" do.
    if not between.strip() and not re.search(r"[0-9]", value):
        return str(found.group(0))
    return name + between + HIDDEN


def size(count: float) -> str:
    """Bytes as people say them: 4.2 GB, in steps of 1000."""
    value, unit = float(count), 0
    while abs(value) >= 1000 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    return "%d %s" % (value, _UNITS[0]) if unit == 0 else "%.1f %s" % (value, _UNITS[unit])


def span(seconds: float) -> str:
    """A length of time in one unit: 40 seconds, 5 minutes, 3 hours, 12 days."""
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * length:
            return "%d %ss" % (seconds // length, name)
    return "%d second%s" % (seconds, "" if int(seconds) == 1 else "s")


def listed(names: Sequence[str], most: int = 5) -> str:
    """a, b and 3 more."""
    shown = list(names[:most])
    if len(names) > most:
        return "%s and %d more" % (", ".join(shown), len(names) - most)
    return ", ".join(shown)
