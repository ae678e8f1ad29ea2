"""The inventory on a real NetBox: contexts as NetBox renders them, warm equals cold whatever happened, errors fail.

The random parts are seeded: a failure names the seed and the step, and comes again.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import random
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.hosts import Wishes, build, context_of
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register import names, snapshot, source
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection
from lab import netbox as lab_netbox
from lab import seed
from lab.api import NetBox, Refused

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parent.parent
SEEDED, BARE = "inventory-seeded", "inventory-without-contexts"
ENDPOINTS = {"device": "dcim/devices", "virtual-machine": "virtualization/virtual-machines"}


@pytest.fixture(scope="module")
def world(fresh_netbox: NetBox) -> NetBox:
    """Four customers with 32 devices and 12 virtual machines in nested regions, roles and so on, and 25 contexts."""
    seed.devices(fresh_netbox.lab, count=32, customers=4, contexts=25, machines=12)
    fresh_netbox.snapshot(SEEDED)
    return fresh_netbox


@pytest.fixture
def seeded(world: NetBox) -> NetBox:
    """The same, put back before this test."""
    world.reset(SEEDED)
    return world


@pytest.fixture(scope="module")
def bare(world: NetBox) -> str:
    """The name of a snapshot: the same without config contexts."""
    world.reset(SEEDED)
    contexts = world.all("extras/config-contexts/?fields=id")
    world.call("DELETE", "extras/config-contexts/", [{"id": row["id"]} for row in contexts])
    world.snapshot(BARE)
    return BARE


@pytest.fixture
def without_contexts(world: NetBox, bare: str) -> NetBox:
    world.reset(bare)
    return world


@pytest.fixture
def register(world: NetBox) -> Iterator[Register]:
    with Register.connect(world.url, world.token) as opened:
        yield opened


def selection(served: Sequence[Customer]) -> Selection:
    return Selection(tuple(customer.id for customer in served), {}, slices=1)


def hosts_of(served: Sequence[Customer], found: Snapshot) -> dict[str, Any]:
    """Everything a host gets, ready to compare."""
    built = build(found, served, dt.datetime.now(dt.UTC), Wishes(config_context=True))
    return {host.name: (sorted(host.groups), host.variables) for host in built.hosts}


# What the inventory reads: its assets and what decides about them, and what config contexts look at.
ASSETS = ["dcim.device", "virtualization.virtualmachine"]
READ = [*ASSETS, "tenancy.tenant", "extras.configcontext", "core.objectchange"]
TREES = ["dcim.region", "dcim.sitegroup", "dcim.site", "dcim.location", "dcim.devicerole", "dcim.platform"]
OTHERS = ["tenancy.tenantgroup", "virtualization.cluster", "extras.tag", "extras.customfield"]


@dataclass
class Cached:
    """The inventory with a cache, as the plugin loads it."""

    register: Register
    directory: Path

    def load(self, served: Sequence[Customer] = ()) -> source.Loaded:
        return source.load(
            self.register,
            selection(served or customers(self.register)),
            directory=self.directory,
            prefix="",
            max_age=3600,
            use_kept=True,
        )

    def hosts(self) -> dict[str, Any]:
        served = customers(self.register)
        return hosts_of(served, self.load(served).snapshot)

    def warm_and_cold(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """How it was loaded, what that gives, and what reading everything gives."""
        served = customers(self.register)
        loaded = self.load(served)
        cold = snapshot.read(self.register, selection(served)).snapshot
        return loaded.how, hosts_of(served, loaded.snapshot), hosts_of(served, cold)


@pytest.fixture(scope="module")
def kept(world: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache after the first load. What every test is put back to has not changed since."""
    world.reset(SEEDED)
    directory = tmp_path_factory.mktemp("inventory") / "cache"
    with Register.connect(world.url, world.token) as register:
        assert "read everything" in Cached(register, directory).load().how
    return directory


@pytest.fixture
def cached(kept: Path, seeded: NetBox, register: Register, tmp_path: Path) -> Cached:
    """The inventory with a cache of this test's own, in which everything is."""
    shutil.copytree(kept, tmp_path / "cache")
    return Cached(register, tmp_path / "cache")


# -- config contexts --------------------------------------------------------------------------------------------------

DIMENSIONS = {
    "regions": "dcim/regions",
    "site_groups": "dcim/site-groups",
    "sites": "dcim/sites",
    "locations": "dcim/locations",
    "device_types": "dcim/device-types",
    "roles": "dcim/device-roles",
    "platforms": "dcim/platforms",
    "cluster_types": "virtualization/cluster-types",
    "cluster_groups": "virtualization/cluster-groups",
    "clusters": "virtualization/clusters",
    "tenant_groups": "tenancy/tenant-groups",
    "tenants": "tenancy/tenants",
    "tags": "extras/tags",
}


