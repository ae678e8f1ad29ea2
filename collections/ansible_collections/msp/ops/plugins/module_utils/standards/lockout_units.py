# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The units of systemd by which a host runs the guard's script: by a timer, at a boot, and at once. Pure: only text.

The timer repeats. A run that is slow, or whose controller is gone, may change something after the first time; that is
brought back too. It ends after about an hour, counted in rounds and not by a clock that may be set.
"""

from __future__ import annotations

from collections.abc import Iterable

UNIT = "msp-lockout-guard"
TIMER, SERVICE = UNIT + ".timer", UNIT + ".service"
# A script that is started now, not by the timer; and the unit of the boot.
NOW_UNIT, BOOT_UNIT = UNIT + "-now", UNIT + "-boot.service"
SECONDS_BETWEEN_ROUNDS = 120
SECONDS_OF_ALL_ROUNDS = 3600

# The script's argument at a boot, where the timer is gone and must be started anew.
AT_BOOT = "boot"

_RUN = ("systemd-run", "--quiet", "--collect", "--no-ask-password", "--property=Type=oneshot")


def between(seconds: int) -> int:
    """Seconds from the end of a round to the next, for a guard that waits this long for its proof."""
    return min(seconds, SECONDS_BETWEEN_ROUNDS)


def rounds(seconds: int) -> int:
    """How many rounds there are at most."""
    return SECONDS_OF_ALL_ROUNDS // between(seconds)


def timer(script: str, name: str, seconds: int) -> list[str]:
    """systemd-run's arguments for the host's own timer. Its name is fixed, so a second one is refused.

    Each round is counted from the end of the one before. From its beginning, rounds that take long would follow each
    other without a pause, and nobody would come in between to be told.
    """
    return [
        *_RUN,
        "--unit=" + UNIT,
        "--description=Bring back %s, for nobody has proven a login" % name,
        "--on-active=%ds" % seconds,
        "--on-unit-inactive=%ds" % between(seconds),
        "--timer-property=AccuracySec=1s",
        "--",
        "/bin/sh",
        script,
    ]


def bring_back(script: str) -> list[str]:
    """systemd-run's arguments for the script now. It is systemd's child: it ends whatever becomes of this login."""
    return [
        *_RUN,
        "--wait",
        "--unit=" + NOW_UNIT,
        "--description=Bring back what was guarded",
        "--",
        "/bin/sh",
        script,
    ]


def boot_unit(script: str, after: Iterable[str]) -> str:
    """The unit of the boot that runs the script, after the units that it reloads."""
    return "\n".join(
        [
            "# Written by msp.ops.lockout_guard; gone when a login was proven, or a run was told.",
            "[Unit]",
            "Description=Bring back what was changed before a login was proven",
            "ConditionPathExists=%s" % script,
            *("After=%s" % name for name in after),
            "",
            "[Service]",
            "Type=oneshot",
            "ExecStart=/bin/sh %s %s" % (script, AT_BOOT),
            "",
        ]
    )
