"""Makes customers' networks whose truth is known: assets, what sources see of them, and what nobody could tell.

Written from how networks behave, and imports nothing of the package identity. Every number comes from one seed.

The world. A customer has machines: laptops, desktops, servers, virtual machines, network devices, printers, phones.
Most have an asset in NetBox, with gaps and a few typing errors; some have none (bought and forgotten; visitors). All
customers number their networks alike (10.0.x.0/24) and most give their machines the same names. Three of four
customers have been served for long: what earlier runs matched is remembered (ids, cards, serial numbers); the others
start.

What happens to machines since NetBox was last right (Rates): they are renamed, get a new card, are reinstalled (new
directory and MDM ids, the old MDM record may stay behind), are replaced by another machine that takes over name and
static address, are retired (their directory account stays); virtual machines are copied with or without a new UUID.
Laptops move between docks that have a card of their own; leases change and addresses go to the next machine; phones
make up their hardware addresses; two routers share an address and a virtual card; some makers leave a placeholder or
give one serial number to a whole batch; labels of two machines were swapped; a machine is in NetBox twice.

What sources see, with gaps: audit (only what ssh reaches: servers, virtual machines, some workstations), mdm,
directory, dhcp, arp, neighbours, mac-table, nmap (mostly from behind a router: an address, and a name out of reverse
DNS that may be of an earlier machine), lldp. Each thing of a source in its newest state, under the key that the
evidence store gives.

What cannot be decided. A judge who knows every kind of event, but not which of them happened, has the evidence only:
- contested: the evidence points at an asset and fits another ordinary event as well. Rules, in CONTESTED below.
- silent: nothing in the evidence points at the machine's asset at all (a made-up hardware address with a stock name,
  a card that nobody has on record and no name). No judge could match it; to call it new is all that can be done.
Everything else is decidable: a chain of evidence that belongs to one machine only leads to the record of its asset,
or the machine has none and nothing points at any.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import thing_key
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation, Sighting

NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)

CONTESTED = {
    "heir": "name or static address of an asset, on hardware that no record ties to it: its new card or its successor",
    "named twice": "a name only, and more than one machine is known to bear it",
    "new account": "a name with an id that is not on record, and nobody saw the machine under that name since",
    "address": "an address only, and no single machine was seen there within the day",
    "listed": "an address only, and all that speaks for anybody is NetBox's list",
    "hearsay": "a name from reverse DNS, which may be of whoever had the address before; nobody known to be there",
    "copied": "a virtual machine's UUID on two cards at the same time, and none of them is on record alone",
    "shared serial": "a serial number that several machines have, on a card that is on no record",
    "slip": "a serial number nearly that of NetBox, with too little else: a typing error, or the next of the same box",
    "record": "NetBox contradicts itself: swapped labels, one machine twice, or an audit that reached another machine",
    "dock": "nothing but the card of a dock that goes from laptop to laptop",
    "virtual": "an address that two routers share: no thing of its own",
    "strange name": "a card of one asset under the name of another that is not there",
}


@dataclass(frozen=True, slots=True)
class Rates:
    """How often things happen: a share of the machines (or of those it can happen to)."""

    renamed: float = 0.012
    new_card: float = 0.008
    reinstalled: float = 0.012
    replaced: float = 0.006
    retired: float = 0.03
    copied: float = 0.015  # of virtual machines
    copied_with_uuid: float = 0.5  # of the copies
    without_asset: float = 0.05
    visitors: float = 0.02
    docked: float = 0.25  # of laptops
    lease_changed: float = 0.3  # of clients, within the last two days
    placeholder: float = 0.03  # of desktops
    oem_customers: float = 0.12  # customers with desktops of a careless maker
    slips: float = 0.005  # of serial numbers in NetBox
    swapped: float = 0.0008
    twice: float = 0.0008
    serial_recorded: float = 0.88
    cards_recorded: float = 0.5
    private_phone: float = 0.3  # of managed phones; of others three times that, at most 0.95
    remembered: float = 0.97  # of what an earlier run could see
    long_served: float = 0.85  # of customers; the others are in their first months
    stale_dns: float = 0.03


USUAL = Rates()
# A rougher world.
ROUGH = Rates(
    renamed=0.03,
    new_card=0.015,
    reinstalled=0.03,
    replaced=0.012,
    retired=0.06,
    copied=0.03,
    copied_with_uuid=0.7,
    without_asset=0.1,
    visitors=0.04,
    docked=0.45,
    lease_changed=0.6,
    placeholder=0.1,
    oem_customers=0.3,
    slips=0.01,
    swapped=0.002,
    twice=0.002,
    serial_recorded=0.75,
    cards_recorded=0.3,
    private_phone=0.6,
    remembered=0.9,
    long_served=0.6,
    stale_dns=0.08,
)
# Nearly all customers are in their first months, with lists that lack most cards, and more of everything that moves.
YOUNG = Rates(
    renamed=0.02,
    new_card=0.01,
    reinstalled=0.04,
    replaced=0.01,
    retired=0.05,
    copied=0.05,
    copied_with_uuid=0.3,
    without_asset=0.15,
    visitors=0.06,
    docked=0.5,
    lease_changed=0.5,
    placeholder=0.05,
    oem_customers=0.25,
    slips=0.02,
    swapped=0.001,
    twice=0.003,
    serial_recorded=0.95,
    cards_recorded=0.3,
    private_phone=0.5,
    long_served=0.3,
    stale_dns=0.05,
)


@dataclass(slots=True, eq=False)
class Machine:
    """The truth of one machine. Names and ids are those of today; what was before is in `before`."""

    number: int
    kind: str
    serial: str
    uuid: str
    cards: list[str]
    name: str
    asset: str | None = None
    own_serial: bool = True  # False: a placeholder, or one that others have too
    own_uuid: bool = True
    tag: str = ""
    directory_id: str = ""
    mdm_id: str = ""
    dock: str = ""
    docked: tuple[dt.datetime, dt.datetime] | None = None  # from when to when it was in that dock, last
    private: str = ""
    says_name: str = ""  # what it calls itself on the network, where that is not its name
    system: str = ""
    addresses: dict[str, list[tuple[dt.datetime, str]]] = field(default_factory=dict)  # by card: since when which
    gone: dt.datetime | None = None
    before: dict[str, Any] = field(default_factory=dict)
    born: dt.datetime | None = None
    record_wrong: bool = False
    twin: Machine | None = None

    def in_dock(self, at: dt.datetime) -> bool:
        return self.docked is not None and self.docked[0] <= at <= self.docked[1]

    def address(self, card: str, at: dt.datetime) -> str:
        held = [address for since, address in self.addresses.get(card, ()) if since <= at]
        return held[-1] if held else ""


@dataclass(slots=True)
class Made:
    """One customer: what the product gets to see, and the truth. Sightings are known by "source:thing"."""

    customer: str
    assets: list[Asset] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    audits: dict[str, tuple[Audit | None, Audit | None]] = field(default_factory=dict)
    remembered: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    sightings: list[Sighting] = field(default_factory=list)
    history: list[Sighting] = field(default_factory=list)  # earlier states of the same things
    same_as: dict[str, str] = field(default_factory=dict)  # a machine's second entry in NetBox: the first one
    machine_of: dict[str, int] = field(default_factory=dict)
    asset_of: dict[str, str | None] = field(default_factory=dict)  # by sighting
    contested: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)


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
# Docks of the laptop's own maker pass the laptop's address on; others show one of their chip's maker. A third of these
# is of a maker that no list has.
_DOCK_OUI, _NAMELESS_OUI = "00:e0:4c", "7c:c2:c6"
_SETTLED = frozenset({"server", "virtual_machine", "network", "printer"})
_JOINED = frozenset({"laptop", "desktop", "server", "virtual_machine"})
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
_STOCK = ("iPhone", "iPad", "Galaxy-S21", "android-7f3a9c21d0e4b5", "", "", "")


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
        tail = ":".join(f"{self.dice.randrange(256):02x}" for _ in range(3))
        return f"{self.dice.choice(_OUI[kind])}:{tail}"

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
            settled = one.kind in _SETTLED
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
        """What earlier runs matched is on record with the asset, as it was then."""
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
            if self._chance(self.rates.retired):
                one.gone = NOW - self.dice.uniform(3, 60) * DAY
            elif self._hardware_on_record(one) and self._chance(self.rates.replaced):
                self._replace(one)
            else:
                self._alter(one)
        self.succeeded = {id(one.twin) for one in self.machines if one.twin is not None}
        self._copies()
        self._newcomers()
        self._docks()

    def _hardware_on_record(self, one: Machine) -> bool:
        """An entry without any names a role, and whoever fills it is it; so it is with a virtual machine."""
        record, taught = one.before["record"], self.made.remembered.get(str(one.asset), {})
        known = record["serial"] or record["cards"] or taught.get("macs") or taught.get("serial")
        return bool(known) and one.kind != "virtual_machine"

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
                one.says_name = self.dice.choice(_STOCK) if one.private or self._chance(0.7) else one.name
                one.says_name = one.says_name or "iPhone"

    def _docks(self) -> None:
        laptops = [one for one in self.machines if one.kind == "laptop" and one.gone is None]
        users = [one for one in laptops if self._chance(self.rates.docked)]
        makers = (_DOCK_OUI, _DOCK_OUI, _NAMELESS_OUI if self.has["dhcp"] else _DOCK_OUI)
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
            if one.kind in _SETTLED:
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
            settled = one.kind in _SETTLED
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
                self._wire("dhcp", one, card, at, said)
            if self.has["arp"] and self._chance(0.9):
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
        if pointer and self._chance(self.rates.stale_dns) and one.kind not in _SETTLED:
            pointer = self.dice.choice(self.machines).name
        identity: dict[str, Any] = {"addresses": [address], "names": [f"{pointer}.corp.example"] if pointer else []}
        if self.local_scan:
            identity["macs"] = [card]
        self._see("nmap", one, at, self._since(one, at), identity, {"os": "Linux 2.6", "type": "network"})

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
        _Judge(self).judge()

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
            "listed": set(values["addresses"]),
        }


_HARD = ("serial", "uuid", "asset_tag", "directory_id", "mdm_id", "mac")
_BODY = ("serial", "uuid", "mac")


@dataclass(slots=True, eq=False)
class _Part:
    """Sightings of one machine that evidence of its own ties together, with what they show."""

    machine: Machine
    sightings: list[Sighting]
    shows: dict[str, set[str]]
    asset: str | None = None  # the record that they lead to
    word: str = ""  # what can be known of them


class _Judge:
    """Says of every sighting what a perfect judge could know. Knows the truth only to know which evidence is whose."""

    def __init__(self, network: _Network) -> None:
        self.made, self.records, self.found = network.made, network.records, network.found
        self.own: dict[tuple[str, str], set[int]] = defaultdict(set)
        for sighting, one in self.found.values():
            for kind, values in _shown(sighting).items():
                for value in values:
                    self.own[kind, value].add(one.number if one else 0)
        self.names_of: dict[str, set[str]] = defaultdict(set)
        self.cards_of: dict[str, set[str]] = defaultdict(set)
        for sighting in (*(s for s, _one in self.found.values()), *network.made.history):
            for name in _shown(sighting)["name"]:
                self.cards_of[name] |= set(sighting.identity.get("macs", ()))
                for card in sighting.identity.get("macs", ()):
                    self.names_of[card].add(name)
        self.machines = {one.number: one for one in network.machines}
        # A dock's card belongs to no machine, where its maker or two machines tell; nor does what makers or copies
        # share.
        docks = {one.dock for one in network.machines if one.dock}
        self.nobodys = network.shared_tokens | {
            ("mac", dock) for dock in docks if dock.startswith(_DOCK_OUI) or self._two_show(dock)
        }

    def judge(self) -> None:  # noqa: PLR0912 (rules in their order; apart they would say less)
        of_machine: dict[int, list[Sighting]] = defaultdict(list)
        self.of_asset: dict[str, list[Sighting]] = defaultdict(list)
        for key, (sighting, one) in self.found.items():
            if one is not None and one.asset is not None:
                self.of_asset[one.asset].append(sighting)
            self.made.machine_of[key] = one.number if one else 0
            self.made.asset_of[key] = one.asset if one else None
            if one is None:
                self.made.contested[key] = "virtual"
            else:
                of_machine[one.number].append(sighting)
        parts = [part for number, seen in of_machine.items() for part in self._parts(self.machines[number], seen)]
        self.listed: dict[str, set[str]] = defaultdict(set)
        self.named: dict[str, set[str]] = defaultdict(set)
        for key, record in self.records.items():
            for address in record["listed"]:
                self.listed[address].add(key)
            for name in record["name"]:
                self.named[name].add(key)
        self.bearers: dict[str, set[str | _Part]] = defaultdict(set)
        self.at: dict[str, list[tuple[dt.datetime, dt.datetime, str | _Part, str]]] = defaultdict(list)
        self.seen_at: dict[str, list[tuple[dt.datetime, str]]] = defaultdict(list)
        self.shown_by: dict[str, set[_Part]] = defaultdict(set)
        for key, record in self.records.items():
            for name in record["name"]:
                self.bearers[name].add(key)
        bodies = [part for part in parts if _has_body(part, self.nobodys)]
        for part in parts:
            if part.shows["name"] or part.shows["serial"]:
                for card in part.shows["mac"]:
                    self.shown_by[card].add(part)
        for part in bodies:
            for name in part.shows["name"]:
                self.bearers[name].add(part.asset or part)
            if part.asset is None:
                # At the settled address of an asset it may be that asset.
                for key in self._pointed(part):
                    if not self._another(part, key):
                        for name in self.records[key]["name"]:
                            self.bearers[name].add(part)
            self._places(part)
        for part in bodies:
            self._mark(part, self._of_body(part))
        bodiless = [part for part in parts if not _has_body(part, self.nobodys)]
        named = [part for part in bodiless if part.shows["name"]]
        for part in (*named, *(part for part in bodiless if not part.shows["name"])):
            word = self._of_shade(part)
            self._mark(part, word)
            if part.shows["mac"] or part.shows["private"]:
                self._places(part)

    def _two_show(self, card: str) -> bool:
        """Do two names show it, now or before, and a card of their own besides?"""
        return sum(bool(self.cards_of[name] - {card}) for name in self.names_of[card]) > 1

    def _places(self, part: _Part) -> None:
        for sighting in part.sightings:
            for address in sighting.identity.get("addresses", ()):
                macs = sighting.identity.get("macs", ())
                card = macs[0] if len(macs) == 1 else ""
                self.at[address].append((sighting.first_seen, sighting.last_seen, part.asset or part, card))
                self.seen_at[card].append((sighting.last_seen, address))

    def _mark(self, part: _Part, word: str) -> None:
        part.word = word
        for sighting in part.sightings:
            key = f"{sighting.source}:{sighting.thing}"
            if word == "silent":
                self.made.silent.add(key)
            elif word:
                self.made.contested[key] = word

    def _is_own(self, kind: str, value: str) -> bool:
        return kind in _HARD and (kind, value) not in self.nobodys and not _stock(kind, value)

    def _parts(self, one: Machine, seen: list[Sighting]) -> list[_Part]:
        """Tie together what shares evidence that is this machine's own; lead it to the asset whose record has that."""
        groups: list[_Part] = []
        for sighting in seen:
            part = _Part(one, [sighting], defaultdict(set, _shown(sighting)))
            rest = []
            for other in groups:
                if self._tied(part.shows, other.shows):
                    part.sightings += other.sightings
                    for kind, values in other.shows.items():
                        part.shows[kind] = part.shows[kind] | values
                else:
                    rest.append(other)
            groups = [*rest, part]
        record = self.records.get(one.asset or "")
        for part in groups:
            if record is not None and self._tied(part.shows, record):
                part.asset = one.asset
        return groups

    def _tied(self, mine: dict[str, set[str]], theirs: dict[str, set[str]]) -> bool:
        own = any(
            self._is_own(kind, value) for kind in _HARD for value in mine.get(kind, set()) & theirs.get(kind, set())
        )
        # A passing card says so only together with where it was.
        passing = bool(mine["mac"] & theirs["mac"]) and bool(mine["address"] & theirs.get("address", set()))
        return own or passing or bool(mine["private"] & theirs.get("private", set()))

    def _of_body(self, part: _Part) -> str:  # noqa: PLR0911 (rules in their order; apart they would say less)
        """What can be known of sightings that show hardware: "" decidable, "silent", or a word of CONTESTED."""
        one = part.machine
        if one.record_wrong or self._reached_another(part):
            return "record"
        if part.asset is not None:
            return self._with_record(part)
        shared = {(k, v) for k in ("serial", "uuid") for v in part.shows[k] if (k, v) in self.nobodys}
        if any(kind == "uuid" for kind, _value in shared):
            return "copied"
        if any(2 <= len(self.own[token] | self._recorded(token)) < 10 for token in shared):
            return "shared serial"
        if any(s.asset for s in part.sightings):
            return "record"
        for key in self._pointed(part):
            if not self._another(part, key):
                return "slip" if self._slipped(part, key) else "heir"
        return "silent" if one.asset else ""

    def _recorded(self, token: tuple[str, str]) -> set[int]:
        return {-hash(key) for key, record in self.records.items() if token[1] in record[token[0]]}

    def _reached_another(self, part: _Part) -> bool:
        """Did an audit of an asset reach this machine, which is another; or this asset's audit another machine?"""
        if any(s.asset and s.asset != part.machine.asset for s in part.sightings):
            return True
        facts = self.made.facts.get(part.machine.asset or "")
        return facts is not None and facts["interfaces"][0]["mac"] not in part.machine.cards

    def _with_record(self, part: _Part) -> str:
        record = self.records[str(part.asset)]
        if self._slipped(part, str(part.asset)):
            ties = sum(bool(part.shows[k] & record.get(k, set())) for k in (*_HARD, "name"))
            if ties < 2:
                return "slip"
        strange = {key for name in part.shows["name"] for key in self.named.get(name, ())} - {part.asset}
        if strange and not part.shows["name"] & record["name"] and not (part.shows["serial"] or part.shows["uuid"]):
            return "strange name"
        return ""

    def _slipped(self, part: _Part, key: str) -> bool:
        """Another serial number than on record, where everything of the record's was said by NetBox."""
        mine, theirs = part.shows["serial"], self.records[key]["serial"]
        return bool(mine) and bool(theirs) and not mine & theirs and any(_near(a, b) for a in mine for b in theirs)

    def _pointed(self, part: _Part) -> Iterable[str]:
        """Assets that this bears the name of, or sits at the settled address of."""
        for name in sorted(part.shows["name"] | part.shows["heard"]):
            yield from sorted(self.named.get(name, ()))
        settled = part.machine.kind in _SETTLED
        for address in sorted(part.shows["address"]):
            for key in sorted(self.listed.get(address, ())):
                if settled or not self.records[key]["mac"]:
                    names = self.records[key]["name"]
                    if not part.shows["name"] or part.shows["name"] & names:
                        yield key

    def _another(self, part: _Part, key: str) -> bool:
        """Is it proved to be another machine: both serial numbers or UUIDs known, and more than a slip apart?"""
        record = self.records[key]
        for kind in ("serial", "uuid"):
            mine = {v for v in part.shows[kind] if self._is_own(kind, v)}
            theirs = {v for v in record[kind] if self._is_own(kind, v)}
            if mine and theirs and not mine & theirs and not any(_near(a, b) for a in mine for b in theirs):
                return True
        return False

    def _of_shade(self, part: _Part) -> str:  # noqa: PLR0911 (rules in their order; apart they would say less)
        """What can be known of sightings that show no hardware of their own."""
        one = part.machine
        if one.record_wrong:
            return "record"
        if part.asset is not None:
            return ""
        docked = bool(part.shows["mac"])
        silent = "silent" if one.asset else ""
        if part.shows["name"]:
            bearers = {who for name in part.shows["name"] for who in self.bearers.get(name, ())}
            if len(bearers) > 1:
                return "named twice"
            if not bearers:
                return silent
            (who,) = bearers
            part.asset = who if isinstance(who, str) and who == one.asset else None
            return who.word if isinstance(who, _Part) else self._new_account(part, who)
        heard = {who for name in part.shows["heard"] for who in self.bearers.get(name, ())}
        at = self._there(part)
        if docked:
            known = any(self.shown_by[card] - {part} for card in part.shows["mac"])
            return "" if len(at) == 1 and "" not in at else ("dock" if known else silent)
        if part.shows["private"]:
            return silent
        if len(at) == 1 and "" not in at:
            (who,) = at
            if heard and not at <= heard:
                return "hearsay"
            return who.word if isinstance(who, _Part) else ""
        if at:
            return "address"
        if heard:
            return "hearsay"
        if any(self.listed.get(address) for address in part.shows["address"]):
            return "listed"
        return silent

    def _there(self, part: _Part) -> set[str | _Part]:
        """Who is known to have been at this address within the day."""
        there: set[str | _Part] = set()
        for sighting in part.sightings:
            for address in sighting.identity.get("addresses", ()):
                for since, at, who, card in self.at.get(address, ()):
                    gap = abs(at - sighting.last_seen)
                    if gap > DAY or (part.shows["mac"] and card not in part.shows["mac"]):
                        continue
                    moved = any(abs(t - sighting.last_seen) < gap and a != address for t, a in self.seen_at[card])
                    later = since > sighting.last_seen
                    there.add("" if (card and moved) or later else who)
        return there

    def _new_account(self, part: _Part, who: str) -> str:
        record = self.records.get(who)
        if record is None:
            return ""
        mine, theirs = part.shows["directory_id"], record["directory_id"]
        since = min(s.first_seen for s in part.sightings)
        machine = [s for s in self.of_asset[who] if s.identity.get("macs") or s.identity.get("serial")]
        if mine and theirs and not mine & theirs:
            there = any(s.last_seen >= since and part.shows["name"] & _shown(s)["name"] for s in machine)
            return "" if there else "new account"
        last = max((s.last_seen for s in machine), default=None)
        until = max(s.last_seen for s in part.sightings)
        return "new account" if last is not None and last < since and last + DAY < until else ""


