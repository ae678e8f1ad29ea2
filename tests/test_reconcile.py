"""Reconciliation on a real NetBox and a real store: what was seen becomes what NetBox says, once, whatever happens."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import devices, reconcile
from ansible_collections.msp.ops.plugins.plugin_utils.desk.applying import Place
from ansible_collections.msp.ops.plugins.plugin_utils.desk.reconcile import Options, Reconciled
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Coverage, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.apply import apply as declare
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from lab.api import NetBox

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parent.parent
OFFICE, SETTLED, CUT = "reconciled-office", "reconciled-settled", "reconciled-cut"
SLUG = "bakkerij-jansen"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
HOUR = dt.timedelta(hours=1)
EARLIER = NOW - 48 * HOUR
PREFIX = "192.0.2.0/24"
CARD = "b8:27:eb:4a:10:{:02x}"


@pytest.fixture(scope="module")
def office(fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A customer with assets in NetBox, and the automation's own user."""
    place = tmp_path_factory.mktemp("office")
    with Register.connect(fresh_netbox.url, fresh_netbox.token) as register:
        declare(register, NOW.date(), token_file=str(place / "token"))
        _customer(register)
    made = Office(fresh_netbox, place, (place / "token").read_text().strip())
    fresh_netbox.snapshot(OFFICE)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MSP_DURABLE_PATHS", str(place))
        Store.open(f"sqlite:///{made.evidence(OFFICE)}", upgrade=True).close()
        with made.back_to(OFFICE, made.evidence(SETTLED)) as world:
            world.settle()
    fresh_netbox.snapshot(SETTLED)
    return made


def _customer(register: Register) -> None:
    terms = {names.CONTRACT_ID: "C-1", names.CONTRACT_START: "2026-01-01", names.LANGUAGE: "en"}
    tags = [{"slug": names.TAG_CUSTOMER}]
    tenants = [
        {"name": "Bakkerij Jansen", "slug": SLUG, "tags": tags, "custom_fields": terms},
        {"name": "Harbour Dental", "slug": "harbour-dental", "tags": tags, "custom_fields": terms},
    ]
    tenant = register.create("tenancy/tenants", tenants)[0]["id"]
    site = register.create("dcim/sites", [{"name": "Shop", "slug": "shop", "tenant": tenant}])[0]["id"]
    vrf = register.create("ipam/vrfs", [{"name": "Bakkerij Jansen"}])[0]["id"]
    register.create("ipam/prefixes", [{"prefix": PREFIX, "tenant": tenant, "vrf": vrf}])
    role = register.create("dcim/device-roles", [{"name": "Server", "slug": "server", "color": "9e9e9e"}])[0]["id"]
    maker = register.create("dcim/manufacturers", [{"name": "HPE", "slug": "hpe"}])[0]["id"]
    kind = {"manufacturer": maker, "model": "ML30", "slug": "ml30"}
    device_type = register.create("dcim/device-types", [kind])[0]["id"]
    common = {"tenant": tenant, "site": site, "role": role, "device_type": device_type}
    fields = {names.CONTRACT_STATUS: "contracted", names.ASSET_CLASS: "server"}
    rows = [
        {"name": "srv01", "serial": "S-SRV01", "custom_fields": fields, **common},
        {"name": "srv02", "serial": "S-SRV02", "custom_fields": fields, **common},
        {"name": "nas01", "custom_fields": fields | {names.CONTRACT_STATUS: "tracked"}, **common},
        {"name": "byhand", "serial": "S-BYHAND", **common},
    ]
    made = register.create("dcim/devices", rows)
    for number, device in enumerate(made, start=1):
        interface = register.create("dcim/interfaces", [{"device": device["id"], "name": "eth0", "type": "other"}])[0]
        holder = {"assigned_object_type": "dcim.interface", "assigned_object_id": interface["id"]}
        register.create("dcim/mac-addresses", [{"mac_address": CARD.format(number), **holder}])
        address = {"address": f"192.0.2.{number}/24", "vrf": vrf, "tenant": tenant, **holder}
        ip = register.create("ipam/ip-addresses", [address])[0]
        register.update("dcim/devices", [{"id": device["id"], "primary_ip4": ip["id"]}])


class CutOff(Register):
    """The real register; what the test wants happens before its writes with the numbers `at`."""

    at: Container[int] = ()
    happens: Callable[[], None] = staticmethod(lambda: None)

    def _send(self, verb: str, endpoint: str, **options: Any) -> Any:
        if verb in ("post", "patch") and self.writes in self.at:
            type(self).happens()
        return super()._send(verb, endpoint, **options)