def random_value(dice: random.Random, depth: int = 0) -> Any:
    choices: list[Callable[[], Any]] = [
        lambda: None,
        lambda: dice.random() < 0.5,
        lambda: dice.randint(-5, 5),
        lambda: dice.choice(["", "text", "é{{ x }}", "null"]),
        lambda: [random_value(dice, depth + 1) for _ in range(dice.randint(0, 2))],
        lambda: {},
    ]
    if depth < 3:
        choices += [lambda: random_data(dice, depth + 1)] * 4
    return dice.choice(choices)()


def random_data(dice: random.Random, depth: int = 0) -> dict[str, Any]:
    """Few keys, so that contexts meet in them: objects over scalars, scalars over objects, empty over full."""
    keys = dice.sample(["a", "b", "c", names.CONTEXT_STANDARD], dice.randint(1, 3))
    return {key: random_value(dice, depth) for key in keys}


Pools = Callable[[str], list[dict[str, Any]]]


def random_context(pools: Pools, dice: random.Random, number: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": f"random {number}",
        "weight": dice.choice([100, 100, 200, 1000]),
        "is_active": dice.random() < 0.9,
        "data": random_data(dice),
    }
    for dimension in dice.sample(sorted(DIMENSIONS), dice.choice([0, 1, 1, 1, 2])):
        pool = pools(f"{DIMENSIONS[dimension]}/")
        chosen = dice.sample(pool, min(len(pool), dice.randint(1, 3)))
        body[dimension] = [item["slug" if dimension == "tags" else "id"] for item in chosen]
    return body


def rendered_by_netbox(netbox: NetBox) -> dict[str, Any]:
    return {
        f"{kind}:{row['id']}": row["config_context"]
        for kind, endpoint in ENDPOINTS.items()
        for row in netbox.all(f"{endpoint}/?fields=id,config_context")
    }


@pytest.mark.parametrize("number", range(3))
def test_shared_contexts_are_what_netbox_renders_for_each_machine(
    without_contexts: NetBox, register: Register, number: int
) -> None:
    netbox, dice = without_contexts, random.Random(number)  # noqa: S311 (test data)
    pools = functools.cache(netbox.all)
    netbox.create("extras/config-contexts/", [random_context(pools, dice, n) for n in range(dice.randint(5, 30))])
    for endpoint in ENDPOINTS.values():
        some = dice.sample(netbox.all(f"{endpoint}/?fields=id"), 12)
        netbox.change(f"{endpoint}/", [{"id": row["id"], "local_context_data": random_data(dice)} for row in some])

    found = snapshot.read(register, selection(customers(register))).snapshot

    ours = {key: context_of(found, machine) for key, machine in found.machines.items()}
    assert ours == rendered_by_netbox(netbox)
    assert len(found.contexts.by_key) < len(found.machines)


def test_machines_that_look_alike_to_every_context_are_rendered_once(
    without_contexts: NetBox, register: Register
) -> None:
    europe = without_contexts.all("dcim/regions/?slug=europe")[0]
    context = {"name": "all of it", "data": {"a": 1}, "regions": [europe["id"]]}
    without_contexts.create("extras/config-contexts/", context)

    found = snapshot.read(register, selection(customers(register))).snapshot

    assert len(found.contexts.by_key) <= 4
    assert found.contexts.own == {}


# -- the cache --------------------------------------------------------------------------------------------------------


