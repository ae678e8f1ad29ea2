# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host updates by itself: nothing, downloads only, security updates, or everything. Pure; no program is run.

What counts is what would happen: a setting whose timer does not run, or whose program is not installed, does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

NONE, DOWNLOAD, SECURITY, ALL = POLICIES = ("none", "download", "security", "all")
# A timer that runs and will not after a restart, or the other way round: no policy is kept so.
UNCLEAR = "unclear"
# How a timer stands.
ON, OFF, HALF = ("on", "off", "half")
APT_TIMERS = DOWNLOAD_TIMER, UPGRADE_TIMER = ("apt-daily.timer", "apt-daily-upgrade.timer")
DNF_TIMERS = SETTINGS_TIMER, DNF_DOWNLOAD_TIMER, INSTALL_TIMER = (
    "dnf-automatic.timer",
    "dnf-automatic-download.timer",
    "dnf-automatic-install.timer",
)
UNATTENDED = "/usr/bin/unattended-upgrade"
_LISTS = ("unattended-upgrade::origins-pattern", "unattended-upgrade::allowed-origins")
Settings = Mapping[str, str]
Lists = Mapping[str, list]
_TRUE = ("yes", "true", "with", "on", "enable", "1")


class Found(NamedTuple):
    """policy is one of POLICIES, or UNCLEAR; reboot: whether it is set to restart by itself after updates."""

    policy: str
    reboot: bool

    def as_dict(self) -> dict[str, object]:
        return {"policy": self.policy, "reboot": self.reboot}


def of_apt(given: Settings, lists: Lists, timers: Mapping[str, str], *, installed: bool) -> Found:
    """given and lists: apt's settings with one value and with several, by name in lower case. timers: how each of
    APT_TIMERS stands. installed: whether the program that upgrades is there.
    """
    reboot = _is_on(given, "unattended-upgrade::automatic-reboot")
    if given.get("apt::periodic::enable", "1") in ("", "0"):
        return Found(NONE, reboot)
    origins = [value for name in _LISTS for value in lists.get(name, []) if value]
    if installed and origins and timers[UPGRADE_TIMER] != OFF and _happens(given, "apt::periodic::unattended-upgrade"):
        safe = all("security" in origin.lower() or "esm" in origin.lower() for origin in origins)
        return Found(_kept(SECURITY if safe else ALL, timers[UPGRADE_TIMER]), reboot)
    if timers[DOWNLOAD_TIMER] != OFF and _happens(given, "apt::periodic::download-upgradeable-packages"):
        return Found(_kept(DOWNLOAD, timers[DOWNLOAD_TIMER]), reboot)
    return Found(NONE, reboot)


def _kept(policy: str, timer: str) -> str:
    return policy if timer == ON else UNCLEAR


def _is_on(given: Settings, name: str) -> bool:
    return given.get(name, "").strip().lower() in _TRUE


def _happens(given: Settings, name: str) -> bool:
    """A number of days, a time as "12h", or "always"; 0 and nothing are never."""
    value = given.get(name, "").strip()
    return value == "always" or bool(re.fullmatch(r"0*[1-9][0-9]*[smhd]?", value))


def of_dnf(given: Settings, timers: Mapping[str, str]) -> Found:
    """given: the settings of /etc/dnf/automatic.conf. timers: how each of DNF_TIMERS stands."""
    reboot = given.get("reboot", "never") in ("when-changed", "when-needed")
    applying = [INSTALL_TIMER] + ([SETTINGS_TIMER] if given.get("apply_updates", "no").lower() in _TRUE else [])
    if found := [timers[name] for name in applying if timers[name] != OFF]:
        policy = SECURITY if given.get("upgrade_type", "default") == "security" else ALL
        return Found(_kept(policy, ON if ON in found else HALF), reboot)
    fetching = [DNF_DOWNLOAD_TIMER]
    fetching += [SETTINGS_TIMER] if given.get("download_updates", "yes").lower() in _TRUE else []
    if found := [timers[name] for name in fetching if timers[name] != OFF]:
        return Found(_kept(DOWNLOAD, ON if ON in found else HALF), reboot)
    return Found(NONE, reboot)


def insecure(given: Settings) -> list[str]:
    """apt's settings that let it take what nobody signed, from every repository."""
    return [name for name in INSECURE if _is_on(given, name.lower())]


def dnf_settings(text: str) -> dict[str, str]:
    """automatic.conf of dnf: the sections have no names in common."""
    rows = [line.partition("=") for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#;["]
    return {name.strip().lower(): value.strip() for name, _equals, value in rows}


INSECURE = (
    "APT::Get::AllowUnauthenticated",
    "Acquire::AllowInsecureRepositories",
    "Acquire::AllowWeakRepositories",
    "Acquire::AllowDowngradeToInsecureRepositories",
)
