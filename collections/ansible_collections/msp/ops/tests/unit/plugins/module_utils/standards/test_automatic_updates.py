# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host updates by itself, by what would happen."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import automatic_updates
from ansible_collections.msp.ops.plugins.module_utils.standards.automatic_updates import (
    APT_TIMERS,
    DNF_TIMERS,
    HALF,
    OFF,
    ON,
)

# As Debian's package unattended-upgrades has it.
ORIGINS = [
    "origin=Debian,codename=${distro_codename},label=Debian",
    "origin=Debian,codename=${distro_codename},label=Debian-Security",
]
SECURITY = [
    "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
    "${distro_id}ESM:${distro_codename}",
]
UPGRADES = {"apt::periodic::unattended-upgrade": "1", "apt::periodic::download-upgradeable-packages": "1"}


def apt(given: dict[str, str], origins: list[str], *timers: str, installed: bool = True) -> str:
    stand = dict(zip(APT_TIMERS, timers or (ON, ON), strict=True))
    lists = {"unattended-upgrade::origins-pattern": origins}
    return automatic_updates.of_apt(given, lists, stand, installed=installed).policy


@pytest.mark.parametrize(
    ("given", "origins", "policy"),
    [
        ({}, SECURITY, "none"),
        ({**UPGRADES, "apt::periodic::enable": "0"}, SECURITY, "none"),
        ({**UPGRADES, "apt::periodic::unattended-upgrade": "0"}, SECURITY, "download"),
        ({"apt::periodic::download-upgradeable-packages": "0"}, SECURITY, "none"),
        (UPGRADES, SECURITY, "security"),
        (UPGRADES, ORIGINS, "all"),
        (UPGRADES, ["origin=*"], "all"),
        (UPGRADES, [], "download"),
        ({"apt::periodic::unattended-upgrade": "always"}, SECURITY, "security"),
        ({"apt::periodic::unattended-upgrade": "12h"}, SECURITY, "security"),
        ({"apt::periodic::unattended-upgrade": "00"}, SECURITY, "none"),
    ],
)
def test_what_apt_would_do_by_itself(given: dict[str, str], origins: list[str], policy: str) -> None:
    assert apt(given, origins) == policy


@pytest.mark.parametrize(
    ("timers", "policy"),
    [
        ((ON, OFF), "download"),
        ((OFF, ON), "security"),
        ((OFF, OFF), "none"),
        ((ON, HALF), "unclear"),
        ((HALF, OFF), "unclear"),
    ],
)
def test_a_setting_whose_timer_does_not_run_does_nothing_and_one_that_half_runs_is_no_policy(
    timers: tuple[str, str], policy: str
) -> None:
    assert apt(UPGRADES, SECURITY, *timers) == policy


def test_without_its_program_nothing_is_upgraded() -> None:
    assert apt(UPGRADES, SECURITY, installed=False) == "download"


@pytest.mark.parametrize(("value", "reboot"), [("true", True), ("1", True), ("false", False), ("", False)])
def test_whether_it_restarts_by_itself_is_told_whatever_the_policy(value: str, reboot: bool) -> None:
    given = {"unattended-upgrade::automatic-reboot": value}
    timers = dict.fromkeys(APT_TIMERS, ON)

    for settings in (given, {**given, **UPGRADES}):
        lists = {"unattended-upgrade::origins-pattern": SECURITY}
        assert automatic_updates.of_apt(settings, lists, timers, installed=True).reboot is reboot


CONF = """\
[commands]
#  What kind of upgrade to perform:
upgrade_type = %s
random_sleep = 0
download_updates = %s
apply_updates = %s
reboot = when-needed

[emitters]
emit_via = stdio
"""


@pytest.mark.parametrize(
    ("conf", "timers", "policy"),
    [
        (CONF % ("security", "yes", "yes"), (ON, OFF, OFF), "security"),
        (CONF % ("default", "yes", "yes"), (ON, OFF, OFF), "all"),
        (CONF % ("default", "yes", "no"), (ON, OFF, OFF), "download"),
        (CONF % ("default", "no", "no"), (ON, OFF, OFF), "none"),
        (CONF % ("security", "no", "no"), (OFF, OFF, ON), "security"),
        (CONF % ("default", "no", "no"), (OFF, ON, OFF), "download"),
        (CONF % ("security", "yes", "yes"), (OFF, OFF, OFF), "none"),
        (CONF % ("security", "yes", "yes"), (HALF, OFF, OFF), "unclear"),
        ("", (OFF, OFF, OFF), "none"),
    ],
)
def test_what_dnf_would_do_by_itself(conf: str, timers: tuple[str, ...], policy: str) -> None:
    given = automatic_updates.dnf_settings(conf)

    found = automatic_updates.of_dnf(given, dict(zip(DNF_TIMERS, timers, strict=True)))

    assert found == (policy, bool(conf))


def test_settings_that_let_unsigned_packages_in_are_named() -> None:
    given = {"apt::get::allowunauthenticated": "true", "acquire::allowinsecurerepositories": "0"}

    assert automatic_updates.insecure(given) == ["APT::Get::AllowUnauthenticated"]
