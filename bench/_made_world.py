"""What a made world consists of: how often things happen in it, its machines, and what is made of one customer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting

NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)

# Docks of the laptop's own maker pass the laptop's address on; others show one of their chip's maker. A third of these
# is of a maker that no list has.
DOCK_OUI, NAMELESS_OUI = "00:e0:4c", "7c:c2:c6"
# Kinds of machine whose address is given once and stays.
SETTLED = frozenset({"server", "virtual_machine", "network", "printer"})
STOCK_NAMES = ("iPhone", "iPad", "Galaxy-S21", "android-7f3a9c21d0e4b5")


@dataclass(frozen=True, slots=True)
class Rates:
    """How often things happen: a share of the machines (or of those it can happen to)."""

    renamed: float = 0.012
    new_card: float = 0.008
    reinstalled: float = 0.012
    replaced: float = 0.006
    exchanged: float = 0.004  # of living machines, in pairs: one has the other's name now
    retired: float = 0.03
    reused: float = 0.1  # of the names of what was retired: a new machine has it
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
    two_sites: float = 0.4  # of customers


USUAL = Rates()
# A rougher world.
ROUGH = Rates(
    renamed=0.03,
    new_card=0.015,
    reinstalled=0.03,
    replaced=0.012,
    exchanged=0.01,
    retired=0.06,
    reused=0.2,
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
    remembered: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # by asset key
    sightings: list[Sighting] = field(default_factory=list)
    history: list[Sighting] = field(default_factory=list)  # earlier states of the same things
    same_as: dict[str, str] = field(default_factory=dict)  # a machine's second entry in NetBox: the first one
    machine_of: dict[str, int] = field(default_factory=dict)
    asset_of: dict[str, str | None] = field(default_factory=dict)  # by sighting
    contested: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