@dataclasses.dataclass
class World:
    """One test's NetBox, its own store, and the register as the automation."""

    netbox: NetBox
    register: Register
    store: Store
    store_url: str
    token: str = dataclasses.field(repr=False)
    clock: dt.datetime = EARLIER

    # -- what is seen -------------------------------------------------------------------------------------------------

    def see(self, name: str, number: int, *, source: str = "nmap", at: dt.datetime | None = None, **more: Any) -> None:
        identity = {"macs": [CARD.format(number)], "names": [name], "addresses": [f"192.0.2.{number}"]}
        identity |= more.pop("identity", {})
        known = {key: value for key, value in identity.items() if value}
        self.store.record_observations([Observation(SLUG, source, at or self.clock, known, **more)])

    def look(self, source: str = "nmap", *, complete: bool = True, at: dt.datetime | None = None) -> None:
        """A look of a source ends; what it saw was recorded before. An hour goes by."""
        self.clock += HOUR
        scope = (PREFIX,) if source.startswith("nmap") else ()
        self.store.record_coverages([Coverage(SLUG, source, at or self.clock, complete, scope)])

    def everybody(self) -> None:
        """All that is in NetBox is seen where it should be."""
        for number, name in enumerate(("srv01", "srv02", "nas01", "byhand"), start=1):
            self.see(name, number)

    # -- what is done -------------------------------------------------------------------------------------------------

    def run(self, register: Register | None = None, **options: Any) -> Reconciled:
        found = reconcile.reconcile(register or self.register, self.store, [SLUG], Options(**options), NOW)
        return found[0]

    def plan(self, **options: Any) -> Reconciled:
        return reconcile.plan(self.register, self.store, [SLUG], Options(require_approval=True, **options), NOW)[0]

    def settle(self) -> None:
        """One run, so that what follows starts from a NetBox that is up to date."""
        self.everybody()
        self.look()
        self.run()

    # -- what came of it ----------------------------------------------------------------------------------------------

    def device(self, name: str) -> dict[str, Any]:
        (found,) = self.netbox.all(f"dcim/devices/?name={name}")
        return found

    def mark(self, name: str) -> str:
        value = self.device(name)["custom_fields"][names.DISCOVERY]
        return value["value"] if value else ""

    def journal(self, name: str) -> list[str]:
        id = self.device(name)["id"]
        rows = self.netbox.all(f"extras/journal-entries/?assigned_object_type=dcim.device&assigned_object_id={id}")
        return [row["comments"] for row in rows]

    def kinds(self) -> list[str]:
        return [one.kind for one in self.store.changes(SLUG)]

    def quiet(self) -> Reconciled:
        """A further run writes nothing to NetBox and records no change."""
        before, recorded = self.netbox.changes(), self.store.changes(SLUG)
        with Register.connect(self.netbox.url, self.token) as register:
            found = self.run(register)
            assert register.writes == 0
        assert (found.plan, found.resumed, found.given_up) == (None, (), ())
        assert self.netbox.changes() == before
        assert self.store.changes(SLUG) == recorded
        return found


@contextlib.contextmanager
def copied(kept: Path, to: Path) -> Iterator[Store]:
    """A store as another was when it was closed: to migrate one and fill it takes longer."""
    shutil.copy(kept, to)
    with Store.open(f"sqlite:///{to}") as store:
        yield store


@dataclasses.dataclass(frozen=True)
class Office:
    """What tests start from: snapshots of NetBox, each with the evidence store that goes with it, made once.

    OFFICE: nobody has looked yet. SETTLED: all was seen once, an hour later, and NetBox is up to date with it.
    """

    netbox: NetBox
    place: Path
    token: str = dataclasses.field(repr=False)

    def evidence(self, state: str) -> Path:
        return self.place / f"{state}.db"

    @contextlib.contextmanager
    def back_to(self, state: str, file: Path) -> Iterator[World]:
        """NetBox put back to a state, and a copy of its store in this file."""
        self.netbox.reset(state)
        clock = EARLIER + HOUR if state == SETTLED else EARLIER
        with (
            Register.connect(self.netbox.url, self.token) as register,
            copied(self.evidence(state), file) as store,
        ):
            yield World(self.netbox, register, store, f"sqlite:///{file}", self.token, clock)


@pytest.fixture
def world(office: Office, store_url: str, request: pytest.FixtureRequest) -> Iterator[World]:
    """Settled, unless the test says otherwise."""
    state = getattr(request, "param", SETTLED)
    with office.back_to(state, Path(store_url.removeprefix("sqlite:///"))) as made:
        yield made


nobody_has_looked = pytest.mark.parametrize("world", [OFFICE], indirect=True)


# -- what was seen becomes what NetBox says ----------------------------------------------------------------------------


