"""Five real hosts with Debian's pending security updates, as often as wanted in the very same state; and their NetBox.

What they fetch lies on each of them already: a mirror's speed is nobody's merit. Each turn starts them anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from bench._fleet import Fleet, Kind, lab_of
from lab import podman
from lab.machines import NEWCOMERS

NAME = "bench-patch"
CUSTOMER = "bench-office"
MACHINES = [machine for machine in NEWCOMERS if machine.name.startswith("harbour-pc")]
OFFICE = Kind(CUSTOMER, "office", "workstation", MACHINES)
CHECKS = {"before": [], "after": [{"unit": "ssh.service"}, {"baseline": ["units", "ports"]}]}
PLAN: dict[str, Any] = {
    "name": "office",
    "timezone": "Europe/Amsterdam",
    "automatic": True,
    "classes": {name: {"deadline": "14d", "windows": ["always"]} for name in ("emergency", "security", "routine")},
    "windows": {"always": {"rule": "FREQ=DAILY", "start": "00:00", "duration": "24h", "cutoff": "1m"}},
    "rings": [{"name": "all", "tag": "msp-ring-all", "percent": 100, "soak": "0m", "successes": len(MACHINES)}],
    "rates": {"at_once": len(MACHINES), "most_failures": 0, "most_lost": 0},
    "checks": CHECKS,
    "reboot": "never",
    "rollback": "none",
}
# The archives whose updates are security updates; the release itself, which the image was made of, has none.
SOURCES = (0, 2)
LISTS, FETCHED = "/var/lib/apt/lists", "/var/cache/apt/archives"
FETCH = "apt-get -qq update && apt-get -qqy --download-only dist-upgrade && rm -f /var/cache/apt/archives/lock"
INSTALLED = ("dpkg-query", "--show", "--showformat=${Package}:${Architecture} ${Version} ${db:Status-Status}\n")


class Office(Fleet):
    """The hosts, which have at the start of each turn what Debian has for them."""

    def next_turn(self) -> list[dict[str, Any]]:
        rows = super().next_turn()
        with ThreadPoolExecutor(len(rows)) as pool:
            list(pool.map(self._as_at_the_start, rows))
        return rows

    def fetch(self, row: Mapping[str, Any]) -> None:
        """What one host fetches is what all of them get."""
        container = str(row["container"])
        lines = podman.run("exec", container, "cat", "/etc/apt/sources.list").splitlines()
        (self.place / "sources.list").write_text("".join(f"{lines[number]}\n" for number in SOURCES))
        podman.run("cp", str(self.place / "sources.list"), f"{container}:/etc/apt/sources.list")
        podman.run("exec", container, "sh", "-c", FETCH)
        for name, source in (("lists", LISTS), ("archives", FETCHED)):
            podman.run("cp", f"{container}:{source}", str(self.place / name))

    def _as_at_the_start(self, row: Mapping[str, Any]) -> None:
        container = str(row["container"])
        for name, target in (("lists", LISTS), ("archives", FETCHED)):
            podman.run("cp", f"{self.place / name}/.", f"{container}:{target}")
        podman.run("cp", str(self.place / "sources.list"), f"{container}:/etc/apt/sources.list")

    def installed(self) -> dict[str, list[str]]:
        """Every package of every host, with its version and state."""
        return {one.name: podman.run("exec", self.ground.container(one), *INSTALLED).splitlines() for one in MACHINES}


@contextmanager
def office(place: Path) -> Iterator[Office]:
    """Everything but the first turn; removed again afterwards, but for NetBox, which the next run goes on with."""
    with lab_of(NAME, MACHINES, place) as (netbox, ground):
        made = Office(OFFICE, netbox, place, ground)
        rows = made.start()
        made.fetch(rows[0])
        made.onboard(rows, {names.PROFILE_PATCH_PLAN: {names.CONTEXT_PATCH_PLAN: PLAN}})
        yield made
