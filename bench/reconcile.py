"""Reconciliation of 10,000 assets of 20 customers, 3 % of them changed, against one netbox.netbox task for each object.

Ours runs as its users run it: the module in a playbook, whole process, every source's sightings in the evidence store.
Theirs is measured on a few hundred objects of the same NetBox, for which nothing changes, and extrapolated.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.desk.reconcile import FIELDS
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Coverage, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import assets_of, customers
from bench import harness
from lab import lab, seed
from lab.api import EMPTY, NetBox

NAME = "bench-reconcile"
SEEDED = "seeded"
ASSETS, CUSTOMERS = 10_000, 20
# 3 % of them, sixty of each kind; a contradiction is about two assets.
NEW, MOVED, OTHER_SYSTEM, GONE, CONFLICTS = 60, 60, 60, 60, 30
MEASURED = int(os.environ.get("MSP_BENCH_TASKS", "200"))
TIME, REQUESTS = 1 / 200, 40
LOOKS = 3
HOUR = dt.timedelta(hours=1)

# A bench does not wait the week after which what people switch off is missing.
RECONCILE = {"msp.ops.reconcile": {"patience": dict.fromkeys(names.ASSET_CLASSES, 0)}}
OURS = [{"hosts": "localhost", "gather_facts": False, "tasks": [RECONCILE]}]


@dataclass(frozen=True)
class Place:
    """The directory of one bench run."""

    path: Path
    env: Mapping[str, str]

    def play(self, name: str, play: Any) -> tuple[harness.Process, dict[str, Any]]:
        """One playbook, and the result of its first task."""
        book = self.path / f"{name}.json"
        book.write_text(json.dumps(play))
        book.chmod(0o600)
        process = harness.measure(["ansible-playbook", "-i", "localhost,", str(book)], env=self.env, cwd=self.path)
        plays = json.loads(process.output[process.output.index("{\n") :])["plays"]
        return process, dict(plays[0]["tasks"][0]["hosts"]["localhost"])


def run() -> harness.Outcome:
    netbox = _netbox()
    with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory:
        place = _place(netbox, Path(directory))
        with Register.connect(netbox.url, netbox.token) as register:
            wanted = {one.id: one.slug for one in customers(register)}
            assets = assets_of(register, wanted, everybody=True, fields=FIELDS)
        with Store.open(place.env["MSP_STORE_URL"], upgrade=True) as store:
            world = World(store, assets)
            world.usual()
        still = place.play("ours", OURS)
        with Store.open(place.env["MSP_STORE_URL"]) as store:
            dataclasses.replace(world, store=store).changed()
        changed = place.play("ours", OURS)
        again = place.play("ours", OURS)
        theirs = place.play("theirs", _theirs(netbox, [one for own in assets.values() for one in own][:MEASURED]))[0]
    return _outcome(still, changed, again, theirs)


def _netbox() -> NetBox:
    """The lab of this bench: the assets, kept as a snapshot for the next run."""
    netbox = NetBox(lab.up(NAME, hosts=False))
    if f"snapshot_{SEEDED}" in netbox.lab.cluster.databases():
        netbox.reset(SEEDED)
        return netbox
    if f"snapshot_{EMPTY}" in netbox.lab.cluster.databases():
        netbox.reset()
    else:
        netbox.snapshot(EMPTY)
    print(f"seeding {ASSETS} assets", flush=True)
    seed.devices(netbox.lab, count=ASSETS, customers=CUSTOMERS, contexts=0)
    netbox.snapshot(SEEDED)
    return netbox


def _place(netbox: NetBox, directory: Path) -> Place:
    config = directory / "ansible.cfg"
    config.write_text(
        f"[defaults]\ncollections_path = {harness.ROOT / 'collections'}\nlocalhost_warning = false\n"
        "stdout_callback = ansible.posix.json\n[inventory]\nunparsed_warning = false\n"
    )
    env = {
        **netbox.env(),
        "ANSIBLE_CONFIG": str(config),
        "MSP_STORE_URL": f"sqlite:///{directory / 'evidence.db'}",
        "MSP_DURABLE_PATHS": str(directory),
        "XDG_STATE_HOME": str(directory / "state"),
    }
    os.environ["MSP_DURABLE_PATHS"] = str(directory)
    return Place(directory, env)


@dataclass(frozen=True)
class World:
    """What is seen of the assets: a scan, a DHCP server and a directory, and 3 % of it otherwise than before."""

    store: Store
    assets: Mapping[str, Sequence[Asset]]
    began: dt.datetime = dt.datetime.now(dt.UTC).replace(microsecond=0) - 12 * HOUR

    def usual(self) -> None:
        """Everything is seen where it is."""
        for slug, own in self.assets.items():
            self.store.record_observations(one for asset in own for one in _seen(asset, self.began))
            self._look(slug, self.began)

    def changed(self) -> None:
        """In further looks some are new, some moved, some run another system, some are gone, some contradict."""
        for number, (slug, own) in enumerate(self.assets.items()):
            absent, otherwise, told = self._otherwise(number, slug, own)
            for look in range(1, LOOKS + 1):
                when = self.began + HOUR * look
                there = [one for one in own if one.key not in absent | otherwise]
                self.store.record_observations(one for asset in there for one in _seen(asset, when))
                if look == LOOKS:
                    self.store.record_observations(told)
                self._look(slug, when)

    def _otherwise(self, number: int, slug: str, own: Sequence[Asset]) -> tuple[set[str], set[str], list[Observation]]:
        """Of one customer: who is gone, who is seen at another address only, and what is seen of the changed ones."""
        new, moved, system, gone, conflicts = (
            n // len(self.assets) + (number < n % len(self.assets)) for n in (NEW, MOVED, OTHER_SYSTEM, GONE, CONFLICTS)
        )
        at = self.began + HOUR * LOOKS
        parts = iter([one for one in own if one.status in ("contracted", "tracked")])
        absent = {next(parts).key for _ in range(gone)}
        movers = [next(parts) for _ in range(moved)]
        told = [
            one
            for place, asset in enumerate(movers, start=1)
            for one in _seen(dataclasses.replace(asset, address=f"10.200.{number}.{place}"), at)
        ]
        told += [_with_system(next(parts), at) for _ in range(system)]
        told += [_contradiction(next(parts), next(parts), at) for _ in range(conflicts)]
        told += [_unknown(slug, number, place, at) for place in range(new)]
        return absent, {one.key for one in movers}, told

    def _look(self, slug: str, at: dt.datetime) -> None:
        scopes = {"nmap": ("10.0.0.0/8",), "dhcp": (), "directory": ()}
        self.store.record_coverages(Coverage(slug, source, at, True, scope) for source, scope in scopes.items())


def _seen(asset: Asset, at: dt.datetime) -> Iterable[Observation]:
    address, mac = [asset.address or ""], list(asset.macs)
    yield Observation(asset.customer, "nmap", at, {"macs": mac, "addresses": address})
    yield Observation(asset.customer, "dhcp", at, {"macs": mac, "addresses": address, "names": [asset.name]})
    yield Observation(asset.customer, "directory", at, {"names": [asset.name], "serial": asset.serial})


def _with_system(asset: Asset, at: dt.datetime) -> Observation:
    attributes = {"os": "Windows 11", "os_version": "10.0.26100"}
    return Observation(
        asset.customer, "mdm", at, {"serial": asset.serial, "names": [asset.name]}, attributes=attributes
    )


def _contradiction(one: Asset, other: Asset, at: dt.datetime) -> Observation:
    return Observation(one.customer, "mdm", at, {"serial": one.serial, "asset_tag": other.asset_tag})


def _unknown(slug: str, customer: int, number: int, at: dt.datetime) -> Observation:
    identity = {
        "macs": [f"b8:27:eb:00:{customer:02x}:{number:02x}"],
        "addresses": [f"10.201.{customer}.{number + 1}"],
        "names": [f"till-{customer:02}-{number:02}"],
    }
    return Observation(slug, "dhcp", at, identity, attributes={"os": "Android", "vendor": "Example"})


def _theirs(netbox: NetBox, assets: Sequence[Asset]) -> Any:
    """One task for each object, with the values that NetBox has: nothing is to be changed."""
    rows = {row["id"]: row for row in _devices(netbox, [one.id for one in assets])}
    tasks = [
        {
            "netbox.netbox.netbox_device": {
                "netbox_url": netbox.url,
                "netbox_token": netbox.token,
                "data": {
                    "name": rows[one.id]["name"],
                    "serial": rows[one.id]["serial"],
                    "site": rows[one.id]["site"]["slug"],
                    "tenant": rows[one.id]["tenant"]["slug"],
                    "device_type": rows[one.id]["device_type"]["slug"],
                    "device_role": rows[one.id]["role"]["slug"],
                },
                "state": "present",
            }
        }
        for one in assets
    ]
    # In this process's own Python, which has pynetbox.
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return [{"hosts": "localhost", "gather_facts": False, "vars": here, "tasks": tasks}]


def _devices(netbox: NetBox, ids: Sequence[int]) -> list[dict[str, Any]]:
    with Register.connect(netbox.url, netbox.token) as register:
        fields = ("name", "serial", "site", "tenant", "device_type", "role")
        return register.rows("dcim/devices", fields=fields, filters={"id": list(ids)})


Played = tuple[harness.Process, dict[str, Any]]


def _outcome(still: Played, changed: Played, again: Played, theirs: harness.Process) -> harness.Outcome:
    outcome = harness.Outcome("reconcile")
    for title, (process, result) in (
        ("nothing changed", still),
        ("3 % changed", changed),
        ("the run after", again),
    ):
        found = result["customers"].values()
        kinds = {k: sum(one["counts"][k] for one in found) for k in next(iter(found))["counts"]}
        outcome.figures += [
            harness.Figure(f"{title}: time", process.seconds, "s", ", ".join(f"{n} {k}" for k, n in kinds.items())),
            harness.Figure(f"{title}: CPU", process.cpu_seconds, "s", "of the process, without NetBox"),
            harness.Figure(f"{title}: memory", process.peak_mb, "MB", "peak"),
            harness.Figure(f"{title}: requests", result["requests"], "requests"),
            harness.Figure(f"{title}: writes", result["netbox_writes"], "requests", "of them"),
        ]
    each = theirs.seconds / MEASURED
    whole = each * ASSETS
    outcome.figures += [
        harness.Figure("netbox_device: an object", each, "s", f"{MEASURED} tasks in {theirs.seconds:.0f} s"),
        harness.Figure("netbox_device: all of them", whole, "s", "extrapolated"),
    ]
    outcome.targets = [
        harness.Target("3 % changed, of the time with one task an object", changed[0].seconds / whole, TIME),
        harness.Target("requests with nothing changed", still[1]["requests"], REQUESTS),
        harness.Target("writes with nothing changed", still[1]["netbox_writes"], 0),
        harness.Target("writes in the run after", again[1]["netbox_writes"], 0),
    ]
    steps = sum(one["applied"] for one in changed[1]["customers"].values())
    outcome.notes = [
        f"{ASSETS} assets of {CUSTOMERS} customers; {NEW} new, {MOVED} at another address, {OTHER_SYSTEM} with another"
        f" system, {GONE} gone, {CONFLICTS} contradictions about two each: {steps} steps carried out",
        f"netbox.netbox.netbox_device: {MEASURED} tasks measured with nothing to change, extrapolated to {ASSETS};"
        " interfaces, hardware addresses, addresses and journal would be tasks of their own and are not counted",
        "both as whole ansible-playbook processes on the same NetBox and machine; NetBox's search index, a background"
        " job for each object that is written, has the lowest priority there",
    ]
    return outcome
