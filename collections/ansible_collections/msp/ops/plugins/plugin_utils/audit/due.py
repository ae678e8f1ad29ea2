# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Since when the audits of a customer wait for their neighbours to be derived: one small file a customer.

Deriving needs the customer's prefixes from NetBox. The file is written before NetBox is asked and removed when the
neighbours are recorded, so a run that found no NetBox leaves it for the next. It holds a time, never evidence.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from pathlib import Path
from urllib.parse import quote

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability


def since(customer: str) -> dt.datetime | None:
    """The start of the oldest run whose neighbours wait; None when none do, or the file is torn."""
    with contextlib.suppress(OSError, ValueError):
        found = dt.datetime.fromisoformat(_place(customer).read_text(encoding="ascii"))
        return found if found.tzinfo else None
    return None


def wait(customer: str, began: dt.datetime) -> dt.datetime:
    """Note that they wait since a run began, or since an older one, and return which."""
    oldest = min(began, since(customer) or began)
    place = _place(customer)
    partial = place.with_suffix(f".{os.getpid()}")
    # A disk without room must not stop a recording that may well end without ever needing this file.
    with contextlib.suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_text(oldest.isoformat(), encoding="ascii")
        partial.replace(place)
    return oldest


def done(customer: str) -> None:
    """They are recorded."""
    with contextlib.suppress(OSError):
        _place(customer).unlink()


def _place(customer: str) -> Path:
    """Beside the digests of the assets, whose names all have a kind and an id."""
    return durability.state_directory() / "audit" / quote(customer, safe="") / "neighbours.since"
