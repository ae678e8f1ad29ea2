"""The inventory of 10,000 devices with config contexts: msp.ops.netbox, cold and warm, against nb_inventory.

All run through `ansible-inventory --list` to a file, in turns, on one NetBox. A static inventory of our own output
shows what Ansible needs for the same hosts and variables from no source at all; a bare read shows NetBox's part.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.register import snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from bench import harness
from lab import lab, seed

DEVICES = 10_000
ROUNDS = int(os.environ.get("MSP_BENCH_ROUNDS", "3"))
COLD, WARM, MEMORY = 0.3, 0.15, 0.4

# As its users set it up for the same purpose: the rendered contexts, and the same groups: by customer, platform, role,
# site and tag with group_by, by contract status and asset class with keyed_groups, the only way it has for them. What
# it would read besides and we do not (interfaces, services, racks) is off. Also measured without keyed_groups, as
# somebody has it who knows no contract status: a lighter job than ours.
THEIRS = """\
plugin: netbox.netbox.nb_inventory
config_context: true
interfaces: false
services: false
racks: false
plurals: false
group_by: [tenant, platform, role, site, tag]
"""
THEIR_KEYED_GROUPS = """\
keyed_groups:
  - {prefix: status, key: custom_fields.msp_contract_status.value}
  - {prefix: class, key: custom_fields.msp_asset_class.value}
"""
OURS = "plugin: msp.ops.netbox\n"
OURS_CACHED = "plugin: msp.ops.netbox\ncache: true\n"
OURS_WHOLE = "plugin: msp.ops.netbox\nconfig_context: true\n"


@dataclass(frozen=True)
class Place:
    """The directory of one bench run: inventory sources, cache, outputs."""

    path: Path
    env: Mapping[str, str]

    def source(self, name: str, text: str) -> Path:
        file = self.path / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def list(self, source: Path) -> harness.Process:
        output = self.path / f"{source.stem}.out.json"
        return harness.measure(
            ["ansible-inventory", "-i", str(source), "--list", "--output", str(output)], env=self.env, cwd=self.path
        )

    def groups(self, source: Path) -> int:
        """How many groups the listing has that hold hosts themselves."""
        listed = json.loads((self.path / f"{source.stem}.out.json").read_text())
        return sum(bool(group.get("hosts")) for name, group in listed.items() if name not in ("_meta", "all"))

    def hosts(self, source: Path) -> int:
        return len(json.loads((self.path / f"{source.stem}.out.json").read_text())["_meta"]["hostvars"])


def run() -> harness.Outcome:
    bench = _netbox()
    with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory:
        place = Place(Path(directory), _environment(bench, Path(directory)))
        lighter = place.source("lighter.yml", _theirs(bench.token))
        theirs = place.source("theirs.yml", _theirs(bench.token) + THEIR_KEYED_GROUPS)
        cold, warm = place.source("cold.yml", OURS_CACHED), place.source("warm.yml", OURS_CACHED)
        whole = place.source("whole.yml", OURS_WHOLE)
        runs: dict[str, list[harness.Process]] = {}

        def measured(name: str, source: Path, before: Callable[[], Any] = lambda: None) -> None:
            before()
            runs.setdefault(name, []).append(place.list(source))

        place.list(cold)
        static = place.source("static.json", json.dumps(_static(place.path / "cold.out.json")))
        for _ in range(ROUNDS):
            measured("nb_inventory", theirs)
            measured("lighter", lighter)
            measured("cold", cold, lambda: shutil.rmtree(place.path / "cache"))
            measured("warm", warm)
            measured("static", static)
            measured("whole", whole)
        outcome = _outcome(runs, _bare_read(bench))
        outcome.notes += [
            f"hosts: ours {place.hosts(warm)}, nb_inventory {place.hosts(theirs)}; {ROUNDS} rounds in turns, medians",
            f"MB written by --list: ours {_size(place, warm)}, with the whole config context {_size(place, whole)},"
            f" nb_inventory {_size(place, theirs)}",
            f"groups: ours {place.groups(warm)}, nb_inventory {place.groups(theirs)}, without keyed_groups"
            f" {place.groups(lighter)}; nb_inventory has config_context on; interfaces, services and racks off",
        ]
    return outcome


def _netbox() -> lab.Lab:
    """The lab of this bench, seeded once and used again."""
    bench = lab.up("bench", hosts=False)
    with Register.connect(bench.url, bench.token) as register:
        count = register.count("dcim/devices")
    if count == 0:
        print(f"seeding {DEVICES} devices", flush=True)
        seed.devices(bench, count=DEVICES)
    return bench


def _environment(bench: lab.Lab, directory: Path) -> dict[str, str]:
    """Only what all of them need: no group_vars, no cache of anybody but ours, plugins by their full names."""
    config = directory / "ansible.cfg"
    config.write_text(
        f"[defaults]\ncollections_path = {harness.ROOT / 'collections'}\nlocalhost_warning = false\n"
        "[inventory]\nenable_plugins = msp.ops.netbox, netbox.netbox.nb_inventory, ansible.builtin.yaml\n"
        "any_unparsed_is_failed = true\nunparsed_warning = false\n"
    )
    return {
        **bench.env(),
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_INVENTORY_CACHE_CONNECTION": str(directory / "cache"),
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
    }


def _theirs(token: str) -> str:
    """nb_inventory sends a plain token as NetBox's old kind, so the new kind has to be spelt out."""
    kind = "Bearer" if token.startswith("nbt_") else "Token"
    return THEIRS + json.dumps({"token": {"type": kind, "value": token}})[1:-1] + "\n"


