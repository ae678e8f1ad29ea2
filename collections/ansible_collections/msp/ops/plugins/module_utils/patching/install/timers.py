# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Holds back what else would install packages during the work, and puts it back exactly as it was.

What is held is masked for this boot only (/run) and stopped: when the power goes, the next boot finds nothing of it.
How each was is on the disk before anything is changed, so that the hook of the unit, and any later look, can put it
back.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import TIMERS, Attempt
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.patching.install.units import parse_show

UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "unattended-upgrades.service",
    "dnf-automatic.timer",
    "dnf-automatic-install.timer",
    "dnf-automatic-download.timer",
    "dnf-makecache.timer",
    "packagekit.service",
)
_SECONDS_TO_STOP = 90
_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState")


def read(programs: Programs) -> dict[str, dict[str, str]]:
    """How each of them is that the host has: {"LoadState", "ActiveState", "UnitFileState"} by name."""
    answer = programs.run("systemctl", "show", *("--property=" + name for name in _PROPERTIES), *UNITS)
    if answer.status != 0:
        raise OSError("systemctl show %s" % answer.reason())
    rows = parse_show(answer.out)
    return {
        row["Id"]: {name: row.get(name, "") for name in _PROPERTIES[1:]}
        for row in rows
        if row.get("LoadState") not in ("not-found", "", None)
    }


def to_hold(found: dict[str, dict[str, str]]) -> list[str]:
    """Those that could run: what somebody has masked cannot."""
    return sorted(name for name, how in found.items() if how["LoadState"] != "masked")


def hold(programs: Programs, attempt: Attempt) -> tuple[list[str], list[str]]:
    """Hold them back; those that are held then, and a sentence for each that could not be.

    What was held by this attempt already stays as it was written down.
    """
    kept = attempt.read(TIMERS)
    if kept is None:
        found = read(programs)
        kept = {"units": found, "held": to_hold(found), "restored": False}
        attempt.write(TIMERS, kept)
    elif kept["restored"]:
        attempt.write(TIMERS, dict(kept, restored=False))
    said = {name: _hold(programs, name) for name in kept["held"]}
    now = read(programs) if said else {}
    loose = [name for name in said if name in now and not _is_held(now[name])]
    return [name for name in said if name not in loose], [_loose(name, now[name], said[name]) for name in loose]


def _hold(programs: Programs, name: str) -> str:
    """Mask and stop it; what systemd says against that."""
    masked = programs.run("systemctl", "mask", "--runtime", "--quiet", name)
    stopped = programs.run("systemctl", "stop", name, seconds=_SECONDS_TO_STOP)
    return "; ".join(one.reason() for one in (masked, stopped) if one.status != 0)


def _is_held(how: dict[str, str]) -> bool:
    return how["LoadState"] == "masked" and how["ActiveState"] in ("inactive", "failed")


def _loose(name: str, how: dict[str, str], said: str) -> str:
    found = "%s could not be held back: it is %s and %s" % (name, how["LoadState"], how["ActiveState"])
    return "%s (systemctl %s)" % (found, said) if said else found


def differences(before: dict[str, dict[str, str]], now: dict[str, dict[str, str]], held: list[str]) -> list[str]:
    """Which of those that were held are not as they were."""
    return [
        name
        for name in held
        if now.get(name, {}).get("UnitFileState") != before[name]["UnitFileState"]
        or _active(now.get(name)) != _active(before[name])
    ]


def restore(programs: Programs, attempt: Attempt) -> list[str]:
    """Put them back; returns those that are not as they were, which is none when all went well."""
    kept = attempt.read(TIMERS)
    if kept is None or kept["restored"]:
        return []
    before, held = kept["units"], kept["held"]
    for name in held:
        programs.run("systemctl", "unmask", "--runtime", "--quiet", name)
    for name in differences(before, read(programs), held):
        verb = "start" if _active(before[name]) else "stop"
        programs.run("systemctl", verb, name, seconds=_SECONDS_TO_STOP)
    left = differences(before, read(programs), held)
    attempt.write(TIMERS, dict(kept, restored=not left))
    return left


def _active(how: dict[str, str] | None) -> bool:
    return how is not None and how["ActiveState"] in ("active", "activating", "reloading")
