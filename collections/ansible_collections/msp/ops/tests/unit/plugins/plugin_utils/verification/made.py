# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Made customers with made evidence, for the tests of verification and of its pages. Nothing in it exists."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import (
    Asset,
    Contract,
    Customer,
    WarrantySource,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence
from ansible_collections.msp.ops.plugins.plugin_utils.identity.presumed import presumed
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Effort, Verification, verify

NOW = dt.datetime(2026, 11, 23, 15, 30, tzinfo=dt.UTC)
TODAY = NOW.date()
SLUG = "bakkerij-jansen"
HASH = "b19f4c02a77d" + "0" * 52


def customer(language: str = "nl", **changes: Any) -> Customer:
    dutch = language == "nl"
    terms: dict[str, Any] = {
        "id": "C-2026-014" if dutch else "C-2026-031",
        "start": dt.date(2026, 1, 1),
        "end": dt.date(2027, 12, 31),
        "monthly_fee": Decimal(1250),
        "currency": "EUR" if dutch else "GBP",
        "language": language,
        "timezone": "Europe/Amsterdam" if dutch else "Europe/London",
        "report_contact": "Marieke Jansen" if dutch else "Dr Amy Holt",
        **changes,
    }
    if dutch:
        return Customer(1, SLUG, "Bakkerij Jansen", Contract(**terms))
    return Customer(2, "harbour-dental", "Harbour Dental", Contract(**terms))


def asset(number: int = 1, name: str = "jansen-srv01", **changes: Any) -> Asset:
    values: dict[str, Any] = {"customer": SLUG, "status": "contracted", "asset_class": "server", **changes}
    return Asset(kind="device", id=number, name=name, **values)


def facts(**changes: Any) -> dict[str, Any]:
    """What an audit of jansen-srv01 finds when all is as promised."""
    body: dict[str, Any] = {
        "schema": 1,
        "os": {
            "id": "debian",
            "name": "Debian GNU/Linux",
            "version": "12",
            "codename": "bookworm",
            "support_end": "2028-06-30",
        },
        "hostname": {"name": "jansen-srv01"},
        "machine": {"serial": "CZJ1520KD7", "vendor": "HPE", "model": "ProLiant ML30 Gen10"},
        "interfaces": [{"name": "eth0", "mac": "52:54:00:12:34:01", "addresses": ["192.0.2.11/24"]}],
        "updates": {"known": True, "total": 0, "security": 0, "pending": []},
        "patches": {"last": "2026-11-18T03:12:00+00:00"},
        "reboot": {"needed": False, "reasons": []},
    }
    return body | changes


def audit(number: int = 1, outcome: str = "ok", at: dt.datetime = NOW - dt.timedelta(hours=1), **changes: Any) -> Audit:
    return Audit(
        SLUG,
        f"device:{number}",
        f"host{number}.{SLUG}",
        at,
        outcome,
        **{"facts_hash": HASH if outcome == "ok" else None, **changes},
    )


def sighting(
    source: str = "neighbours",
    *,
    mac: str | None = "b8:27:eb:4a:10:9c",
    address: str | None = "192.0.2.57",
    names: Sequence[str] = (),
    last: dt.datetime = NOW - dt.timedelta(hours=1),
    first: dt.datetime | None = None,
    **changes: Any,
) -> Sighting:
    identity: dict[str, Any] = {"names": list(names)} if names else {}
    identity |= {"macs": [mac]} if mac else {}
    identity |= {"addresses": [address]} if address else {}
    values: dict[str, Any] = {
        "thing": mac or address or "?",
        "count": 44,
        "identity": identity,
        "asset": None,
        "attributes": {},
        "place": {"seen_by": "jansen-srv01"},
        **changes,
    }
    return Sighting(
        customer=SLUG, source=source, first_seen=first or last - dt.timedelta(days=40), last_seen=last, **values
    )


def resolved(
    slug: str,
    assets: Sequence[Asset],
    sightings: Sequence[Sighting],
    found: Mapping[str, Mapping[str, Any]],
    audits: Mapping[str, tuple[Audit | None, Audit | None]],
) -> Resolution:
    """Who is who, by these facts of the last audits."""
    on_record, seen = evidence.gather(assets, sightings, facts=found, audits=audits, remembered={})
    return resolve(slug, on_record, seen)


@dataclass
class Made:
    """Everything that verify() takes, ready to be changed by a test."""

    customer: Customer
    assets: list[Asset]
    audits: dict[str, tuple[Audit | None, Audit | None]]
    facts: dict[str, Mapping[str, Any]]
    sightings: list[Sighting]
    effort: Effort | None = None
    made_by: str = "Noordkaap IT"
    now: dt.datetime = field(default=NOW)

    def verification(self) -> Verification:
        on_record, seen = evidence.gather(
            self.assets, self.sightings, facts=self.facts, audits=self.audits, remembered={}
        )
        resolution = resolve(self.customer.slug, on_record, seen)
        return verify(
            self.customer,
            self.assets,
            self.audits,
            self.facts,
            self.sightings,
            resolution=resolution,
            presumed=presumed(resolution, {one.key: one for one in on_record}),
            now=self.now,
            made_by=self.made_by,
            effort=self.effort,
        )