class Writes:
    """Random writes of every kind that may matter to the inventory. What NetBox refuses is no write."""

    def __init__(self, netbox: NetBox, dice: random.Random, number: int = 0) -> None:
        self.netbox = netbox
        self.dice = dice
        self.number = number

    def one(self, write: str = "") -> str:
        write = write or self.dice.choice(KINDS_OF_WRITE)
        self.number += 1
        try:
            getattr(self, write)()
        except Refused as error:
            if error.status not in (400, 409):
                raise
            return f"{write} (refused)"
        return write

    def choose(self, pool: list[Any]) -> Any:
        if not pool:
            raise Refused(409, "nothing is left to choose from")
        return self.dice.choice(pool)

    def pick(self, endpoint: str) -> dict[str, Any]:
        return dict(self.choose(self.netbox.all(f"{endpoint}/?fields=id,name,slug,site,tenant,data")))

    def kind(self) -> str:
        return self.dice.choice(list(ENDPOINTS.values()))

    def change(self, endpoint: str, **values: Any) -> None:
        self.netbox.change(f"{endpoint}/{self.pick(endpoint)['id']}/", values)

    def maybe(self, endpoint: str) -> int | None:
        return None if self.dice.random() < 0.2 else int(self.pick(endpoint)["id"])

    def write_name(self) -> None:
        self.change(self.kind(), name=self.dice.choice([f"renamed-{self.number}", "Same Name", "same name"]))

    def write_no_name(self) -> None:
        self.change("dcim/devices", name=None)

    def write_serial_and_status(self) -> None:
        status = self.dice.choice(names.CONTRACT_STATUSES)
        self.change(self.kind(), serial=f"S{self.number}", custom_fields={names.CONTRACT_STATUS: status})

    def write_many(self) -> None:
        endpoint = self.kind()
        rows = self.dice.sample(self.netbox.all(f"{endpoint}/?fields=id"), 8)
        status = self.dice.choice(names.CONTRACT_STATUSES)
        self.netbox.change(
            f"{endpoint}/", [{"id": row["id"], "custom_fields": {names.CONTRACT_STATUS: status}} for row in rows]
        )

    def write_role_and_platform(self) -> None:
        self.change(self.kind(), role=self.pick("dcim/device-roles")["id"], platform=self.maybe("dcim/platforms"))

    def write_site(self) -> None:
        self.change("dcim/devices", site=self.pick("dcim/sites")["id"], location=None)

    def write_tenant(self) -> None:
        self.change(self.kind(), tenant=self.maybe("tenancy/tenants"))

    def write_tags_of_machine(self) -> None:
        tags = self.dice.sample(self.netbox.all("extras/tags/"), self.dice.randint(0, 3))
        self.change(self.kind(), tags=[{"id": tag["id"]} for tag in tags])

    def write_local_context(self) -> None:
        self.change(self.kind(), local_context_data=self.dice.choice([None, random_data(self.dice)]))

    def write_delete_machine(self) -> None:
        endpoint = self.kind()
        self.netbox.call("DELETE", f"{endpoint}/{self.pick(endpoint)['id']}/")

    def write_new_device(self) -> None:
        like = self.pick("dcim/devices")
        body = {
            "name": f"new-{self.number}",
            "site": like["site"]["id"],
            "tenant": like["tenant"]["id"] if like["tenant"] else None,
            "role": self.pick("dcim/device-roles")["id"],
            "device_type": self.netbox.all("dcim/device-types/?fields=id")[0]["id"],
        }
        self.netbox.create("dcim/devices/", body)

    def write_address(self) -> None:
        self.change("ipam/ip-addresses", address=f"198.51.100.{self.number % 250 + 1}/24")

    def write_delete_address(self) -> None:
        self.netbox.call("DELETE", f"ipam/ip-addresses/{self.pick('ipam/ip-addresses')['id']}/")

    def write_interface_gone(self) -> None:
        self.netbox.call("DELETE", f"dcim/interfaces/{self.pick('dcim/interfaces')['id']}/")

    def used(self, name: str) -> int:
        """The id of a site, role and so on that some device has."""
        devices = self.netbox.all(f"dcim/devices/?fields=id,{name}")
        found = [device[name] for device in devices if device[name]]
        chosen = self.choose(found)
        return int((self.dice.choice(chosen) if isinstance(chosen, list) else chosen)["id"])

    def write_site_slug(self) -> None:
        self.netbox.change(f"dcim/sites/{self.used('site')}/", {"slug": f"slug-{self.number}"})

    def write_role_slug(self) -> None:
        self.netbox.change(f"dcim/device-roles/{self.used('role')}/", {"slug": f"slug-{self.number}"})

    def write_platform_slug(self) -> None:
        self.netbox.change(f"dcim/platforms/{self.used('platform')}/", {"slug": f"slug-{self.number}"})

    def write_tag_slug(self) -> None:
        self.netbox.change(f"extras/tags/{self.used('tags')}/", {"slug": f"slug-{self.number}"})

    def write_tenant_slug(self) -> None:
        self.netbox.change(f"tenancy/tenants/{self.used('tenant')}/", {"slug": f"slug-{self.number}"})

    def write_delete_tag(self) -> None:
        self.netbox.call("DELETE", f"extras/tags/{self.used('tags')}/")

    def write_delete_platform(self) -> None:
        self.netbox.call("DELETE", f"dcim/platforms/{self.used('platform')}/")

    def write_parent(self) -> None:
        endpoint = self.dice.choice(
            [
                *("dcim/regions", "dcim/site-groups", "dcim/locations", "dcim/device-roles", "dcim/platforms"),
                "tenancy/tenant-groups",
            ]
        )
        self.change(endpoint, parent=self.maybe(endpoint))

    def write_site_place(self) -> None:
        self.change("dcim/sites", region=self.maybe("dcim/regions"), group=self.maybe("dcim/site-groups"))

    def write_location_moves(self) -> None:
        self.change("dcim/locations", site=self.pick("dcim/sites")["id"], parent=None)

    def write_rack_moves(self) -> None:
        device = self.pick("dcim/devices")
        rack = self.netbox.create("dcim/racks/", {"name": f"rack {self.number}", "site": device["site"]["id"]})
        self.netbox.change(f"dcim/devices/{device['id']}/", {"location": None, "rack": rack["id"]})
        self.netbox.change(f"dcim/racks/{rack['id']}/", {"site": self.pick("dcim/sites")["id"]})

    def write_cluster_moves(self) -> None:
        self.change("virtualization/clusters", scope_type="dcim.site", scope_id=self.pick("dcim/sites")["id"])

    def write_cluster(self) -> None:
        self.change("virtualization/clusters", group=self.maybe("virtualization/cluster-groups"))

    def write_tenant_facts(self) -> None:
        end = self.dice.choice([None, "2020-01-01", "2099-12-31"])
        self.change(
            "tenancy/tenants",
            group=self.maybe("tenancy/tenant-groups"),
            name=f"Tenant {self.number}",
            custom_fields={names.CONTRACT_END: end},
        )

    def write_new_context(self) -> None:
        self.netbox.create("extras/config-contexts/", random_context(self.netbox.all, self.dice, self.number))

    def write_context(self) -> None:
        context = self.pick("extras/config-contexts")
        body = random_context(self.netbox.all, self.dice, self.number)
        self.netbox.change(f"extras/config-contexts/{context['id']}/", body)

    def write_delete_context(self) -> None:
        self.netbox.call("DELETE", f"extras/config-contexts/{self.pick('extras/config-contexts')['id']}/")

    def write_harmless(self) -> None:
        device = self.pick("dcim/devices")
        entry = {"assigned_object_type": "dcim.device", "assigned_object_id": device["id"], "comments": "seen"}
        self.netbox.create("extras/journal-entries/", entry)

    def write_custom_field(self) -> None:
        body = {"name": f"other_{self.number}", "type": "text", "object_types": ["dcim.device"], "default": "x"}
        self.netbox.create("extras/custom-fields/", body)


