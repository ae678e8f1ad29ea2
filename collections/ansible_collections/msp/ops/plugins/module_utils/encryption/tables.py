# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of crypttab(5) and fstab(5) for a volume. Pure: from a table's text to its text.

Every line has nofail: a volume that does not open keeps no machine from starting. What has another name or another
mount point stays as it is.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import BY_HAND, KEY_FILE, Volume

CRYPTTAB, FSTAB = "/etc/crypttab", "/etc/fstab"
# When a disk, or a file system on it, is given up. Nothing waits for them meanwhile, and a slow machine takes its time.
SECONDS = 300


class Line(NamedTuple):
    """A line, and in which of its fields what it is about stands."""

    key: str
    place: int
    text: str


def crypttab_line(volume: Volume, uuid: str) -> Line:
    key = volume.key_path if volume.unlock == KEY_FILE else "none"
    options = ["luks", "nofail"]
    if volume.unlock == BY_HAND:
        options.append("noauto")
    else:
        # A disk that is gone is given up on after that, and a question for a passphrase is never asked at a start.
        options += ["x-systemd.device-timeout=%ds" % SECONDS, "headless=1"]
    return Line(volume.name, 0, "%s UUID=%s %s %s" % (volume.name, uuid, key, ",".join(options)))


def fstab_line(volume: Volume) -> Line:
    options = [*volume.options.split(","), "nofail", "x-systemd.mount-timeout=%ds" % SECONDS]
    if volume.unlock == BY_HAND:
        options.append("noauto")
    else:
        options.append("x-systemd.device-timeout=%ds" % SECONDS)
    fields = (volume.mapped, volume.mount, volume.filesystem, ",".join(options), "0", "2")
    return Line(volume.mount, 1, " ".join(fields))


def has(text: str, line: Line) -> bool:
    """Whether the table has this line, and no other about the same."""
    found = [row for row in text.splitlines() if _about(row, line)]
    return [row.split() for row in found] == [line.text.split()]


def with_line(text: str, line: Line) -> str:
    """The table with this line, in the place of the first one about the same."""
    rows = text.splitlines()
    places = [number for number, row in enumerate(rows) if _about(row, line)]
    if not places:
        return "\n".join([*rows, line.text]) + "\n"
    rows[places[0]] = line.text
    return "\n".join(row for number, row in enumerate(rows) if number not in places[1:]) + "\n"


def _about(row: str, line: Line) -> bool:
    fields = row.split()
    return len(fields) > line.place and not fields[0].startswith("#") and fields[line.place] == line.key