def test_what_is_as_agreed_is_a_match_and_nothing_is_written(world: World) -> None:
    found = world.quiet()

    counts = {kind: n for kind, n in found.as_dict()["counts"].items() if n}
    assert counts == {"match": 3, "unlisted": 1}  # the device that somebody made by hand


def test_all_customers_are_read_in_one_go_and_kept_apart(world: World) -> None:
    world.see("till02", 57)
    world.store.record_observations([Observation("harbour-dental", "dhcp", NOW, {"names": ["srv01"]})])
    with Register.connect(world.netbox.url, world.token) as register:
        found = reconcile.reconcile(register, world.store, [], Options(check=True), NOW)
        assert register.requests <= 10
    counts = {one.customer: one.as_dict()["counts"] for one in found}
    assert {slug: (of["match"], of["unlisted"]) for slug, of in counts.items()} == {
        SLUG: (3, 2),
        "harbour-dental": (0, 1),
    }
    by_name = reconcile.reconcile(world.register, world.store, [SLUG], Options(check=True), NOW)
    assert by_name[0].plan == found[0].plan


def test_an_unknown_thing_becomes_an_unlisted_device_with_what_is_known_of_it(world: World) -> None:
    seen: dict[str, Any] = {
        "identity": {"serial": "S-TILL"},
        "attributes": {"vendor": "Dell Inc.", "model": "OptiPlex 3080"},
    }
    seen["attributes"] |= {"os": "Windows 11", "os_version": "10.0.22631", "type": "workstation"}
    world.see("till02", 57, source="mdm", **seen)
    world.see("till02", 57, source="dhcp")
    world.look()

    found = world.run()

    device = world.device("till02")
    fields = {
        key: value["value"] if isinstance(value, dict) else value for key, value in device["custom_fields"].items()
    }
    assert found.as_dict()["applied"] == 1
    assert (fields[names.CONTRACT_STATUS], fields[names.ASSET_CLASS]) == ("unlisted", "workstation")
    assert (device["serial"], device["description"]) == ("S-TILL", "Dell Inc. OptiPlex 3080")
    assert fields[names.OPERATING_SYSTEM] == "Windows 11 10.0.22631"
    assert device["device_type"]["model"] == "Unknown workstation"
    assert device["primary_ip4"]["address"] == "192.0.2.57/24"
    (card,) = world.netbox.all(f"dcim/mac-addresses/?device_id={device['id']}")
    (address,) = world.netbox.all(f"ipam/ip-addresses/?device_id={device['id']}")
    assert (card["mac_address"].lower(), address["vrf"]["name"]) == (CARD.format(57), "Bakkerij Jansen")
    (entry,) = world.journal("till02")
    assert "unlisted" in entry and "192.0.2.57" in entry and found.plan and found.plan.id in entry
    (new,) = [one for one in world.store.changes(SLUG) if one.kind == "new" and one.asset == f"device:{device['id']}"]
    assert new.detail["name"] == "till02" and new.detail["status"] == "unlisted"


def test_a_device_made_by_hand_without_a_status_gets_it_when_it_is_seen(world: World) -> None:
    assert world.device("byhand")["custom_fields"][names.CONTRACT_STATUS]["value"] == "unlisted"
    assert len(world.journal("byhand")) == 1
    assert world.kinds() == ["new"]


def test_facts_follow_what_is_seen_and_promises_stay(world: World) -> None:
    facts = {"macs": [CARD.format(1), CARD.format(91)], "addresses": ["192.0.2.91"], "serial": "S-OTHER"}
    world.see("srv01", 1, identity={"addresses": ["192.0.2.91"], "macs": facts["macs"]})
    world.see("nas01", 3, source="mdm", identity={"serial": "S-NAS"}, attributes={"os": "DSM", "os_version": "7.2"})
    world.look()

    world.run()

    srv, nas = world.device("srv01"), world.device("nas01")
    assert srv["primary_ip4"]["address"] == "192.0.2.91/24"
    cards = {row["mac_address"].lower() for row in world.netbox.all(f"dcim/mac-addresses/?device_id={srv['id']}")}
    assert cards == {CARD.format(1), CARD.format(91)}
    assert (srv["name"], srv["serial"]) == ("srv01", "S-SRV01")
    assert (nas["serial"], nas["custom_fields"][names.OPERATING_SYSTEM]) == ("S-NAS", "DSM 7.2")
    changed = [one.detail["changes"] for one in world.store.changes(SLUG) if one.kind == "changed"]
    assert {one["what"]: (one["before"], one["after"]) for one in changed[0]}["address"] == ("192.0.2.1", "192.0.2.91")
    assert world.journal("srv01") == []
    world.quiet()


