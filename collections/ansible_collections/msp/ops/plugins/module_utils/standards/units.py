# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How systemd's units stand, and what systemd's own settings are with all that is dropped in. Starts nothing."""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.standards.reader import (
    Absent,
    Reader,
    Unmeasurable,
    joined,
    layered,
)

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState")
# The strongest first.
_PLACES = ("/etc", "/run", "/usr/local/lib", "/usr/lib")


def parse_show(text: str, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """`systemctl show -p ... NAME...`: a paragraph a unit, in the order of the names.

    By order and not by their own names: an alias answers with the name that it stands for.
    """
    paragraphs = [one for one in text.strip().split("\n\n") if one.strip()]
    if len(paragraphs) != len(names):
        raise Unmeasurable("systemctl told of %d units when asked for %d" % (len(paragraphs), len(names)))
    rows = [dict(line.partition("=")[::2] for line in one.splitlines()) for one in paragraphs]
    return {name: rows[number] for number, name in enumerate(names)}


def prepare(reader: Reader, names: tuple[str, ...]) -> None:
    if reader.host.exists("/run/systemd/system"):
        reader.host.prepare(*_command(names))


def _command(names: tuple[str, ...]) -> tuple[str, ...]:
    return ("systemctl", "show", "--no-pager", "--property=" + ",".join(_PROPERTIES), "--", *names)


def unit(reader: Reader, name: str, names: tuple[str, ...] = ()) -> dict:
    """names are all units that are asked for in this round trip: systemctl is started once for them."""
    if not reader.host.exists("/run/systemd/system"):
        raise Absent("systemd does not run on this host")
    row = reader.once(_units, names if name in names else (name,))[name]
    return {
        "exists": row["LoadState"] != "not-found",
        "load": row["LoadState"],
        "active": row["ActiveState"],
        "enabled": row["UnitFileState"],
        "sub": row["SubState"],
    }


def _units(reader: Reader, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    found = parse_show(reader.answer(*_command(names)).out, names)
    for name, row in found.items():
        missing = [one for one in _PROPERTIES if one not in row]
        if missing:
            raise Unmeasurable("systemctl does not tell %s of %s" % (", ".join(missing), name))
    return found


def parse_settings(text: str) -> list[tuple[str, str, str]]:
    """One file as (section, name, value), in its order; # and ; begin comments."""
    found, section = [], ""
    for line in joined(text):
        bare = line.strip()
        if bare.startswith("[") and bare.endswith("]"):
            section = bare[1:-1]
        elif bare and not bare.startswith(("#", ";")) and "=" in bare:
            name, _equals, value = bare.partition("=")
            found.append((section, name.strip(), value.strip()))
    return found


def setting_files(reader: Reader, file: str) -> list[str]:
    """The one main file that counts, and every file dropped in beside it, in the order in which systemd reads them."""
    host = reader.host
    mains = ["%s/%s" % (place, file) for place in _PLACES if host.exists("%s/%s" % (place, file))]
    return mains[:1] + layered(host, ["%s/%s.d" % (place, file) for place in _PLACES], ".conf")


def setting(reader: Reader, file: str, section: str, name: str) -> dict:
    """value is the last one that is given, values all since an empty one: servers add up, a number does not."""
    if not reader.host.exists("/usr/lib/systemd") and not reader.host.exists("/lib/systemd"):
        raise Absent("systemd is not on this host")
    values: list[str] = []
    for found_section, found_name, value in reader.once(rows, file):
        if (found_section, found_name) == (section, name):
            values = [*values, value] if value else []
    return {"value": values[-1] if values else None, "values": values, "set": bool(values)}


def rows(reader: Reader, file: str) -> list[tuple[str, str, str]]:
    """Every setting that is given, as section, name and value."""
    return [row for place in setting_files(reader, file) for row in parse_settings(reader.host.text(place))]
