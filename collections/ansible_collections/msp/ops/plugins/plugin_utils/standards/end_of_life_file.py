# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of endoflife.date, read and checked before anything of it counts. Reads one file and writes nothing.

One that cannot be read, is not what its checksum says, is broken, empty or without a date is an error, never a file
without ends. An old one warns: it can only lack some.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import feed_files, feeds
from ansible_collections.msp.ops.plugins.plugin_utils.standards import end_of_life
from ansible_collections.msp.ops.plugins.plugin_utils.standards.end_of_life import EndOfLife


def read(path: str, now: dt.datetime, *, sha256: str = "", date: dt.date | None = None) -> EndOfLife:
    """The file at a path. date: the day on which it was published, where it has none of its own. MSP-STD-106 to 108."""
    place = Path(path).expanduser()
    try:
        with place.open("rb") as stream:
            data = stream.read(feed_files.MOST_BYTES + 1)
    except OSError as error:
        found = f"{path}: {error.strerror or error}"
        raise MspError("MSP-STD-106", "to read a file of endoflife.date", found, "correct its place") from error
    if sha256 and (found := hashlib.sha256(data).hexdigest()) != sha256.lower():
        raise MspError(
            "MSP-STD-107",
            f"{path} to have the checksum {sha256}",
            f"the checksum {found}",
            "give the checksum of the version that is meant; if it was, this is not what was published",
        )
    given = dt.datetime.combine(date, dt.time(), dt.UTC) if date else None
    try:
        return end_of_life.parse(feed_files.documents(data), now, given)
    except feeds.Broken as error:
        raise MspError(
            "MSP-STD-108",
            f"{path} to be what https://endoflife.date/api/v1/products/full gives",
            str(error),
            "fetch it again; nothing is judged without it",
        ) from error