def small_office(language: str = "nl") -> Made:
    """One of everything: as agreed, differs, out of support, absent, not auditable, tracked, not in the contract."""
    dutch = language == "nl"
    whose, site = ("jansen", "winkel-haarlem") if dutch else ("harbour", "quay-street")
    one = customer(language)
    invoice = "factuur" if dutch else "invoice"

    def device(*what: Any, **changes: Any) -> Asset:
        number, name, kind = what
        values = {"customer": one.slug, "asset_class": kind, "site": site, **changes}
        return asset(number, f"{whose}-{name}", **values)

    def warranty(end: dt.date, *sources: WarrantySource) -> dict[str, Any]:
        return {"warranty_end": end, "warranty_sources": sources}

    date, gateway = dt.date, "f0:9f:c2:00:00:01"
    assets = [
        device(
            *(1, "srv01", "server"),
            **{"serial": "CZJ1520KD7", "vendor": "HPE", "model": "ProLiant ML30 Gen10", "platform": "debian-12"},
            **{"address": "192.0.2.11", "purchase": date(2023, 3, 15)},
            **warranty(date(2028, 3, 14), WarrantySource("HPE", date(2023, 3, 15), date(2028, 3, 14))),
        ),
        device(
            *(2, "ws01", "workstation"),
            **{"serial": "5CG2190XYZ", "vendor": "HP", "model": "EliteDesk 800 G6", "platform": "debian-12"},
            address="192.0.2.21",
            **warranty(
                date(2027, 1, 15),
                WarrantySource(invoice, date(2022, 1, 15), date(2027, 1, 15)),
                WarrantySource("HP", None, date(2026, 12, 31)),
            ),
        ),
        device(
            *(3, "ws02", "workstation"),
            **{"serial": "5CG2190XZA", "vendor": "HP", "model": "EliteDesk 800 G6", "platform": "debian-11"},
            address="192.0.2.22",
            **warranty(date(2025, 6, 1), WarrantySource(invoice, date(2020, 6, 1), date(2025, 6, 1))),
        ),
        device(4, "nas01", "server", serial="2130QWR004", vendor="Synology", model="DS220+", address="192.0.2.40"),
        device(
            *(5, "phone01", "mobile"),
            **{"serial": "R58N12345", "vendor": "Samsung", "model": "Galaxy A54"},
            **warranty(date(2027, 9, 30), WarrantySource(invoice, date(2025, 9, 30), date(2027, 9, 30))),
        ),
        device(6, "gw01", "network", status="tracked", address="192.0.2.1", macs=(gateway,)),
    ]

    def office(name: str, serial: str, last: int, **changes: Any) -> dict[str, Any]:
        network = [{"name": "eth0", "mac": f"52:54:00:12:34:{last}", "addresses": [f"192.0.2.{last}/24"]}]
        machine = {"serial": serial, "vendor": "HP", "model": "EliteDesk 800 G6"}
        return facts(**{"hostname": {"name": name}, "machine": machine, "interfaces": network, **changes})

    old = {"id": "debian", "name": "Debian GNU/Linux", "version": "11", "support_end": "2026-08-31"}
    pending = {"known": True, "total": 23, "security": 18, "pending": []}
    found: dict[str, Mapping[str, Any]] = {
        "device:1": facts(hostname={"name": f"{whose}-srv01"}),
        "device:2": office("reception-old", "5CG2190XYZ", 21, updates=pending, reboot={"needed": True}),
        "device:3": office(f"{whose}-ws02", "5CG2190XZA", 22, os=old),
    }

    good = {n: audit(n, summary={"encrypted": encrypted}) for n, encrypted in ((1, True), (2, False), (3, None))}
    audits: dict[str, tuple[Audit | None, Audit | None]] = {f"device:{n}": (a, a) for n, a in good.items()}
    audits["device:4"] = (None, audit(4, "unreachable", error="no route to host"))
    seen_by = {"seen_by": f"{whose}-srv01"}
    days = dt.timedelta
    sightings = [
        sighting(
            names=[f"{whose}-till02"],
            place=seen_by,
            attributes={"vendor": "Raspberry Pi Trading"},
            first=NOW - days(days=40),
        ),
        sighting("nmap", first=NOW - days(days=12), place={}),
        sighting(
            mac="3c:2a:f4:77:01:aa",
            address="192.0.2.80",
            last=NOW - days(hours=5),
            first=NOW - days(days=3),
            place=seen_by,
            attributes={"vendor": "Brother Industries"},
        ),
        sighting(mac=gateway, address="192.0.2.1", place=seen_by),
    ]
    sightings = [dataclasses.replace(seen, customer=one.slug) for seen in sightings]
    return Made(one, assets, audits, found, sightings, effort=None if dutch else Effort(95, 22))
