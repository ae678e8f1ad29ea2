"""The demo's second half: a computer that nobody listed is plugged in, and the next look says what it is and has cost.

The scans are real, and so is what they find. The ticket is an example: somebody called about that computer before
anybody knew of it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.msp.ops.plugins.plugin_utils.contract.desired import UNKNOWN
from ansible_collections.msp.ops.plugins.plugin_utils.desk.digest import spent_in
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Effort, Ticket
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.verification.unlisted import Thing
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification
from lab import hosts, lab
from lab.machines import BAKKERIJ_JANSEN
from msp_cli.console import step, table
from msp_cli.jobs import Job

NEWCOMER = "jansen-ws02"
# Packets a second: these are the lab's own networks, and nobody else is on them.
RATE = 2000
TICKET, MINUTES = "EXAMPLE-1042", 25


def look(job: Job, running: lab.Lab, store_url: str, slugs: Sequence[str], made_by: str) -> list[Path]:
    """Look at the customers' networks; plug the newcomer in where it is not, and look again. Returns new digests."""
    listed = job.build / "discovery.json"
    listed.write_text(
        json.dumps({"discover_sources": {slug: [{"source": "nmap", "services": True, "rate": RATE}] for slug in slugs}})
    )
    settings = json.dumps({"report_directory": str(job.build / "reports"), "report_made_by": made_by})
    before = _digests(job.build)
    job.play("look at the networks", "playbooks/discover.yml", "-e", f"@{listed}", "-e", settings)
    if not any(row["name"] == NEWCOMER for row in running.hosts):
        with step(f"somebody plugs in {NEWCOMER}"):
            rows = hosts.up(running.name, running.paths.hosts, step, also=[NEWCOMER])
        with Store.open(store_url) as store:
            ticket = _a_call_about_it(store)
        job.play("look again", "playbooks/discover.yml", "-e", f"@{listed}", "-e", settings)
        with Store.open(store_url) as store:
            _whose_ticket(store, ticket, next(row for row in rows if row["name"] == NEWCOMER))
    return sorted(_digests(job.build) - before)


def strangers(verifications: Sequence[Verification], store_url: str) -> str:
    """A row for everything that was seen and is in no contract: what it is, since when, and what it has cost."""
    header = ("customer", "seen, not in the contract", "address", "what it is", "first seen", "by", "minutes")
    rows = []
    with Store.open(store_url) as store:
        for one in verifications:
            cost = spent_in(store, one.customer.slug, *one.period)
            by_asset = cost.by_asset if cost is not None else {}
            rows += [(one.customer.name, *_row(thing, one, by_asset)) for thing in one.things]
    return table(header, rows) if rows else "Everything that was seen is known."


def _row(thing: Thing, verification: Verification, minutes: Mapping[str, float]) -> tuple[str, ...]:
    seen = thing.first_seen.astimezone(verification.zone) if thing.first_seen else None
    spent = minutes.get(thing.asset.key) if thing.asset is not None else None
    return (
        thing.name,
        thing.addresses[0] if thing.addresses else "",
        _what(thing),
        f"{seen:%Y-%m-%d %H:%M}" if seen else "",
        ", ".join(thing.sources),
        f"{spent:.0f}" if spent is not None else "not measured",
    )


def _what(thing: Thing) -> str:
    """What the sources and NetBox say of it, the surest first."""
    told = [str(one.attributes.get(key) or "") for key in ("type", "os") for one in thing.sightings]
    held = (thing.asset.asset_class or "") if thing.asset is not None else ""
    vendor = thing.vendor if thing.vendor != UNKNOWN else ""
    return ", ".join(dict.fromkeys(word for word in (held, vendor, thing.model, *told) if word)) or "unknown"


def _a_call_about_it(store: Store) -> Ticket:
    """Somebody calls about a computer, and nobody knows which: minutes outside the contract."""
    now = dt.datetime.now(dt.UTC)
    called = "The new computer at the counter can't print (example ticket)"
    ticket = Ticket(BAKKERIJ_JANSEN, "example", TICKET, now, title=called)
    store.record_tickets([ticket])
    effort = Effort(TICKET, BAKKERIJ_JANSEN, now, MINUTES, planned=False, in_contract=False, by="person", ticket=TICKET)
    store.record_effort([effort])
    return ticket


def _whose_ticket(store: Store, ticket: Ticket, newcomer: Mapping[str, object]) -> None:
    """Discovery has found it, so the ticket gets its asset."""
    news = [one for one in store.changes(ticket.customer) if one.kind == "new"]
    asset = next((one.asset for one in news if newcomer["mac"] in (one.detail.get("macs") or ())), None)
    store.record_tickets([dataclasses.replace(ticket, asset=asset)])


def _digests(build: Path) -> set[Path]:
    return set((build / "reports").glob("*/digest-*.html"))
