"""Makes customers' networks whose truth is known: assets, what sources see of them, and what nobody could tell.

Written from how networks behave, and imports nothing of the package identity. Every number comes from one seed.

The world. A customer has machines: laptops, desktops, servers, virtual machines, network devices, printers, phones.
Most have an asset in NetBox, with gaps and a few typing errors; some have none (bought and forgotten; visitors). All
customers number their networks alike (10.0.x.0/24) and give their machines the same names. Most have been served for
long: what earlier runs matched is remembered (ids, cards, serial numbers), as the product does it (learning.py keeps
it in the evidence store); the others are in their first months.

What happens to machines since NetBox was last right (Rates): they are renamed, two swap names, they get a new card, are
reinstalled (new directory and MDM ids, the old MDM record may stay behind), are replaced by another machine that takes
over name and static address, are retired (their directory account stays, or their name goes to a new machine); virtual
machines are copied with or without a new UUID.
Laptops move between docks that have a card of their own; leases change and addresses go to the next machine; phones
make up their hardware addresses; two routers share an address and a virtual card; some makers leave a placeholder or
give one serial number to a whole batch; labels of two machines were swapped; a machine is in NetBox twice.

What sources see, with gaps: audit (only what ssh reaches: servers, virtual machines, some workstations), mdm,
directory, dhcp, arp, neighbours, mac-table, nmap (mostly from behind a router: an address, and a name out of reverse
DNS that may be of an earlier machine), lldp. Some customers have two DHCP servers and two scanners, told apart by a
label ("dhcp:branch"). Each thing of a source in its newest state, under the key that the evidence store gives.

What cannot be decided. A judge who knows every kind of event, but not which of them happened, has the evidence only:
- contested: the evidence points at an asset and fits another ordinary event as well. The rules are in
  bench/_made_judgement.py.
- silent: nothing in the evidence points at the machine's asset at all (a made-up hardware address with a stock name,
  a card that nobody has on record and no name). No judge could match it; to call it new is all that can be done.
Everything else is decidable: a chain of evidence that belongs to one machine only leads to the record of its asset,
or the machine has none and nothing points at any.

Left out: what all evidence agrees on and is wrong nevertheless. A dock of an unknown maker where no source tells names,
a successor of which nothing is seen but an account under the old name, and a machine whose label was swapped and whose
name was changed as well would look exactly like what they are not; no judge could be right, and none could say so. They
are made only where some source can tell.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import thing_key
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation, Sighting
from bench._made_judgement import Judge
from bench._made_world import (
    DAY,
    DOCK_OUI,
    HOUR,
    NAMELESS_OUI,
    NOW,
    SETTLED,
    STOCK_NAMES,
    USUAL,
    Machine,
    Made,
    Rates,
)

_KINDS = (
    ("laptop", 34),
    ("desktop", 18),
    ("server", 4),
    ("virtual_machine", 13),
    ("network", 8),
    ("printer", 7),
    ("phone", 16),
)
_CLASS = {
    "laptop": "workstation",
    "desktop": "workstation",
    "server": "server",
    "virtual_machine": "server",
    "network": "network",
    "printer": "printer",
    "phone": "mobile",
}
_PREFIX = {
    "laptop": "LT-",
    "desktop": "PC-",
    "server": "SRV-",
    "virtual_machine": "VM-",
    "network": "SW-",
    "printer": "PRN-",
    "phone": "MOB-",
}
_OUI = {
    "laptop": ("8c:16:45", "54:e1:ad", "f8:75:a4"),
    "desktop": ("a4:bb:6d", "b8:85:84"),
    "server": ("94:18:82", "d0:94:66"),
    "virtual_machine": ("00:50:56",),
    "network": ("00:1b:54", "fc:ec:da"),
    "printer": ("3c:2a:f4", "00:1e:0b"),
    "phone": ("f0:18:98", "5c:51:88"),
}
_JOINED = frozenset({"laptop", "desktop", "server", "virtual_machine"})
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def make(seed: int, size: int, rates: Rates = USUAL, *, customers: int | None = None) -> Iterator[Made]:
    """Customers with about this many assets together; as many customers as asked, else of 40 to 1500 assets each."""
    dice = random.Random(seed)  # noqa: S311  # a made world
    left, number = size, 0
    while left > 0:
        share = size // customers if customers else min(left, int(40 * 1.5 ** dice.uniform(0, 9)))
        yield _Network(f"customer-{seed}-{number}", share, rates, random.Random(dice.random())).build()  # noqa: S311
        left -= share
        number += 1
        if customers and number == customers:
            return


class _Network:
    """One customer in the making."""

    def __init__(self, customer: str, size: int, rates: Rates, dice: random.Random) -> None:
        self.made, self.rates, self.dice, self.size = Made(customer), rates, dice, size
        self.machines: list[Machine] = []
        self.records: dict[str, dict[str, set[str]]] = {}  # all that is on record, by asset key
        self.names: dict[str, int] = defaultdict(int)
        self.next_address = 0
        self.cards: set[str] = set()
        self.freed: list[tuple[dt.datetime, str]] = []
        self.shared_tokens: set[tuple[str, str]] = set()
        self.found: dict[str, tuple[Sighting, Machine | None]] = {}
        roll = dice.random
        # What this customer has, all the time.
        self.served_long = roll() < rates.long_served
        self.has = {
            "mdm": roll() < 0.85,
            "directory": roll() < 0.88,
            "dhcp": roll() < 0.92,
            "arp": roll() < 0.88,
            "nmap": roll() < 0.8,
            "mac-table": roll() < 0.35,
            "lldp": roll() < 0.5,
        }
        if not (self.has["dhcp"] or self.has["arp"]):
            self.has["dhcp"] = True
        self.hybrid = roll() < 0.6  # the MDM's device id is the directory's
        self.local_scan = roll() < 0.3  # nmap sees hardware addresses
        self.workstations_audited = roll() < 0.35
        # Two sites, each with a DHCP server and a scanner of its own. Of its own dice: all else is as without.
        self.two_sites = random.Random(customer).random() < rates.two_sites  # noqa: S311

    def build(self) -> Made:
        self._populate()
        self._record()
        self._remember()
        self._happen()
        self._connect()
        self._observe()
        self._judge()
        return self.made

    # The machines

    def _chance(self, share: float) -> bool:
        return self.dice.random() < share

    def _text(self, length: int, letters: str = _LETTERS) -> str:
        return "".join(self.dice.choice(letters) for _ in range(length))

    def _card(self, kind: str) -> str:
        """A card that no other machine has."""
        while True:
            tail = ":".join(f"{self.dice.randrange(256):02x}" for _ in range(3))
            card = f"{self.dice.choice(_OUI[kind])}:{tail}"
            if card not in self.cards:
                self.cards.add(card)
                return card

    def _private(self) -> str:
        first = self.dice.randrange(64) << 2 | 2
        return ":".join(f"{b:02x}" for b in (first, *(self.dice.randrange(256) for _ in range(5))))

    def _uuid(self) -> str:
        digits = self._text(32, "0123456789abcdef")
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _machine(self, kind: str) -> Machine:
        self.names[kind] += 1
        count = {"laptop": 2, "server": 2, "network": 1}.get(kind, 1)
        virtual = kind == "virtual_machine"
        uuid = self._uuid()
        one = Machine(
            number=len(self.machines) + 1,
            kind=kind,
            serial="" if virtual else self._text(3) + self._text(5),
            uuid="" if kind in ("phone", "printer", "network") else uuid,
            cards=[self._card(kind) for _ in range(count)],
            name=f"{_PREFIX[kind]}{self.names[kind]:04}",
            directory_id=self._uuid() if kind in _JOINED and self._chance(0.95) else "",
            mdm_id=self._uuid(),
            tag=f"A{self.dice.randrange(10**6):06}" if self._chance(0.3) else "",
            system={"phone": self.dice.choice(("iOS", "Android")), "network": "", "printer": ""}.get(
                kind, "Windows 11"
            ),
        )
        if kind == "printer" and self._chance(0.6):
            one.says_name = f"NPI{one.cards[0].replace(':', '')[6:].upper()}"
        self.machines.append(one)
        return one

    def _populate(self) -> None:
        kinds = self.dice.choices([k for k, _ in _KINDS], [w for _, w in _KINDS], k=self.size)
        for kind in kinds:
            self._machine(kind)
        desktops = [one for one in self.machines if one.kind == "desktop"]
        for one in desktops:
            if self._chance(self.rates.placeholder):
                one.serial, one.own_serial = self.dice.choice(("To be filled by O.E.M.", "Default string", "0")), False
        if self._chance(self.rates.oem_customers):
            # A batch from one maker: a pair or a few, or dozens.
            count = self.dice.choice((2, 3, 4, 25))
            batch = [one for one in desktops if one.own_serial][:count]
            if len(batch) > 1 and (count < 25 or len(batch) > 20):
                serial = self._text(9)
                for one in batch:
                    one.serial, one.own_serial = serial, False
                self.shared_tokens.add(("serial", serial))

    # What NetBox and earlier runs know

    def _record(self) -> None:
        for one in self.machines:
            virtual = one.kind == "virtual_machine"
            one.asset = f"{'virtual-machine' if virtual else 'device'}:{one.number}"
            one.before = {"cards": list(one.cards), "name": one.name, "ids": (one.directory_id, one.mdm_id)}
            serial = one.serial if self._chance(self.rates.serial_recorded) else ""
            if serial and one.own_serial and self._chance(self.rates.slips):
                serial = self._slip(serial)
            settled = one.kind in SETTLED
            one.before["record"] = {
                "serial": serial,
                "cards": one.cards[:1] if self._chance(self.rates.cards_recorded) else [],
                "tag": one.tag if one.tag and self._chance(0.9) else "",
                "address": self._fresh() if settled else (self._fresh() if self._chance(0.15) else ""),
                "listed": self._chance(0.9),
            }
        pairs = [one for one in self.machines if one.own_serial and one.before["record"]["serial"]]
        for one, other in zip(pairs[::2], pairs[1::2], strict=False):
            if one.kind == other.kind and self._chance(self.rates.swapped * 2):
                mine, theirs = one.before["record"], other.before["record"]
                mine["serial"], theirs["serial"] = theirs["serial"], mine["serial"]
                one.record_wrong = other.record_wrong = True

    def _slip(self, serial: str) -> str:
        at = self.dice.randrange(len(serial) - 1)
        if self._chance(0.4) and serial[at] != serial[at + 1]:
            return serial[:at] + serial[at + 1] + serial[at] + serial[at + 2 :]
        wrong = self.dice.choice([c for c in _LETTERS if c != serial[at]])
        return serial[:at] + wrong + serial[at + 1 :]

    def _audited(self, kind: str) -> bool:
        if kind in ("server", "virtual_machine"):
            return self._chance(0.92)
        return kind in ("laptop", "desktop") and self.workstations_audited and self._chance(0.7)

    def _remember(self) -> None:
        """What earlier runs matched is on record with the asset, as it was then: what identity/learning.py keeps of it,
        but for what a run missed (Rates.remembered).
        """
        for one in self.machines:
            one.before["audited"] = self._audited(one.kind)
            if one.before["audited"]:
                one.system = "Debian GNU/Linux"
            one.before["managed"] = self.has["mdm"] and one.kind in ("laptop", "desktop", "phone") and self._chance(0.9)
            if not self.served_long or one.record_wrong:
                continue
            ids: dict[str, list[str]] = {}
            managed, audited = one.before["managed"], one.before["audited"]
            if self.has["directory"] and one.directory_id and self._chance(self.rates.remembered):
                ids["directory_id"] = [one.directory_id]
            if managed and self._chance(self.rates.remembered):
                ids["mdm_id"] = [one.mdm_id]
            seen = [card for card in one.cards if self._chance(self.rates.remembered)]
            if seen and (self.has["dhcp"] or self.has["arp"]):
                ids["macs"] = seen
            if (audited or managed) and one.own_serial and one.serial and self._chance(self.rates.remembered):
                ids["serial"] = [one.serial]
            if audited and one.uuid and self._chance(self.rates.remembered):
                ids["uuid"] = [one.uuid]
            self.made.remembered[str(one.asset)] = ids

    # What happened since

    def _happen(self) -> None:
        for one in list(self.machines):
            if one.record_wrong:
                continue  # see "Left out" above
            if self._chance(self.rates.retired):
                one.gone = NOW - self.dice.uniform(3, 60) * DAY
            elif self._shows_itself(one) and self._hardware_on_record(one) and self._chance(self.rates.replaced):
                self._replace(one)
            else:
                self._alter(one)
        self._exchange()
        self._reuse()
        self.succeeded = {id(one.twin) for one in self.machines if one.twin is not None}
        self._copies()
        self._newcomers()
        self._docks()

    def _hardware_on_record(self, one: Machine) -> bool:
        """An entry without any names a role, and whoever fills it is it; so it is with a virtual machine."""
        record, taught = one.before["record"], self.made.remembered.get(str(one.asset), {})
        known = record["serial"] or record["cards"] or taught.get("macs") or taught.get("serial")
        return bool(known) and one.kind != "virtual_machine"

    def _shows_itself(self, one: Machine) -> bool:
        """Would a successor leave any trace but a new account under the old name? See "Left out" above."""
        if one.kind in SETTLED:
            return self.has["arp"] and bool(one.before["record"]["address"] and one.before["record"]["listed"])
        return self.has["dhcp"] or bool(one.before["managed"])

    def _alter(self, one: Machine) -> None:
        if self._chance(self.rates.renamed):
            self.names[one.kind] += 1
            one.name = f"{_PREFIX[one.kind]}{self.names[one.kind]:04}"
        if self._chance(self.rates.new_card):
            one.cards = [self._card(one.kind), *one.cards[1:]]
        if one.kind in ("laptop", "desktop", "phone") and self._chance(self.rates.reinstalled):
            one.before["left"] = one.mdm_id if self._chance(0.3) else ""
            one.directory_id = self._uuid() if one.directory_id else ""
            one.mdm_id = self._uuid()
            if self._chance(0.3):
                self.names[one.kind] += 1
                one.name = f"{_PREFIX[one.kind]}{self.names[one.kind]:04}"

    def _exchange(self) -> None:
        """Two living machines of a kind swap their names: two people swapped desks, and names go by desk."""
        for kind in ("laptop", "desktop"):
            alive = [one for one in self.machines if one.kind == kind and one.gone is None and not one.record_wrong]
            swapping = [one for one in alive if one.asset and one.twin is None and self._chance(self.rates.exchanged)]
            for one, other in zip(swapping[::2], swapping[1::2], strict=False):
                one.name, other.name = other.name, one.name

    def _reuse(self) -> None:
        """The name of a retired machine goes to a new one, and its account was removed before. Nobody ordered a
        replacement, so nothing else is taken over.
        """
        for one in [m for m in self.machines if m.kind in ("laptop", "desktop") and m.gone and m.asset]:
            if self._shows_itself(one) and self._hardware_on_record(one) and self._chance(self.rates.reused):
                heir = self._machine(one.kind)
                heir.name, heir.born, heir.twin = one.name, one.gone, one
                heir.before = {**one.before, "cards": [], "record": {"address": ""}}

    def _replace(self, one: Machine) -> None:
        """Another machine takes the desk, the name and the address; the account is made anew (joining under an old
        account is refused to anybody but its owner). It is in daily use and enrolled as the old one was.
        """
        one.gone = NOW - self.dice.uniform(5, 40) * DAY
        heir = self._machine(one.kind)
        heir.name, heir.born = one.name, one.gone
        heir.before = {**one.before, "cards": [], "record": {"address": one.before["record"]["address"]}}
        heir.twin = one

    def _copies(self) -> None:
        for one in [m for m in self.machines if m.kind == "virtual_machine" and m.gone is None and m.asset]:
            if not self._chance(self.rates.copied):
                continue
            copy = self._machine("virtual_machine")
            copy.directory_id = ""  # nobody joined it: it uses the account of the original
            copy.name, copy.born, copy.twin = one.name, NOW - self.dice.uniform(1, 20) * DAY, one
            copy.before = {**one.before, "record": {"address": ""}}
            if self._chance(self.rates.copied_with_uuid):
                copy.uuid, copy.own_uuid, one.own_uuid = one.uuid, False, False
                self.shared_tokens.add(("uuid", one.uuid))

    def _newcomers(self) -> None:
        kinds = [k for k, _ in _KINDS]
        weights = [w for _, w in _KINDS]
        for _ in range(round(self.size * self.rates.without_asset)):
            one = self._machine(self.dice.choices(kinds, weights)[0])
            one.born = NOW - self.dice.uniform(0.5, 60) * DAY
            one.before = {"audited": False, "managed": self.has["mdm"] and self._chance(0.5), "record": {"address": ""}}
        for _ in range(round(self.size * self.rates.visitors)):
            one = self._machine("phone")
            one.born, one.mdm_id = NOW - self.dice.uniform(0, 5) * DAY, ""
            one.before = {"audited": False, "managed": False, "record": {"address": ""}}
        for one in self.machines:
            if one.kind == "phone":
                share = self.rates.private_phone if one.before["managed"] else min(0.95, self.rates.private_phone * 3)
                one.private = self._private() if self._chance(share) else ""
                one.says_name = (
                    self.dice.choice((*STOCK_NAMES, "", "", "")) if one.private or self._chance(0.7) else one.name
                )
                one.says_name = one.says_name or "iPhone"

    def _docks(self) -> None:
        laptops = [one for one in self.machines if one.kind == "laptop" and one.gone is None]
        users = [one for one in laptops if self._chance(self.rates.docked)]
        makers = (DOCK_OUI, DOCK_OUI, NAMELESS_OUI if self.has["dhcp"] else DOCK_OUI)
        docks = [f"{self.dice.choice(makers)}:{self._private()[9:]}" for _ in range(max(1, len(users) * 2 // 3))]
        for one in users:
            one.dock = self.dice.choice(docks)
        for dock in docks:
            # One laptop at a time: each leaves before the next one comes.
            turns = [one for one in users if one.dock == dock]
            ends = sorted((NOW - self.dice.uniform(0, 72) * HOUR for _ in turns), reverse=True)
            for at, one in enumerate(turns):
                start = ends[at] - self.dice.uniform(2, 40) * HOUR
                start = max(start, ends[at + 1]) if at + 1 < len(turns) else start
                one.docked = (start, ends[at] if at else NOW)

    # Where they are

    def _fresh(self) -> str:
        self.next_address += 1
        n = self.next_address
        return f"10.{n // 60000}.{n // 240 % 250}.{n % 240 + 10}"

    def _lease(self, since: dt.datetime) -> str:
        """An address of the pool: now and then one that another machine gave back before."""
        if self.freed and self._chance(0.5):
            at = self.dice.randrange(len(self.freed))
            if self.freed[at][0] < since:
                return self.freed.pop(at)[1]
        return self._fresh()

    def _connect(self) -> None:
        for one in self.machines:
            start = one.born or NOW - 90 * DAY
            fixed = one.before["record"].get("address", "")
            if one.kind in SETTLED:
                for card in one.cards[:1]:
                    one.addresses[card] = [(start, fixed or self._fresh())]
                continue
            for card in self._used(one):
                one.addresses[card] = [(start, self._lease(start))]
                if one.gone:
                    self.freed.append((one.gone, one.addresses[card][0][1]))
                elif self._chance(self.rates.lease_changed):
                    moved = max(start, NOW - self.dice.uniform(0, 48) * HOUR)
                    self.freed.append((moved, one.addresses[card][0][1]))
                    one.addresses[card].append((moved, self._lease(moved)))

    def _used(self, one: Machine) -> list[str]:
        """The cards with which it is on the network. A laptop in a dock is wired through the dock."""
        if one.private:
            return [one.private]
        if one.kind == "laptop":
            wired = [one.dock] if one.dock else ([one.cards[0]] if self._chance(0.4) else [])
            # One that uses docks is carried about, and on the wireless network now and then.
            return [*wired, one.cards[1]] if not wired or one.dock or self._chance(0.7) else wired
        return one.cards[:1]

    # What is seen

    def _see(  # noqa: PLR0917  # the fields of an observation, in their order
        self,
        source: str,
        one: Machine | None,
        at: dt.datetime,
        since: dt.datetime | None,
        identity: dict[str, Any],
        attributes: dict[str, Any] | None = None,
        *,
        asset: str | None = None,
    ) -> None:
        """One thing of one source; of two states under one key, the newer."""
        identity = {word: value for word, value in identity.items() if value}
        observation = Observation(self.made.customer, source, at, identity, asset, attributes or {})
        thing = thing_key(observation)
        start = min(since or at, at)
        before = self.found.get(f"{source}:{thing}")
        sighting = Sighting(self.made.customer, source, thing, start, at, 5, identity, asset, attributes or {}, {})
        if before is not None and before[0].last_seen >= at:
            self.made.history.append(sighting)
            return
        if before is not None:
            self.made.history.append(before[0])
        self.found[f"{source}:{thing}"] = sighting, one

    def _ago(self, low: float, high: float) -> dt.datetime:
        return NOW - self.dice.uniform(low, high) * HOUR

    def _observe(self) -> None:
        for one in self.machines:
            self._managed(one)
            self._account(one)
            if one.gone is None:
                self._audit(one)
            self._network(one)
        self._routers()
        self.made.sightings = [sighting for sighting, _one in self.found.values()]

    def _since(self, one: Machine, at: dt.datetime) -> dt.datetime:
        return max(one.born or NOW - 60 * DAY, at - self.dice.uniform(1, 40) * DAY)

    def _managed(self, one: Machine) -> None:
        if not (one.before["managed"] and one.mdm_id):
            return
        at = one.gone or self._ago(0, 72)
        phone = one.kind == "phone"
        wifi = one.cards[-1] if phone or one.kind == "laptop" else ""
        wired = one.cards[0] if not phone and self._chance(0.6) else ""
        if one.in_dock(at) and self._chance(0.3):
            wired = one.dock
        identity = {
            "serial": one.serial if one.own_serial or (one.serial.isalnum() and len(one.serial) > 2) else "",
            "mdm_id": one.mdm_id,
            "directory_id": one.directory_id if self.hybrid else "",
            "macs": sorted({card for card in (wifi, wired) if card}),
            "names": [one.name],
        }
        attributes = {"type": "phone" if phone else "workstation", "os": one.system}
        self._see("mdm", one, at, self._since(one, at), identity, attributes)
        if left := one.before.get("left"):
            old = NOW - self.dice.uniform(20, 90) * DAY
            stale = {**identity, "mdm_id": left, "directory_id": "", "names": [one.before["name"]]}
            self._see("mdm", one, old, old - 100 * DAY, stale, attributes)

    def _account(self, one: Machine) -> None:
        if not (self.has["directory"] and one.directory_id):
            return
        at = one.gone or self._ago(0, 14 * 24)
        if one.gone and (self._chance(0.4) or id(one) in self.succeeded):
            return  # removed; always where a successor was joined under the name
        identity = {"directory_id": one.directory_id, "names": [f"{one.name}.corp.example"]}
        self._see("directory", one, at, self._since(one, at), identity, {"os": one.system})

    def _audit(self, one: Machine) -> None:
        """An audit asks at the asset's name or address; whatever answers there is taken for the asset."""
        asset = one.asset
        if asset is None and one.twin is not None and one.twin.gone and one.kind == "server":
            asset = one.twin.asset if self._chance(0.5) else None
        if asset is None or not one.before["audited"] or (one.kind == "laptop" and self._chance(0.4)):
            return
        at = self._ago(3, 9)
        cards = [*one.cards, *([one.dock] if one.in_dock(at) else [])]
        addresses = sorted({a for card in cards if (a := one.address(card, at))})
        identity = {
            "serial": one.serial if one.own_serial or (one.serial.isalnum() and len(one.serial) > 2) else "",
            "uuid": one.uuid,
            "macs": sorted(cards),
            "names": [one.name.lower(), f"{one.name.lower()}.corp.example"],
            "addresses": addresses,
        }
        self._see("audit", one, at, self._since(one, at), identity, {"os": one.system}, asset=asset)
        self.made.facts[asset] = {
            "machine": {"serial": identity["serial"], "uuid": one.uuid},
            "hostname": {"name": one.name.lower()},
            "interfaces": [
                {"name": f"eth{i}", "mac": card, "addresses": [f"{a}/24"] if (a := one.address(card, at)) else []}
                for i, card in enumerate(cards)
            ],
        }
        audit = Audit(self.made.customer, asset, one.name, at, "ok", "0" * 64)
        self.made.audits[asset] = (audit, audit)

    def _network(self, one: Machine) -> None:
        for card in one.addresses:
            latest = one.gone or (one.docked[1] if one.docked and card == one.dock else NOW)
            settled = one.kind in SETTLED
            name = one.says_name or one.name
            ago = (NOW - latest) / HOUR
            if self.has["dhcp"] and (not settled or (one.kind == "printer" and self._chance(0.5))):
                at = self._ago(ago, ago + 12)
                # The server knows of an address from the moment it gives it.
                at = max([at, *(since for since, _address in one.addresses[card] if since <= latest)])
                if one.docked and card == one.dock:
                    at = max(at, one.docked[0])  # it asks for an address when it comes
                # Windows and macOS always send their name; printers, phones and small things not always.
                said = name if one.kind in ("laptop", "desktop") or self._chance(0.85) else ""
                self._wire(self._at_site("dhcp", one, card), one, card, at, said)
            if self.has["arp"] and (self._chance(0.9) or (one.twin is not None and one.kind in SETTLED)):
                self._wire("arp", one, card, self._ago(ago, ago + 2), "")
            if self._chance(0.25):
                self._wire("neighbours", one, card, self._ago(ago + 3, ago + 9), "")
            here = one.gone is None and (card != one.dock or one.in_dock(NOW))
            if self.has["mac-table"] and here and self._chance(0.8):
                self._see("mac-table", one, NOW, self._since(one, NOW), {"macs": [card]})
            if self.has["nmap"] and here and self._chance(0.75):
                self._scan(one, card, name)
        if one.kind == "network" and self.has["lldp"] and one.gone is None:
            self._see("lldp", one, self._ago(0, 3), NOW - 50 * DAY, {"macs": one.cards[:1], "names": [one.name]})

    def _wire(self, source: str, one: Machine, card: str, at: dt.datetime, name: str) -> None:
        address = one.address(card, at)
        if address and (card != one.dock or one.in_dock(at)):
            identity = {"macs": [card], "addresses": [address], "names": [name] if name else []}
            lease = max(since for since, held in one.addresses[card] if held == address and since <= at)
            self._see(source, one, at, max(self._since(one, at), lease), identity)

    def _scan(self, one: Machine, card: str, name: str) -> None:
        at = self._ago(1, 3)
        if card == one.dock and not one.in_dock(at):
            return
        address = one.address(card, at)
        if not address:
            return
        pointer = name if self._chance(0.5) else ""
        if pointer and self._chance(self.rates.stale_dns) and one.kind not in SETTLED:
            pointer = self.dice.choice(self.machines).name
        identity: dict[str, Any] = {"addresses": [address], "names": [f"{pointer}.corp.example"] if pointer else []}
        if self.local_scan:
            identity["macs"] = [card]
        scan = self._at_site("nmap", one, card)
        self._see(scan, one, at, self._since(one, at), identity, {"os": "Linux 2.6", "type": "network"})

    def _at_site(self, kind: str, one: Machine, card: str) -> str:
        """The source of that kind which sees it: a dock stays at its site, and of the machines every other is there."""
        if not self.two_sites:
            return kind
        number = int(card[-2:], 16) if card == one.dock else one.number
        return f"{kind}:{('hq', 'branch')[number % 2]}"

    def _routers(self) -> None:
        """Two routers with one virtual address, which NetBox lists for both."""
        routers = [one for one in self.machines if one.kind == "network" and one.gone is None and one.asset]
        if len(routers) < 4 or not self.has["arp"]:
            return
        self.shared = self._fresh()
        for one in routers[:2]:
            one.before["shared"] = self.shared
        self._see("arp", None, self._ago(0, 1), None, {"macs": ["00:00:5e:00:01:0a"], "addresses": [self.shared]})

    # What can be known of it

    def _judge(self) -> None:
        self._assets()
        Judge(self.made, self.records, self.found, self.machines, self.shared_tokens).judge()

    def _assets(self) -> None:
        made = self.made
        for one in self.machines:
            if one.asset is None:
                continue
            record = one.before["record"]
            kind, _, number = one.asset.partition(":")
            listed = (record["address"],) if record["listed"] and record["address"] else ()
            if one.before.get("shared"):
                listed = (*listed, one.before["shared"])
            values: dict[str, Any] = {
                "customer": made.customer,
                "status": "contracted",
                "asset_class": _CLASS[one.kind],
                "serial": record["serial"],
                "asset_tag": record["tag"] or None,
                "address": listed[0] if listed else None,
                "addresses": listed,
                "macs": tuple(record["cards"]),
            }
            made.assets.append(Asset(kind, int(number), one.before["name"], **values))
            self._on_record(one.asset, values, one.before["name"])
            if not one.record_wrong and self._chance(self.rates.twice) and kind == "device" and one.gone is None:
                # Somebody entered it again, by what the other entry lacks.
                again = {**values, "serial": one.serial, "macs": tuple(one.cards), "asset_tag": None}
                made.assets.append(Asset(kind, 10**6 + int(number), one.before["name"], **again))
                self._on_record(f"{kind}:{10**6 + int(number)}", again, one.before["name"])
                self.made.same_as[f"{kind}:{10**6 + int(number)}"] = one.asset
                one.record_wrong = True

    def _on_record(self, key: str, values: dict[str, Any], name: str) -> None:
        taught, facts = self.made.remembered.get(key, {}), self.made.facts.get(key, {})
        machine = facts.get("machine", {})
        interfaces = facts.get("interfaces", ())
        self.records[key] = {
            "serial": {s for s in (values["serial"], machine.get("serial"), *taught.get("serial", ())) if s},
            "uuid": {u for u in (machine.get("uuid"), *taught.get("uuid", ())) if u},
            "asset_tag": {values["asset_tag"]} if values["asset_tag"] else set(),
            "directory_id": set(taught.get("directory_id", ())),
            "mdm_id": set(taught.get("mdm_id", ())),
            "mac": {*values["macs"], *taught.get("macs", ()), *(i["mac"] for i in interfaces)},
            "name": {name.lower(), *([facts["hostname"]["name"]] if facts else [])},
            "settled": {"yes"} if values["asset_class"] in ("server", "network", "printer") else set(),
            "listed": set(values["addresses"]),
        }