@pytest.mark.parametrize("batch", [100, 1])
def test_an_address_moves_with_the_thing_that_has_it_now(
    world: World, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """In batches of one, the second asset was changed by the first one's batch: our own doing is no reason to stop."""
    monkeypatch.setattr(reconcile, "Place", functools.partial(Place, batch=batch))
    world.see("srv01", 1, identity={"addresses": ["192.0.2.2"]})
    world.see("srv02", 2, identity={"addresses": ["192.0.2.1"]})
    world.look()

    world.run()

    assert world.device("srv01")["primary_ip4"]["address"] == "192.0.2.2/24"
    assert world.device("srv02")["primary_ip4"]["address"] == "192.0.2.1/24"
    assert len(world.netbox.all("ipam/ip-addresses/")) == 4


def test_what_is_not_as_promised_is_shown_and_not_overwritten(world: World) -> None:
    world.see("reception", 1, source="dhcp")
    world.look()

    world.run()

    assert (world.device("srv01")["name"], world.mark("srv01")) == ("srv01", "changed")
    (entry,) = world.journal("srv01")
    assert "name: srv01 promised, reception seen" in entry
    world.quiet()


# -- missing -----------------------------------------------------------------------------------------------------------


def look_without(world: World, absent: str, **options: Any) -> None:
    for number, name in enumerate(("srv01", "srv02", "nas01", "byhand"), start=1):
        if name != absent and options.get("complete", True):
            world.see(name, number)
    world.look(**options)


def test_a_thing_is_missing_after_so_many_complete_looks_and_not_one_sooner(world: World) -> None:
    for _ in range(2):
        look_without(world, "srv02")
        world.run()
    assert world.mark("srv02") == ""

    look_without(world, "srv02")
    world.run()

    assert world.mark("srv02") == "missing"
    (entry,) = world.journal("srv02")
    assert "nmap 3 times in a row" in entry
    (gone,) = [one for one in world.store.changes(SLUG) if one.kind == "gone"]
    assert gone.detail["misses"] == {"nmap": 3} and gone.detail["name"] == "srv02"


def test_looks_that_failed_or_were_cut_short_make_nothing_missing(world: World) -> None:
    for _ in range(2):
        look_without(world, "srv02")
    for _ in range(9):
        look_without(world, "srv02", complete=False)

    world.run()

    assert [world.mark(name) for name in ("srv01", "srv02")] == ["", ""]


def test_what_comes_back_is_fine_again_and_its_absence_is_told(world: World) -> None:
    for _ in range(3):
        look_without(world, "srv02")
    world.run()
    gone = world.store.changes(SLUG)[-1]

    world.everybody()
    world.look()
    world.run()

    assert world.mark("srv02") == ""
    back = world.store.changes(SLUG)[-1]
    assert (back.kind, back.detail["gone_since"]) == ("back", gone.at.isoformat())
    assert len(world.journal("srv02")) == 2
    world.quiet()


def test_a_clock_that_jumped_back_makes_nothing_missing(world: World) -> None:
    before = world.clock - 20 * HOUR
    for hours in range(3):
        look_without(world, "srv02", at=before - hours * HOUR)

    world.run()

    assert world.mark("srv02") == ""


def test_how_many_looks_it_takes_is_said_by_kind_of_source(world: World) -> None:
    look_without(world, "srv02")

    world.run(needed={"nmap": 1})

    assert world.mark("srv02") == "missing"


# -- conflict ----------------------------------------------------------------------------------------------------------


def test_a_conflict_is_shown_with_both_sides_and_never_merged(world: World) -> None:
    # The serial number of one asset, on the network card of another.
    world.see("", 2, source="mdm", identity={"serial": "S-SRV01", "addresses": []})
    world.look()
    before = len(world.netbox.all("dcim/devices/"))

    found = world.run()

    assert found.as_dict()["counts"]["conflict"] >= 1
    assert [world.mark(name) for name in ("srv01", "srv02")] == ["conflict", "conflict"]
    assert any("serial" in entry for entry in world.journal("srv01"))
    conflict = found.as_dict()["conflicts"][0]
    assert conflict["evidence"] and any(side["asset"] for side in conflict["sides"])
    assert [d["serial"] for d in world.netbox.all("dcim/devices/")].count("S-SRV01") == 1
    assert len(world.netbox.all("dcim/devices/")) == before
    world.quiet()


# -- a person decides --------------------------------------------------------------------------------------------------


def test_a_decision_in_netbox_is_kept_with_who_and_when_and_never_asked_again(world: World) -> None:
    world.see("till02", 57)
    world.look()
    world.run()
    device = world.device("till02")
    world.netbox.change(f"dcim/devices/{device['id']}/", {"custom_fields": {names.CONTRACT_STATUS: "tracked"}})
    world.see("till02", 57)
    world.look()

    found = world.run()

    (decision,) = world.store.decisions(SLUG)
    assert (decision.before, decision.after, decision.how) == ("unlisted", "tracked", "netbox")
    assert decision.who == world.netbox.admin_user
    settled = world.store.changes(SLUG)[-1]
    assert (settled.kind, settled.detail["how"]) == ("settled", f"decided: tracked by {decision.who}")
    assert found.plan is None and found.as_dict()["counts"]["unlisted"] == 1  # only the one made by hand
    world.quiet()


# -- approval ----------------------------------------------------------------------------------------------------------


def waiting(world: World) -> Reconciled:
    """A plan with a new thing, a changed fact and a mark, which waits for approval."""
    world.see("till02", 57)
    world.see("srv01", 1, identity={"addresses": ["192.0.2.91"]})
    world.see("reception", 2, source="dhcp")
    world.look()
    return world.plan()


def id_of(found: reconcile.Reconciled) -> str:
    """The id of the plan that was made."""
    assert found.plan is not None
    return found.plan.id


def refused(world: World, code: str, *words: str, apply: Callable[[], Any]) -> None:
    before = world.netbox.changes()
    with pytest.raises(MspError) as error:
        apply()
    assert error.value.code == code
    assert [word for word in words if word not in str(error.value)] == []
    assert world.netbox.changes() == before


def test_nothing_is_written_before_somebody_approves_exactly_that_plan(world: World) -> None:
    first = waiting(world)
    assert first.plan
    options = Options(require_approval=True)
    refused(
        world,
        "MSP-REC-001",
        first.plan.id,
        apply=lambda: reconcile.apply(world.register, world.store, id_of(first), options),
    )
    assert world.run(require_approval=True).applied.steps == []

    world.see("till03", 58)
    world.look()
    second = world.plan()
    assert second.plan and second.plan.id != first.plan.id
    reconcile.approve(world.store, first.plan.id, by="A. de Vries", reason="as agreed")
    refused(
        world,
        "MSP-REC-001",
        second.plan.id,
        apply=lambda: reconcile.apply(world.register, world.store, id_of(second), options),
    )

    done = reconcile.apply(world.register, world.store, first.plan.id, options)

    assert len(done.applied.steps) == len(first.plan.steps)
    assert world.device("till02")["custom_fields"][names.CONTRACT_STATUS]["value"] == "unlisted"
    assert world.netbox.all("dcim/devices/?name=till03") == []
    reconcile.approve(world.store, second.plan.id, by="A. de Vries", reason="as agreed")
    refused(
        world,
        "MSP-REC-002",
        apply=lambda: reconcile.apply(world.register, world.store, id_of(second), options),
    )


def test_a_plan_is_refused_when_another_one_was_carried_out_since(world: World) -> None:
    """What the other one wrote need not show on the assets: a card that is added leaves its device as it was."""
    world.see("srv01", 1, identity={"macs": [CARD.format(1), CARD.format(91)]})
    first = world.plan().plan
    world.see("till02", 57)
    second = world.plan().plan
    assert first and second
    reconcile.apply(world.register, world.store, first.id, Options())

    refused(
        world,
        "MSP-REC-002",
        "another one was",
        apply=lambda: reconcile.apply(world.register, world.store, second.id, Options()),
    )


def test_the_same_findings_make_the_same_plan_and_its_approval_holds(world: World) -> None:
    first = waiting(world)
    world.see("till02", 57)
    world.look()
    assert first.plan
    assert world.plan().plan.id == first.plan.id  # type: ignore[union-attr]
    reconcile.approve(world.store, first.plan.id, by="A. de Vries", reason="as agreed")

    found = world.run(require_approval=True)

    assert found.resumed == (first.plan.id,) and found.plan is None


def test_a_plan_is_refused_when_netbox_changed_underneath(world: World) -> None:
    found = waiting(world)
    assert found.plan
    device = world.device("srv01")
    world.netbox.change(f"dcim/devices/{device['id']}/", {"comments": "a new disk"})
    reconcile.approve(world.store, found.plan.id, by="A. de Vries", reason="as agreed")

    with pytest.raises(MspError) as error:
        reconcile.apply(world.register, world.store, found.plan.id, Options(require_approval=True))

    assert error.value.code == "MSP-REC-002" and "srv01" in str(error.value)
    assert world.device("srv01")["primary_ip4"]["address"] == "192.0.2.1/24"
    assert world.mark("srv02") == ""


def test_a_plan_that_makes_devices_is_refused_when_somebody_added_one(world: World) -> None:
    found = waiting(world)
    assert found.plan
    twin = {key: world.device("srv01")[key]["id"] for key in ("site", "role", "device_type", "tenant")}
    world.netbox.create("dcim/devices/", {"name": "till02-by-hand", **twin})
    reconcile.approve(world.store, found.plan.id, by="A. de Vries", reason="as agreed")

    refused(
        world,
        "MSP-REC-002",
        "till02-by-hand",
        apply=lambda: reconcile.apply(world.register, world.store, id_of(found), Options(require_approval=True)),
    )


class Overtaken(Register):
    """The real register; somebody else makes a device after NetBox was read, before the first one of ours is made."""

    add: Callable[[], object] | None = None

    def _send(self, verb: str, endpoint: str, *, key: int | None = None, **options: Any) -> Any:
        if verb == "get" and "action" in (options.get("params") or {}) and self.add is not None:
            add, self.add = self.add, None
            add()
        return super()._send(verb, endpoint, key=key, **options)


@nobody_has_looked
def test_a_device_that_somebody_adds_while_a_plan_is_made_is_noticed_before_another_is_made(world: World) -> None:
    world.everybody()
    world.see("till02", 57)
    world.look()
    twin = {key: world.device("srv01")[key]["id"] for key in ("site", "role", "device_type", "tenant")}
    with Overtaken.connect(world.netbox.url, world.token) as register:
        assert isinstance(register, Overtaken)
        register.add = lambda: world.netbox.create("dcim/devices/", {"name": "till02-by-hand", **twin})
        with pytest.raises(MspError) as error:
            world.run(register)

    assert error.value.code == "MSP-REC-002" and "till02-by-hand" in str(error.value)
    assert [row["name"] for row in world.netbox.all("dcim/devices/") if "till02" in row["name"]] == ["till02-by-hand"]


class Interfered(Register):
    """The real register; somebody else writes to an asset between our reading of its ETag and our write."""

    netbox: NetBox

    def _send(self, verb: str, endpoint: str, *, key: int | None = None, **options: Any) -> Any:
        if verb == "patch" and key is not None:
            self.netbox.change(f"{endpoint}/{key}/", {"comments": "somebody was faster"})
        return super()._send(verb, endpoint, key=key, **options)


@nobody_has_looked
def test_a_contract_status_is_not_set_on_an_asset_that_changed_that_very_moment(world: World) -> None:
    world.everybody()
    world.look()
    with Interfered.connect(world.netbox.url, world.token) as register:
        register.netbox = world.netbox  # type: ignore[attr-defined]
        with pytest.raises(MspError) as error:
            world.run(register)

    assert error.value.code == "MSP-REG-008"
    assert world.device("byhand")["custom_fields"][names.CONTRACT_STATUS] is None
    assert world.device("byhand")["comments"] == "somebody was faster"
    found = world.run()
    assert len(found.given_up) == 1
    assert world.device("byhand")["custom_fields"][names.CONTRACT_STATUS]["value"] == "unlisted"
    assert len(world.journal("byhand")) == 1


def test_an_approved_plan_that_netbox_changed_underneath_is_given_up_for_a_new_one(world: World) -> None:
    found = waiting(world)
    assert found.plan
    reconcile.approve(world.store, found.plan.id, by="A. de Vries", reason="as agreed")
    world.netbox.change(f"dcim/devices/{world.device('srv02')['id']}/", {"comments": "a new disk"})

    again = world.run(require_approval=True)

    assert again.given_up == (found.plan.id,)
    assert again.plan and not again.approved and again.applied.steps == []


@nobody_has_looked
def test_netbox_is_written_only_while_the_lease_is_our_own(world: World) -> None:
    world.everybody()
    world.look()
    with leases.holding(world.store, f"reconcile:{SLUG}"):
        refused(world, "MSP-EVD-015", apply=world.run)

    assert world.run().applied.steps


@nobody_has_looked
def test_a_run_whose_lease_was_taken_over_writes_no_further_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.everybody()
    world.see("till02", 57)
    world.look()

    def taken_over() -> None:
        world.store.database.write(
            lambda connection: connection.exec_driver_sql("UPDATE leases SET holder = 'another', fence = fence + 1")
        )

    monkeypatch.setattr(CutOff, "at", {3})
    monkeypatch.setattr(CutOff, "happens", staticmethod(taken_over))
    with CutOff.connect(world.netbox.url, world.token) as register, pytest.raises(MspError) as error:
        world.run(register)

    assert error.value.code == "MSP-REC-003"
    assert world.device("byhand")["custom_fields"][names.CONTRACT_STATUS] is None


# -- killed anywhere ---------------------------------------------------------------------------------------------------


def busy(world: World) -> None:
    """Something of every kind is to be written: new, a status, facts, an address that moves, a conflict, a missing."""
    world.everybody()
    world.look()
    for _ in range(3):
        for number, name in ((1, "srv01"), (4, "byhand")):
            world.see(name, number)
        world.look()
    world.see("till02", 57, identity={"serial": "S-TILL"})
    world.see("till03", 3)  # at the address that the missing one still has: not taken from it
    world.see("srv01", 1, identity={"addresses": ["192.0.2.4"]})
    world.see("byhand", 4, identity={"addresses": ["192.0.2.1"], "macs": [CARD.format(4), CARD.format(94)]})
    world.look()


def result_of(world: World) -> dict[str, Any]:
    """All that NetBox and the store say, without what differs between any two runs."""
    devices = {
        row["name"]: (
            row["serial"],
            row["primary_ip4"] and row["primary_ip4"]["address"],
            {key: value["value"] if isinstance(value, dict) else value for key, value in row["custom_fields"].items()},
        )
        for row in world.netbox.all("dcim/devices/")
    }
    owned = [
        (row["assigned_object"]["device"]["name"], row[name].lower())
        for path, name in (("dcim/mac-addresses/", "mac_address"), ("ipam/ip-addresses/", "address"))
        for row in world.netbox.all(path)
    ]
    journal = [
        (row["assigned_object"]["name"], row["comments"].split(" (plan ")[0])
        for row in world.netbox.all("extras/journal-entries/")
    ]
    changes = [(one.kind, one.detail["name"]) for one in world.store.changes(SLUG)]
    interfaces = [row["device"]["name"] for row in world.netbox.all("dcim/interfaces/")]
    return {
        "devices": devices,
        "owned": sorted(owned),
        "journal": sorted(journal),
        "changes": sorted(changes),
        "interfaces": sorted(interfaces),
    }


@pytest.mark.slow
@nobody_has_looked
def test_killed_before_every_single_write_the_next_run_completes_it_and_makes_nothing_twice(
    world: World, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each write of one run, what is there is kept; another run goes on with a copy of it, as after a crash."""
    busy(world)
    results: list[dict[str, Any]] = []

    def ended_here() -> None:
        world.netbox.snapshot(CUT)
        with as_a_crash_leaves_it(world.store_url, tmp_path / f"before-{len(results)}.db") as store:
            again = dataclasses.replace(world, store=store)
            again.run()
            results.append(result_of(again))
            if len(results) == 7:  # what is the same has nothing left to be written
                again.quiet()
        world.netbox.reset(CUT)
        _lease_runs_out(world.store, in_seconds=3600)  # the run itself has not stood still

    monkeypatch.setattr(CutOff, "at", range(100))
    monkeypatch.setattr(CutOff, "happens", staticmethod(ended_here))
    with CutOff.connect(world.netbox.url, world.token) as register:
        world.run(register)
        assert register.writes == len(results) > 8

    wanted = result_of(world)
    assert max(Counter(wanted["journal"]).values()) == 1
    assert [number for number, result in enumerate(results) if result != wanted] == []


@contextlib.contextmanager
def as_a_crash_leaves_it(store_url: str, to: Path) -> Iterator[Store]:
    """A copy of what is committed in a store that is in use, after the lease of its user has run out."""
    with (
        contextlib.closing(sqlite3.connect(store_url.removeprefix("sqlite:///"))) as used,
        contextlib.closing(sqlite3.connect(to)) as copy,
    ):
        used.backup(copy)
    with Store.open(f"sqlite:///{to}") as store:
        _lease_runs_out(store)
        yield store


def _lease_runs_out(store: Store, in_seconds: int = 0) -> None:
    expires = int((time.time() + in_seconds) * 1_000_000)
    store.database.write(lambda connection: connection.exec_driver_sql("UPDATE leases SET expires = ?", (expires,)))


CHILD = """
import datetime as dt, os, signal, sys
from ansible_collections.msp.ops.plugins.plugin_utils.desk import reconcile
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

class Shot(Register):
    def _send(self, verb, endpoint, **options):
        answer = super()._send(verb, endpoint, **options)
        if verb in ("post", "patch") and self.writes == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

with Store.open() as store, Shot.connect() as register:
    now = dt.datetime.fromisoformat(sys.argv[3])
    reconcile.reconcile(register, store, [sys.argv[2]], reconcile.Options(), now)
"""


@nobody_has_looked
def test_a_process_that_is_killed_by_the_system_after_a_write_leaves_nothing_double(world: World) -> None:
    busy(world)
    environment = {**os.environ, **world.netbox.env(world.token), "MSP_STORE_URL": world.store_url}
    environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'collections'}"
    command = [sys.executable, "-c", CHILD, "4", SLUG, NOW.isoformat()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    _lease_runs_out(world.store)

    found = world.run()

    assert len(found.resumed) == 1
    result = result_of(world)
    assert max(Counter(result["journal"]).values()) == 1
    assert Counter(result["changes"])["new", "till02"] == 1
    assert Counter(result["interfaces"])["till02"] == 1


@nobody_has_looked
def test_a_netbox_that_goes_away_in_the_middle_loses_nothing_and_repeats_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy(world)
    with CutOff.connect(world.netbox.url, world.token, retries=0) as register:

        def goes_away() -> None:
            register.url = "http://127.0.0.1:9"  # nobody listens there

        monkeypatch.setattr(CutOff, "at", {6})
        monkeypatch.setattr(CutOff, "happens", staticmethod(goes_away))
        with pytest.raises(MspError) as error:
            world.run(register)
    assert error.value.code == "MSP-REG-002"

    found = world.run()

    assert len(found.resumed) == 1
    assert max(Counter(result_of(world)["journal"]).values()) == 1


def test_a_thing_that_netbox_does_not_take_keeps_no_other_from_being_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.see("till02", 57)
    world.see("till03", 58)
    world.look()
    original = devices.body

    def spoilt(*arguments: Any, **options: Any) -> dict[str, Any]:
        row: dict[str, Any] = original(*arguments, **options)
        return row | {"device_type": 999_999} if row["name"] == "till02" else row

    monkeypatch.setattr(devices, "body", spoilt)
    with pytest.raises(MspError) as error:
        world.run()

    assert error.value.code == "MSP-REC-007" and "till02" in str(error.value)
    assert world.device("till03")["primary_ip4"]["address"] == "192.0.2.58/24"
    monkeypatch.undo()
    world.run()
    assert len(world.journal("till02")) == len(world.journal("till03")) == 1
    world.quiet()


# -- the module --------------------------------------------------------------------------------------------------------


def tasks(world: World, *each: Mapping[str, Any], options: Sequence[str] = (), tmp: Path) -> list[dict[str, Any]]:
    """The results of tasks with the module, one after the other in one play, also after one that failed."""
    book = tmp / "play.yml"
    listed = [{"msp.ops.reconcile": dict(arguments), "ignore_errors": True} for arguments in each]
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": listed}]))
    environment = {
        **os.environ,
        **world.netbox.env(world.token),
        "MSP_STORE_URL": world.store_url,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "XDG_STATE_HOME": str(tmp / "state"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(book), *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    (play,) = json.loads(done.stdout[done.stdout.index("{") :])["plays"]
    return [task["hosts"]["localhost"] for task in play["tasks"]]


@nobody_has_looked
def test_the_module_previews_plans_has_it_approved_applies_and_then_changes_nothing(
    world: World, tmp_path: Path
) -> None:
    world.everybody()
    world.see("till02", 57)
    world.look()
    before = world.netbox.changes()

    (preview,) = tasks(world, {"customers": [SLUG]}, options=["--check", "--diff"], tmp=tmp_path)
    assert preview["changed"] and "till02: new device, contract status unlisted" in preview["diff"]["after"]
    assert world.store.plans(SLUG) == [] and world.store.coverages(SLUG)[-1].source == "nmap"

    what = {"plan": preview["plans"][SLUG], "require_approval": True}
    planned, failed = tasks(
        world,
        {"action": "plan", "customers": [SLUG], "require_approval": True},
        {"action": "apply", **what},
        tmp=tmp_path,
    )
    assert planned["plans"] == preview["plans"]
    assert failed["error"]["code"] == "MSP-REC-001"
    assert world.netbox.changes() == before

    approved, done, again = tasks(
        world,
        {"action": "approve", "plan": what["plan"], "approved_by": "A. de Vries", "reason": "as agreed"},
        {"action": "apply", **what},
        {"customers": [SLUG]},
        tmp=tmp_path,
    )
    assert approved["changed"]
    assert done["changed"] and done["customers"][SLUG]["applied"] == 2 and done["netbox_writes"] > 0
    assert (again["changed"], again["netbox_writes"]) == (False, 0)


def test_an_audit_that_got_an_answer_keeps_an_asset_from_being_missing(world: World) -> None:
    key = f"device:{world.device('srv02')['id']}"
    for _ in range(3):
        look_without(world, "srv02")
    world.store.record_audit(Audit(SLUG, key, "srv02", world.clock + HOUR, "no_python", error="no Python"))

    world.run()

    assert world.mark("srv02") == ""