def _has_body(part: _Part, nobodys: set[tuple[str, str]]) -> bool:
    return any((kind, value) not in nobodys and not _stock(kind, value) for kind in _BODY for value in part.shows[kind])


def _stock(kind: str, value: str) -> bool:
    return kind == "serial" and not (value.isalnum() and len(value) > 4)


def _near(one: str, other: str) -> bool:
    """One character is wrong, or two are swapped."""
    if len(one) != len(other) or one == other:
        return False
    wrong = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(wrong) == 1:
        return True
    return len(wrong) == 2 and one[wrong[0]] == other[wrong[1]] and one[wrong[1]] == other[wrong[0]]


_STOCK_NAMES = frozenset(name.lower() for name in _STOCK)


def _shown(sighting: Sighting) -> dict[str, set[str]]:
    """What one sighting shows, by kind. A name that a scan has from reverse DNS is hearsay."""
    identity = sighting.identity
    shows: dict[str, set[str]] = {kind: {identity[kind]} for kind in _HARD if kind in identity}
    macs = identity.get("macs", ())
    shows["mac"] = {mac for mac in macs if not int(mac[:2], 16) & 2}
    shows["private"] = {mac for mac in macs if int(mac[:2], 16) & 2}
    names = {name.partition(".")[0].lower() for name in identity.get("names", ())} - _STOCK_NAMES
    heard = sighting.source == "nmap"
    shows["name"], shows["heard"] = (set(), names) if heard else (names, set())
    shows["address"] = set(identity.get("addresses", ()))
    for kind in _HARD:
        shows.setdefault(kind, set())
    return shows