KINDS_OF_WRITE = sorted(name for name in vars(Writes) if name.startswith("write_"))


@pytest.fixture(scope="module")
def lived_in(world: NetBox, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cached]:
    """The inventory with a cache, on a NetBox in which the writes of all tests so far stay."""
    directory = tmp_path_factory.mktemp("lived-in") / "cache"
    shutil.copytree(kept, directory)
    world.reset(SEEDED)
    with Register.connect(world.url, world.token) as register:
        yield Cached(register, directory)


@pytest.mark.parametrize("write", KINDS_OF_WRITE)
def test_after_each_kind_of_write_a_warm_read_gives_what_a_cold_one_gives(
    world: NetBox, lived_in: Cached, write: str
) -> None:
    writes = Writes(world, random.Random(write), 10 * KINDS_OF_WRITE.index(write))  # noqa: S311 (test data)
    done = [writes.one(write) for _ in range(2)]
    while all("refused" in what for what in done) and len(done) < 8:
        done.append(writes.one(write))
    assert any("refused" not in what for what in done), done

    how, warm, cold = lived_in.warm_and_cold()

    assert warm == cold, how


def test_after_any_writes_a_warm_read_gives_what_a_cold_one_gives(seeded: NetBox, cached: Cached) -> None:
    dice = random.Random(1000)  # noqa: S311 (test data)
    writes = Writes(seeded, dice)
    every_how = []
    for step in range(6):
        done = [writes.one() for _ in range(dice.randint(1, 3))]

        how, warm, cold = cached.warm_and_cold()

        every_how.append(how)
        assert warm == cold, (step, done, how)
    assert every_how.count("read what changed") >= len(every_how) / 2, every_how


def test_a_second_run_without_changes_reads_little_and_writes_nothing(seeded: NetBox, cached: Cached) -> None:
    file = next(cached.directory.iterdir())
    before, logged = file.stat(), seeded.changes()

    how = cached.load().how

    assert how == "read what changed"
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert seeded.changes() == logged


def test_the_cache_is_for_its_owner_only_and_holds_no_token(seeded: NetBox, cached: Cached) -> None:
    file = next(cached.directory.iterdir())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(cached.directory.stat().st_mode) == 0o700
    assert seeded.token not in file.read_text()
    assert seeded.token.rpartition(".")[2] not in file.read_text()


