# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer with three hosts, a made plan and a store that is real; ticks as playbooks/patch.yml makes them."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import rollouts
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Round, Setting, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assignment, assign
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult, Judged, Scan, Update
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data

SLUG = "bakkerij-jansen"
NOW = dt.datetime.now(dt.UTC)
MEMBERS = tuple(
    Member(f"device:{number}", f"pc0{number}", frozenset({"msp-ring-pilot"} if number == 1 else ()))
    for number in (1, 2, 3)
)
HOSTS = {member.key: f"{member.name}.{SLUG}" for member in MEMBERS}
ONE, TWO, THREE = HOSTS.values()
ALWAYS = {"rule": "FREQ=DAILY", "start": "00:00", "duration": "24h", "cutoff": "1m"}
CONTENT = data(
    **{
        "automatic": True,
        "windows.night": ALWAYS,
        "rates": {"at_once": 2, "most_failures": 0, "most_lost": 0},
        "rings.0.soak": "0m",
        "rings.1.successes": 2,
        "rollback": "none",
    }
)
SETTING = Setting(SLUG, HOSTS, 600, by="timer")
Answers = Mapping[str, Mapping[str, Any] | None]


class Desk:
    """A store with what waits, and the plan that NetBox has; ticks as playbooks/patch.yml makes them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.content: dict[str, Any] | None = CONTENT
        self.members: tuple[Member, ...] = MEMBERS
        self.setting = SETTING
        self.down = False

    @contextlib.contextmanager
    def netbox(self) -> Iterator[Any]:
        """NetBox, which is only asked for plans, and for those by plans_of_slug()."""
        if self.down:
            raise MspError("MSP-REG-001", "NetBox to answer", "nothing", "start it")
        yield None

    def plans(self, *_arguments: object) -> Assignment:
        return assign((member, {"msp_patch_plan": self.content} if self.content else {}) for member in self.members)

    def waits(self, name: str = "openssl", version: str = "2", patch_class: str = "security") -> None:
        update = Update(name, "amd64", "1", version, "Lab/main", True)
        found = Judged(update, patch_class, "high", "vendor", "")
        self.store.record_scans(
            Scan(SLUG, asset, host, self.store.now(), "ok", "debian-12", "apt", (found,), NOW)
            for asset, host in HOSTS.items()
        )

    def scanned(self, asset: str, *updates: Judged, **more: Any) -> None:
        """One host's own scan, as of now."""
        values = {"platform": "debian-12", "manager": "apt", "updates": updates, "metadata_at": NOW, **more}
        at = values.pop("at", None) or self.store.now()
        self.store.record_scans([Scan(SLUG, asset, HOSTS[asset], at, "ok", **values)])

    def round(self, tick: Tick | None = None, answers: Answers | None = None, *, last: bool = False) -> Round:
        setting = replace(self.setting, last=last)
        return rollouts.round_of(self.store, self.netbox, setting, tick, answers or {})

    def tick(self, answer: Callable[[str, str], Mapping[str, Any] | None]) -> Round:
        """All rounds of a run. answer gets a host and an operation."""
        found = self.round()
        for last in (False, True):
            if found.tick.work:
                answers = {work.host: answer(work.host, work.operation) for work in found.tick.work}
                # What is handed on goes through Ansible, as plain values.
                found = self.round(Tick.of(found.tick.as_dict()), answers, last=last)
        return found

    def to_the_gate(self) -> Round:
        """The canary's batch, which goes well, and the question of its gate, which nobody has answered yet."""
        begun = self.round()
        answers = {work.host: well(work.host, work.operation) for work in begun.tick.work}
        return self.round(Tick.of(begun.tick.as_dict()), answers)

    def to_the_end(self) -> int:
        """Ticks in which all goes well, until the newest rollout is complete; how many it took."""
        for number in range(1, 12):
            self.tick(well)
            if self.rollout().over:
                assert self.rollout().side is None
                return number
        raise AssertionError(self.rollout())

    def rollout(self, number: int = 0) -> Rollout:
        stored = self.store.rollouts(SLUG)[number]
        return fold(stored.id, events.of(stored))

    def dies(self) -> None:
        """The run that has the lease is gone, and its lease ran out."""
        self.store.database.write(lambda connection: connection.exec_driver_sql("UPDATE leases SET expires = 0"))

    def leased(self) -> bool:
        try:
            leases.release(self.store, leases.take(self.store, rollouts.lease_name(SLUG), "somebody else"))
        except MspError:
            return True
        return False


def well(host: str, operation: str) -> Mapping[str, Any]:
    """A host on which everything goes well."""
    if operation == "check":
        return {"state": "finished", "healthy": True, "why": ""}
    asset = next(key for key, name in HOSTS.items() if name == host)
    now = dt.datetime.now(dt.UTC)
    result = HostResult(host, asset, "patched", now, {"openssl:amd64": "1"}, {"openssl:amd64": "2"}, healthy=True)
    return {"state": "finished", "result": installing.plain(result)}


def asked(action: str, reason: str = "so", **more: str) -> dict[str, str]:
    """What a person asks, as msp.ops.rollout has it."""
    return {"customer": SLUG, "action": action, "rollout": "", "by": "anna", "reason": reason, "manifest": "", **more}


def update(
    name: str, version: str = "2", patch_class: str = "security", origin: str = "Lab/main", **more: Any
) -> Judged:
    """Something that waits on a host."""
    found = Update(name, "amd64", "1", version, origin, patch_class != "routine", **more)
    return Judged(found, patch_class, "high", "vendor", "")


def two_classes(desk: Desk) -> None:
    """An emergency and a routine update for each host, and as many hosts at once as there are."""
    desk.content = data(
        **{
            **{"automatic": True, "windows.night": ALWAYS, "classes.routine.deferral": "0d"},
            **{"rings.0.soak": "0m", "rings.0.emergency_soak": "0m"},
            "rates": {"at_once": 9, "most_failures": 3, "most_lost": 3},
        }
    )
    del desk.content["classes"]["routine"]["batch"], desk.content["batches"]
    urgent = Judged(Update("openssl", "amd64", "1", "2", None, True), "emergency", "critical", "vendor", "")
    common = Judged(Update("tzdata", "all", "1", "2", None, False), "routine", "low", "vendor", "")
    desk.store.record_scans(
        Scan(SLUG, asset, host, desk.store.now(), "ok", "debian-12", "apt", (urgent, common), NOW)
        for asset, host in HOSTS.items()
    )