def _static(listing: Path) -> dict[str, Any]:
    """The same hosts, groups and variables as a static inventory."""
    listed = json.loads(listing.read_text())
    hostvars = listed.pop("_meta")["hostvars"]
    listed.pop("all", None)
    groups = {name: {"hosts": dict.fromkeys(group.get("hosts", ()))} for name, group in listed.items()}
    return {"all": {"hosts": hostvars, "children": groups}}


def _bare_read(bench: lab.Lab) -> float:
    """What the cold read costs without Ansible: NetBox's answers and our decoding of them."""
    began = time.monotonic()
    with Register.connect(bench.url, bench.token) as register:
        tenants = tuple(customer.id for customer in customers(register))
        snapshot.read(register, snapshot.Selection(tenants, {}))
    return time.monotonic() - began


def _size(place: Place, source: Path) -> int:
    return round((place.path / f"{source.stem}.out.json").stat().st_size / 1e6)


def _outcome(runs: Mapping[str, list[harness.Process]], bare: float) -> harness.Outcome:
    def median(name: str, what: str) -> float:
        return float(statistics.median(getattr(process, what) for process in runs[name]))

    outcome = harness.Outcome("inventory")
    labels = {
        "nb_inventory": "netbox.netbox.nb_inventory",
        "lighter": "netbox.netbox.nb_inventory, without groups by contract status and class",
        "cold": "msp.ops.netbox, cold",
        "warm": "msp.ops.netbox, warm",
        "whole": "msp.ops.netbox, no cache, config_context: true",
        "static": "Ansible alone (our hosts as a static inventory)",
    }
    for name, label in labels.items():
        every = ", ".join(f"{process.seconds:.1f}" for process in runs[name])
        outcome.figures += [
            harness.Figure(f"{label}: time", median(name, "seconds"), "s", f"each: {every}"),
            harness.Figure(f"{label}: CPU", median(name, "cpu_seconds"), "s", "of the process, without NetBox"),
            harness.Figure(f"{label}: memory", median(name, "peak_mb"), "MB", "peak"),
        ]
    outcome.figures.append(harness.Figure("reading NetBox alone, cold", bare, "s", "no Ansible"))
    theirs, lighter = median("nb_inventory", "seconds"), median("lighter", "seconds")
    outcome.figures += [
        harness.Figure(
            f"{name}, of nb_inventory's time without those groups", median(name, "seconds") / lighter, "", ""
        )
        for name in ("cold", "warm")
    ]
    outcome.targets = [
        harness.Target("cold, of nb_inventory's time", median("cold", "seconds") / theirs, COLD),
        harness.Target("warm, of nb_inventory's time", median("warm", "seconds") / theirs, WARM),
        harness.Target(
            "memory, of nb_inventory's", median("cold", "peak_mb") / median("nb_inventory", "peak_mb"), MEMORY
        ),
    ]
    return outcome
