# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What audits found installed, against software sets and ends of life."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards.software_set import parse
from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning, software
from ansible_collections.msp.ops.plugins.plugin_utils.standards.end_of_life import EndOfLife, Product, Release
from ansible_collections.msp.ops.plugins.plugin_utils.standards.software import Finding, SoftwareSet

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
TODAY = NOW.date()
ENDED = dt.date(2025, 4, 23)
NGINX = Product("nginx", "nginx", frozenset(), (Release("1.26", ENDED, True, None, "1.26.3"),))
ENDS = EndOfLife(NOW, MappingProxyType({"nginx": NGINX}), MappingProxyType({}))
WANTED = SoftwareSet(
    required=(parse("chrony"), parse("restic >=0.17")),
    forbidden=(parse("telnet"), parse("openssl <3.0.15")),
    allowed=(parse("agent"),),
    origins=("Debian/*", "nginx/*"),
)


def facts(*packages: tuple[str, str, str | None], pending: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "os": {"id": "debian", "version": "12.7", "support_end": "2028-06-30"},
        "packages": [
            {"name": name, "version": version, "architecture": "amd64", "origin": origin}
            for name, version, origin in packages
        ],
        "updates": {"known": pending is not None, "pending": pending or []},
    }


def judged(found: dict[str, Any], wanted: SoftwareSet = WANTED, ends: EndOfLife | None = ENDS) -> software.Findings:
    return software.judge(software.on_asset("device:1", "srv01", NOW, found, wanted), ends, TODAY)


HERE = facts(
    ("restic", "0.14.0-1", "Debian/bookworm"),
    ("telnet", "0.17-1", "Debian/bookworm"),
    ("openssl", "3.0.17-1~deb12u1", "Debian/bookworm"),
    ("nginx", "1.26.1-1~bookworm", "nginx/bookworm"),
    ("agent", "3.0", None),
    ("oddity", "1.0", None),
    pending=[{"name": "openssl", "from": "3.0.17-1~deb12u1", "to": "3.0.17-1~deb12u3", "origin": "Debian-Security/x"}],
)


def test_everything_that_is_not_as_the_set_has_it_is_said_with_the_worst_first() -> None:
    assert judged(HERE).found == (
        Finding("device:1", "forbidden", "telnet", "0.17-1", "not telnet"),
        Finding("device:1", "end of life", "nginx", "1.26.1-1~bookworm", "nginx 1.26", ENDED),
        Finding("device:1", "missing", "chrony", "", "chrony"),
        Finding("device:1", "outdated", "openssl", "3.0.17-1~deb12u1", "3.0.17-1~deb12u3"),
        Finding("device:1", "outdated", "restic", "0.14.0-1", "restic >=0.17"),
        Finding("device:1", "unknown", "oddity", "1.0"),
    )


def test_what_the_distribution_ships_is_looked_after_by_the_distribution() -> None:
    found = judged(facts(("nginx", "1.26.1-1", "Debian/bookworm"), pending=[]), SoftwareSet())

    assert found.found == ()


def test_an_older_version_of_the_distributions_is_the_distributions_too() -> None:
    update = {"name": "nginx", "from": "1.26.1-1", "to": "1.26.1-2", "origin": "Debian-Security/bookworm-security"}

    found = judged(facts(("nginx", "1.26.1-1", None), pending=[update]), SoftwareSet())

    assert [one.kind for one in found.found] == ["outdated"]


def test_without_a_software_set_and_a_file_only_what_waits_is_said() -> None:
    found = judged(HERE, SoftwareSet(), None)

    assert [one.kind for one in found.found] == ["outdated"] and found.not_told == ()


def test_what_the_audit_could_not_tell_is_said_and_judged_neither_way() -> None:
    found = judged(facts(("nginx", "1.26.1-1", None), ("chrony", "4", None), ("restic", "1", None)))

    assert found.found == ()
    assert found.not_told == ("outdated", "unknown", "end of life")


@pytest.mark.parametrize(
    ("system", "manager"), [("debian", "dpkg"), ("ubuntu", "dpkg"), ("rocky", "rpm"), ("rhel", "rpm")]
)
def test_versions_are_compared_as_on_the_system(system: str, manager: str) -> None:
    made = facts(("x", "1-1", "Rocky"), pending=[])
    made["os"]["id"] = system

    one = software.on_asset("device:1", "srv01", NOW, made)

    assert (one.manager, one.platform) == (manager, "debian-12" if system == "debian" else f"{system}-12.7")


def test_a_software_set_is_what_the_standards_controls_say() -> None:
    chosen = {"software-required": {"packages": ["chrony"]}, "software-forbidden": {"packages": ["telnet"]}}
    assigned = assigning.assign({"name": "linux-workstation", "parameters": chosen}, None, today=TODAY)

    found = software.software_set_of(assigned)

    held = {one.control.id for one in assigned.controls}
    assert (found.required, found.forbidden) == ((parse("chrony"),), (parse("telnet"),))
    assert (found.allowed is None) is ("software-allowed" not in held)


def test_the_same_on_many_assets_is_said_once_with_all_of_them() -> None:
    made = [
        software.judge(software.on_asset(f"device:{number}", "x", NOW, HERE, WANTED), ENDS, TODAY) for number in (2, 1)
    ]

    rows = software.together(made)

    assert [(row.kind, row.package, row.assets) for row in rows][:1] == [
        ("forbidden", "telnet", ("device:1", "device:2"))
    ]
    assert len(rows) == 6
    assert software.counts(made) == {"forbidden": 2, "end of life": 2, "missing": 2, "outdated": 4, "unknown": 2}
