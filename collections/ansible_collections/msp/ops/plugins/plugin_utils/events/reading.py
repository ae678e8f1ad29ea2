# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every reader of a webhook's body needs: a part of the form that was expected, or an error that says what was.

Pure. The sender sees the error in the answer to its webhook, so it quotes nothing at length.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

# Go tells nanoseconds, Python reads microseconds.
_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


def part(body: Mapping[str, Any], name: str, form: type, where: str) -> Any:
    """body[name], of this form."""
    value = body.get(name)
    if not isinstance(value, form) or (form is int and isinstance(value, bool)):
        raise bad(f"{form.__name__} as {name} of {where}", "nothing" if name not in body else type(value).__name__)
    return value


def time(text: Any, where: str) -> dt.datetime:
    """A time with its zone, in UTC."""
    try:
        at = dt.datetime.fromisoformat(_NANOSECONDS.sub(r"\1", text)) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise bad(f"a time with its zone as {where}", str(text)[:40])
    try:
        return at.astimezone(dt.UTC)
    except OverflowError:
        raise bad(f"a time with its zone as {where}", str(text)[:40]) from None


def bad(expected: str, found: str) -> MspError:
    return MspError(
        "MSP-EVT-001",
        expected,
        found,
        "look at the sender's webhook: docs/events.md says how it is set up; what it sent was not taken",
    )