def test_what_one_token_may_see_is_not_served_to_another_that_shares_the_cache(seeded: NetBox, cached: Cached) -> None:
    one_device = {"id__in": [seeded.all("dcim/devices/")[0]["id"]]}
    around = [kind for kind in (*READ, *TREES, *OTHERS) if kind not in ASSETS]
    token = seeded.token_for(
        [
            {"object_types": around, "actions": ["view"]},
            {"object_types": ASSETS, "actions": ["view"], "constraints": one_device},
        ]
    )

    with Register.connect(seeded.url, token) as narrow:
        other = Cached(narrow, cached.directory)

        assert "nothing kept" in other.load().how
        assert len(other.hosts()) < len(cached.hosts())


@pytest.mark.parametrize("spoil", [lambda file: file.write_text("{"), lambda file: file.chmod(0o644)])
def test_a_cache_that_others_could_have_written_or_that_is_damaged_is_not_used(
    cached: Cached, spoil: Callable[[Path], Any]
) -> None:
    spoil(next(cached.directory.iterdir()))

    assert "nothing kept" in cached.load().how
    assert cached.load().how == "read what changed"


def database_of(netbox: NetBox) -> psycopg.Connection[Any]:
    """NetBox's database itself, to do what NetBox's change log does not tell."""
    return psycopg.connect(netbox.lab.cluster.url(lab_netbox.DATABASE).replace("postgresql+psycopg:", "postgresql:"))


def test_a_change_that_commits_after_later_ones_is_not_missed(seeded: NetBox, cached: Cached) -> None:
    devices = seeded.all("dcim/devices/?fields=id,name")
    late, other = devices[0], devices[1]
    with database_of(seeded) as slow:
        # Begins first and commits last; like some of NetBox's own writes it does not touch last_updated.
        slow.execute("UPDATE dcim_device SET serial = 'LATE' WHERE id = %s", [late["id"]])
        slow.execute(
            "INSERT INTO core_objectchange (time, user_name, request_id, action, changed_object_id, object_repr,"
            " changed_object_type_id, message) SELECT now(), 'admin', gen_random_uuid(), 'update', %s, 'x', id, ''"
            " FROM django_content_type WHERE app_label = 'dcim' AND model = 'device'",
            [late["id"]],
        )
        seeded.change(f"dcim/devices/{other['id']}/", {"serial": "EARLY"})
        assert "EARLY" in json.dumps(cached.hosts())
        slow.commit()

    loaded = cached.load()

    assert loaded.how == "read what changed"
    assert "LATE" in json.dumps(hosts_of(customers(cached.register), loaded.snapshot))


def test_a_restored_netbox_is_read_anew(seeded: NetBox, cached: Cached) -> None:
    device = seeded.all("dcim/devices/?fields=id")[0]
    seeded.change(f"dcim/devices/{device['id']}/", {"serial": "BEFORE-RESTORE"})
    assert "BEFORE-RESTORE" in json.dumps(cached.hosts())
    cached.register.close()

    seeded.reset(SEEDED)

    loaded = cached.load()
    assert "restored" in loaded.how
    assert "BEFORE-RESTORE" not in json.dumps(hosts_of(customers(cached.register), loaded.snapshot))


def test_another_change_log_row_in_the_place_of_the_last_one_means_reading_anew(seeded: NetBox, cached: Cached) -> None:
    device = seeded.all("dcim/devices/?fields=id")[0]
    seeded.change(f"dcim/devices/{device['id']}/", {"serial": "BEFORE-RESTORE"})
    cached.load()
    cached.register.close()
    seeded.reset(SEEDED)
    seeded.change(f"dcim/devices/{device['id']}/", {"serial": "AFTER-RESTORE"})

    loaded = cached.load()

    assert "restored" in loaded.how
    assert "AFTER-RESTORE" in json.dumps(hosts_of(customers(cached.register), loaded.snapshot))


def test_a_change_made_past_the_change_log_is_found_by_its_time(seeded: NetBox, cached: Cached) -> None:
    with database_of(seeded) as database:
        database.execute("UPDATE dcim_device SET serial = 'SHELL', last_updated = now() WHERE id = 1")

    assert "SHELL" in json.dumps(cached.hosts())


def test_a_device_deleted_past_the_change_log_is_found_by_the_count(seeded: NetBox, cached: Cached) -> None:
    with database_of(seeded) as database:
        tenant = database.execute("UPDATE dcim_device SET tenant_id = NULL WHERE id = 2 RETURNING id").fetchone()
    assert tenant is not None

    loaded = cached.load()

    assert "NetBox counts" in loaded.how
    assert "device:2" not in loaded.snapshot.machines


