"""Two real servers of the lab, a release of Debian each, as often as wanted as they were at first; and their NetBox.

Each turn starts them anew, with an evidence store of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from bench import _patched_office
from bench._fleet import Fleet, Kind, lab_of
from lab import image, podman
from lab.machines import NEWCOMERS

NAME = "bench-standards"
CUSTOMER = "bench-wharf"
MACHINES = [machine for machine in NEWCOMERS if machine.name.startswith("harbour-app")]
REQUIRED, FORBIDDEN = ["less"], ["telnetd", "lab-game"]
WHARF = Kind(CUSTOMER, "quay", "server", MACHINES)
# All hosts in one ring and at once, as a plain play takes them.
PLAN: dict[str, Any] = {
    **_patched_office.PLAN,
    "rings": [{**_patched_office.PLAN["rings"][0], "successes": len(MACHINES)}],
    "rates": {**_patched_office.PLAN["rates"], "at_once": len(MACHINES)},
}


def standard() -> dict[str, Any]:
    """What the hosts are held to: the shipped standard, with the lab's own mirrors and the account that logs in."""
    mirrors = image.mirrors()
    sources = [f"{address}/*" for address in ((mirrors.debian, mirrors.security) if mirrors else ())]
    return {
        "name": "linux-server",
        "parameters": {
            # The kernel of a container passes on what its host does.
            "firewall-active": {"forward": "drop"},
            "sudo-who": {"allowed": ["root", "%sudo", image.USER]},
            "sudo-nopasswd": {"allowed": [f"{image.USER}: ALL"]},
            "repositories-allowed": {"allowed": sources},
            "repositories-signed": {"distribution": sources},
            "software-required": {"packages": REQUIRED},
            "software-forbidden": {"packages": FORBIDDEN},
        },
    }


class Wharf(Fleet):
    """The hosts, and what became of their controls."""

    def states(self) -> dict[str, list[str]]:
        """By control what it is on each host, by the last measurement of this turn."""
        found: dict[str, list[str]] = {}
        with Store.open(self.environment()["MSP_STORE_URL"]) as store:
            for one in store.control_states(CUSTOMER):
                found.setdefault(one.control, []).append(one.status)
        return found

    def for_a_plain_play(self) -> Path:
        """An inventory with all that a plain play has to know."""
        sources = {
            one.name: {"sources": podman.run("exec", self.ground.container(one), "cat", "/etc/apt/sources.list")}
            for one in MACHINES
        }
        return self.static_inventory(sources, required=REQUIRED, forbidden=FORBIDDEN, login=image.USER)


@contextmanager
def wharf(place: Path) -> Iterator[Wharf]:
    """Everything but the first turn; removed again afterwards, but for NetBox, which the next run goes on with."""
    with lab_of(NAME, MACHINES, place) as (netbox, ground):
        made = Wharf(WHARF, netbox, place, ground)
        plan, held = {names.CONTEXT_PATCH_PLAN: PLAN}, {names.CONTEXT_STANDARD: standard()}
        made.onboard(made.start(), {names.PROFILE_PATCH_PLAN: plan, names.PROFILE_STANDARD: held})
        yield made