# -- the plugin -------------------------------------------------------------------------------------------------------


def unwrapped(value: Any) -> Any:
    """A listing without the mark that Ansible puts on every string that is no template."""
    if isinstance(value, dict):
        if "__ansible_unsafe" in value:
            return value["__ansible_unsafe"]
        return {key: unwrapped(inner) for key, inner in value.items()}
    return [unwrapped(item) for item in value] if isinstance(value, list) else value


# ansible-inventory for one source after the other, each in a process of its own. Starting the program takes longer than
# what it does here, so all of them are of one that has started.
EACH = """
import json, os, sys
from ansible.cli.inventory import InventoryCLI

statuses = []
for source, environment in json.load(sys.stdin):
    if not os.fork():
        os.environ.update(environment)
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{source}.{name}", os.O_CREAT | os.O_WRONLY, 0o600), stream)
        InventoryCLI.cli_executor(["ansible-inventory", "-i", source, "--list"])
    statuses.append(os.waitstatus_to_exitcode(os.wait()[1]))
print(json.dumps(statuses))
"""
Done = subprocess.CompletedProcess[str]


@dataclass
class Ansible:
    """ansible-inventory on a source, as a person runs it."""

    netbox: NetBox
    directory: Path

    def run(self, options: Mapping[str, Any], *, env: Mapping[str, str] | None = None) -> Done:
        source = self.source("msp.yml", options)
        return self.process(["ansible-inventory", "-i", source, "--list"], env=env)

    def each(self, *cases: tuple[Mapping[str, Any], Mapping[str, str]]) -> list[Done]:
        """The same for some sources and what is different in the environment of each."""
        sources = [self.source(f"{number}.yml", options) for number, (options, _env) in enumerate(cases)]
        asked = [(source, env) for source, (_options, env) in zip(sources, cases, strict=True)]
        done = self.process([sys.executable, "-c", EACH], given=json.dumps(asked))
        assert done.returncode == 0, done.stderr
        return [
            Done(source, status, *(Path(f"{source}.{name}").read_text() for name in ("out", "err")))
            for source, status in zip(sources, json.loads(done.stdout), strict=True)
        ]

    def source(self, name: str, options: Mapping[str, Any]) -> str:
        path = self.directory / name
        path.write_text(json.dumps({"plugin": "msp.ops.netbox", **options}))
        return str(path)

    def process(self, command: list[str], *, given: str = "", env: Mapping[str, str] | None = None) -> Done:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={
                **os.environ,
                **self.netbox.env(),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_INVENTORY_CACHE_CONNECTION": str(self.directory / "cache"),
                **(env or {}),
            },
        )

    def list(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return listing(self.run(options))

    def fails(self, options: Mapping[str, Any], code: str, *, env: Mapping[str, str] | None = None) -> str:
        return self.failed(self.run(options, env=env), code)

    def failed(self, done: Done, code: str) -> str:
        """It ended in this error, listed nobody and told no secret; its message in one line."""
        assert done.returncode != 0
        assert "hostvars" not in done.stdout
        assert code in done.stderr
        assert self.netbox.token not in done.stderr
        return " ".join(done.stderr.split())


def listing(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(unwrapped(json.loads(done.stdout)))


@pytest.fixture
def ansible(world: NetBox, tmp_path: Path) -> Ansible:
    return Ansible(world, tmp_path)


def test_a_host_has_its_groups_connection_and_one_variable(seeded: NetBox, ansible: Ansible) -> None:
    device = seeded.all("dcim/devices/?tenant=customer-001&has_primary_ip=true")[0]
    ring = seeded.all("extras/tags/?slug=msp-ring-pilot")[0]
    seeded.change(
        f"dcim/devices/{device['id']}/",
        {
            "name": "Front Desk_1",
            "tags": [{"id": ring["id"]}],
            "custom_fields": {names.CONTRACT_STATUS: "contracted", names.ASSET_CLASS: "workstation", names.PORT: 2222},
        },
    )

    listed = ansible.list({"customers": ["customer-001"]})

    host = listed["_meta"]["hostvars"]["front-desk_1.customer-001"]
    assert host["ansible_host"] == device["primary_ip4"]["address"].partition("/")[0]
    assert host["ansible_port"] == 2222
    assert host["msp"]["customer"] == "customer-001"
    assert host["msp"]["status"] == "contracted"
    assert host["msp"]["asset"]["key"] == f"device:{device['id']}"
    assert host["msp"]["asset"]["name"] == "Front Desk_1"
    assert host["msp"]["contract"]["end"] == "2099-12-31"
    assert "monthly_fee" not in json.dumps(host)
    groups = {name for name, group in listed.items() if "front-desk_1.customer-001" in group.get("hosts", ())}
    assert groups == {
        "customer_customer_001",
        "status_contracted",
        "class_workstation",
        "ring_pilot",
        "tag_msp_ring_pilot",
        f"role_{device['role']['slug'].replace('-', '_')}",
        f"site_{device['site']['slug'].replace('-', '_')}",
        f"platform_{device['platform']['slug'].replace('-', '_')}",
    }
    others = [name for name in listed["_meta"]["hostvars"] if not name.endswith(".customer-001")]
    assert others == []


def test_a_contract_past_its_end_counts_as_ended_warm_and_cold(seeded: NetBox, ansible: Ansible) -> None:
    cold = {"customers": ["customer-002"]}
    warm = {**cold, "cache": True}
    ansible.list(warm)
    tenant = seeded.all("tenancy/tenants/?slug=customer-002")[0]
    seeded.change(f"tenancy/tenants/{tenant['id']}/", {"custom_fields": {names.CONTRACT_END: "2026-01-31"}})

    kept, read = map(listing, ansible.each((warm, {}), (cold, {})))

    assert {host["msp"]["status"] for host in kept["_meta"]["hostvars"].values()} == {"ended"}
    assert read["status_ended"] == kept["status_ended"]


def test_two_assets_of_one_name_are_two_hosts_and_a_warning(seeded: NetBox, ansible: Ansible) -> None:
    first, second = seeded.all("dcim/devices/?tenant=customer-001")[:2]
    machine = seeded.all("virtualization/virtual-machines/?tenant=customer-001")[0]
    seeded.change(f"dcim/devices/{first['id']}/", {"name": "Till 1"})
    seeded.change(f"dcim/devices/{second['id']}/", {"name": "till-1"})
    seeded.change(f"virtualization/virtual-machines/{machine['id']}/", {"name": "till 1"})

    done = ansible.run({"customers": ["customer-001"]})

    hosts = unwrapped(json.loads(done.stdout))["_meta"]["hostvars"]
    named = {name: host["msp"]["asset"]["key"] for name, host in hosts.items() if name.startswith("till-1")}
    by_id = sorted(
        [("device", first["id"]), ("device", second["id"]), ("virtual-machine", machine["id"])],
        key=lambda a: (a[1], a[0]),
    )
    plain, *others = by_id
    assert named == {
        "till-1.customer-001": f"{plain[0]}:{plain[1]}",
        **{f"till-1-{kind[0]}{id}.customer-001": f"{kind}:{id}" for kind, id in others},
    }
    assert "several assets are called till-1.customer-001" in " ".join(done.stderr.split())


def test_only_the_statuses_and_filters_asked_for_become_hosts(world: NetBox, ansible: Ansible) -> None:
    listed = ansible.list({"statuses": ["tracked", "excluded"], "filters": {"status": ["active", "planned"]}})

    found = {host["msp"]["asset"]["key"] for host in listed["_meta"]["hostvars"].values()}
    expected = {
        f"{kind}:{row['id']}"
        for kind, endpoint in ENDPOINTS.items()
        for row in world.all(f"{endpoint}/?status=active&status=planned")
        if row["custom_fields"][names.CONTRACT_STATUS]["value"] in ("tracked", "excluded")
    }
    assert found == expected
    assert found


def test_compose_and_keyed_groups_work_as_in_other_inventories(ansible: Ansible) -> None:
    listed = ansible.list(
        {
            "strict": True,
            "custom_fields": [names.OPERATING_SYSTEM],
            "config_context": True,
            "compose": {"msp_serial": "msp.asset.serial | lower"},
            "groups": {"virtual": "msp.asset.kind == 'virtual-machine'"},
            "keyed_groups": [{"key": "msp.language", "prefix": "speaks"}],
        }
    )

    hosts = listed["_meta"]["hostvars"]
    assert all(host["msp_serial"] == host["msp"]["asset"]["serial"].lower() for host in hosts.values())
    assert set(listed["virtual"]["hosts"]) == {
        n for n, h in hosts.items() if h["msp"]["asset"]["kind"] == "virtual-machine"
    }
    assert set(listed["speaks_nl"]["hosts"]) == {n for n, h in hosts.items() if h["msp"]["language"] == "nl"}
    assert all(names.OPERATING_SYSTEM in host["msp"]["custom_fields"] for host in hosts.values())
    assert all(host["config_context"].get("msp_standard") == host["msp"]["standard"] for host in hosts.values())


def test_netbox_down_is_an_error_even_with_a_cache(ansible: Ansible) -> None:
    ansible.list({"cache": True})
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"

        ansible.fails({"cache": True, "timeout": 2}, "MSP-REG-002", env={"NETBOX_API": address})


# By what is wrong: the options, the error, and what its message says too.
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown filter, which would be the whole table": ({"filters": {"rolle": "server"}}, "MSP-REG-006", ""),
    "an option that does not exist": ({"filter": {"role": "server"}}, "MSP-INV-001", "filters"),
    "a filter that would reach into other customers": ({"filters": {"tenant": "customer-002"}}, "MSP-INV-002", ""),
    "a custom field that no asset has, which would be empty on every host": (
        {"custom_fields": [names.OPERATING_SYSTEM, "nosuch", names.CONTRACT_ID]},
        "MSP-INV-004",
        "",
    ),
    "no slice": ({"slices": 0}, "MSP-INV-005", ""),
    "an unknown customer": ({"customers": ["nobody"]}, "MSP-REG-009", ""),
}


@pytest.fixture(scope="module")
def refused(world: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Done]:
    """What ansible-inventory says to each of them."""
    ansible = Ansible(world, tmp_path_factory.mktemp("wrong"))
    return dict(zip(WRONG, ansible.each(*((options, {}) for options, _code, _says in WRONG.values())), strict=True))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_source_with_something_wrong_in_it_is_an_error(
    refused: Mapping[str, Done], ansible: Ansible, wrong: str
) -> None:
    _options, code, says = WRONG[wrong]

    assert says in ansible.failed(refused[wrong], code)


def looked_up(name: str) -> str:
    return f"{{{{ lookup('ansible.builtin.env', '{name}') }}}}"


def test_address_and_token_may_be_templates_of_the_inventory_file(
    world: NetBox, ansible: Ansible, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(world.token)
    file.chmod(0o600)
    env = {"NETBOX_API": "", "NETBOX_TOKEN": "", "WHERE": world.url, "WHAT": world.token, "FILE": str(file)}
    address = {"netbox_api": looked_up("WHERE")}

    text, path, empty, unknown = ansible.each(
        ({**address, "token": looked_up("WHAT")}, env),
        ({**address, "token_file": looked_up("FILE")}, env),
        ({**address, "token": looked_up("NOTHING")}, {**env, "NETBOX_TOKEN": world.token}),
        ({**address, "token": "{{ nothing_like_it }}"}, env),
    )

    assert listing(text) == listing(path)
    ansible.failed(empty, "MSP-INV-006")
    ansible.failed(unknown, "MSP-INV-006")


def test_what_the_environment_says_and_what_chooses_hosts_is_no_template(ansible: Ansible, tmp_path: Path) -> None:
    def evil(trap: str) -> str:
        return f"{{{{ lookup('ansible.builtin.pipe', 'touch {tmp_path / trap}') }}}}"

    environment, customer, chosen, trusted = ansible.each(
        ({}, {"NETBOX_TOKEN": evil("environment.trap")}),
        ({"customers": [evil("customer.trap")]}, {}),
        ({"filters": {"name": evil("filter.trap")}}, {}),
        ({"token": evil("token.trap")}, {}),
    )

    ansible.failed(environment, "MSP-REG-003")
    ansible.failed(customer, "MSP-REG-009")
    assert chosen.returncode == 0
    ansible.failed(trusted, "MSP-INV-006")
    # What it would have done.
    assert [trap.name for trap in tmp_path.glob("*.trap")] == ["token.trap"]


def test_a_token_file_that_others_may_read_is_refused(world: NetBox, ansible: Ansible, tmp_path: Path) -> None:
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (tmp_path / name).write_text(world.token)
        (tmp_path / name).chmod(mode)

    others, owner = ansible.each(
        *(({"token_file": str(tmp_path / name)}, {"NETBOX_TOKEN": ""}) for name in ("open", "closed"))
    )

    ansible.failed(others, "MSP-INV-003")
    assert owner.returncode == 0


def test_a_missing_permission_is_an_error_that_names_it(world: NetBox, ansible: Ansible) -> None:
    def without(missing: str) -> str:
        allowed = [kind for kind in (*READ, *TREES, *OTHERS) if kind != missing]
        return world.token_for([{"object_types": allowed, "actions": ["view"]}], write=False)

    each = ansible.each(*(({"cache": True}, {"NETBOX_TOKEN": without(missing)}) for missing in READ))

    for missing, done in zip(READ, each, strict=True):
        app, _, model = missing.partition(".")
        assert f"{app}.view_{model}" in ansible.failed(done, "MSP-REG-003")
