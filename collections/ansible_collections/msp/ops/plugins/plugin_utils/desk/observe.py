# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a customer's network through a list of sources; records what was seen and how complete each look was.

A source that fails stops no other, and its look is recorded as incomplete with the reason: it proves nothing. A file
that a tool exported is as old as it says, or as the file; read again, it is no second look. Decides nothing about
assets.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import ipaddress
import os
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Coverage, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.observe import (
    dhcp_dnsmasq,
    dhcp_isc,
    dhcp_kea,
    dhcp_windows,
    directory,
    mdm,
    network,
    nmap,
    scan,
    sources,
)
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import graph as live_graph
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import ldap as live_ldap
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import nmap as live_nmap
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import (
    Context,
    Reading,
    Skip,
    joined,
    unless_empty,
)
from ansible_collections.msp.ops.plugins.plugin_utils.observe.sources import Source
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.missing import SLACK
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

PREFIXES = "ipam/prefixes"
_PREFIX_FIELDS = ("id", "prefix", "vrf", "tenant", "custom_fields")
# An export of a hundred thousand computers is a tenth of this.
LARGEST_FILE = 512 * 1024 * 1024
SCAN_SECONDS = 3600
# Of the year 9999; a file may say more than a date can hold.
LAST_SECOND = 253402300799
RATE = 200
# Of what was skipped the first are named in a result; all are counted.
MOST_TOLD = 50


@dataclass(frozen=True, slots=True)
class Look:
    """What one source said, or why it said nothing. at is when it looked: of a file, when that says it was."""

    source: Source
    at: dt.datetime
    reading: Reading
    problems: tuple[MspError, ...] = ()

    @property
    def complete(self) -> bool:
        return self.reading.complete and not self.problems


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The customer's own prefixes, what may be scanned of them, and what others have inside or around those."""

    scannable: tuple[scan.ScanPrefix, ...]
    others: tuple[scan.ScanPrefix, ...]

    @property
    def networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        return [ipaddress.ip_network(one.prefix) for one in self.scannable]


def prefixes_of(register: Register, customer: str) -> Prefixes:
    """What NetBox says of the customer's prefixes, and of everybody else's inside or around those that may be scanned.

    Only what it marks as allowed is ever scanned.
    """
    rows = register.rows(PREFIXES, fields=_PREFIX_FIELDS, filters={"tenant": [customer]})
    own = tuple(_prefix_of(row) for row in rows)
    others: dict[int, Mapping[str, Any]] = {}
    for text in sorted({one.prefix for one in own if one.allowed}):
        for relation in ("within_include", "contains"):
            found = register.rows(PREFIXES, fields=_PREFIX_FIELDS, filters={relation: text})
            others |= {row["id"]: row for row in found if _owner(row) != customer}
    return Prefixes(own, tuple(_prefix_of(row, _owner(row)) for _unused, row in sorted(others.items())))


def _prefix_of(row: Mapping[str, Any], owner: str = "") -> scan.ScanPrefix:
    fields = row.get("custom_fields") or {}
    exclude = fields.get(names.SCAN_EXCLUDE) or ()
    if isinstance(exclude, str) or not all(isinstance(one, str) for one in exclude):
        raise MspError(
            "MSP-OBS-052",
            f"{names.SCAN_EXCLUDE} of prefix {row['prefix']} of {_owner(row) or 'nobody'} as a list of texts",
            repr(exclude)[:200],
            "correct it in NetBox, or run playbooks/onboard.yml with the contract file",
        )
    vrf = (row.get("vrf") or {}).get("id")
    return scan.ScanPrefix(str(row["prefix"]), fields.get(names.SCAN_ALLOWED) is True, tuple(exclude), vrf, owner)


def _owner(row: Mapping[str, Any]) -> str:
    """The customer whose prefix it is; empty where it is nobody's."""
    return str((row.get("tenant") or {}).get("slug", ""))


def look(customer: str, source: Source, prefixes: Prefixes) -> Look:
    """Look through one source. Whatever goes wrong with it is in the look; a defect of ours raises."""
    began = dt.datetime.now(dt.UTC)
    try:
        if source.kind == sources.NMAP and source.is_live:
            at, reading, problems = _scan(customer, source, prefixes)
        else:
            at, reading, problems = _WAYS[source.kind](customer, source)
    except MspError as error:
        return Look(source, began, Reading((), complete=False), (error,))
    return Look(source, at, _placed(unless_empty(reading), source, prefixes), problems)


def record(store: Store, customer: str, looks: Sequence[Look]) -> None:
    """Record what was seen, then how complete the looks were: a look whose sightings are lost must prove nothing."""
    store.record_observations(one for each in looks for one in each.reading.observations)
    store.record_coverages(_coverage(customer, each) for each in looks)


def _coverage(customer: str, each: Look) -> Coverage:
    reasons = [str(problem) for problem in each.problems]
    if not each.reading.complete:
        reasons += [f"{skip.where}: {skip.why}" for skip in each.reading.skipped[:3]]
    return Coverage(
        customer=customer,
        source=each.source.name,
        at=each.at,
        complete=each.complete,
        scope=each.reading.covered,
        seen=len(each.reading.observations),
        skipped=len(each.reading.skipped),
        reason="; ".join(reasons)[:2000],
    )


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of all sources of a customer."""

    looks: tuple[Look, ...]

    @property
    def summary(self) -> list[str]:
        """A line for each source."""
        return [_line(each) for each in self.looks]

    def as_dict(self) -> dict[str, Any]:
        """The module's result."""
        return {
            "looks": [_told(each) for each in self.looks],
            "failed_sources": {
                each.source.name: "; ".join(map(str, each.problems)) for each in self.looks if each.problems
            },
            "incomplete": [each.source.name for each in self.looks if not each.complete and not each.problems],
            "observations": sum(len(each.reading.observations) for each in self.looks),
            "summary": self.summary,
        }


def observe(store: Store, register: Register, customer: str, wanted: Sequence[Source], *, dry_run: bool) -> Observed:
    """Look through all sources and record every look as soon as it is done, so that a run that dies loses one at most.

    With dry_run everything is looked at, and nothing is recorded.
    """
    one_customer(register, customer)
    prefixes = prefixes_of(register, customer)
    looks = []
    for source in wanted:
        each = look(customer, source, prefixes)
        if not dry_run:
            record(store, customer, [each])
        looks.append(each)
    return Observed(tuple(looks))


def _line(each: Look) -> str:
    if each.problems and not each.reading.observations:
        return f"{each.source.name}: failed: {each.problems[0]}"
    state = "complete" if each.complete else "not complete, so what it did not see proves nothing"
    where = f" ({', '.join(each.reading.covered)})" if each.reading.covered else ""
    skipped = f"; {len(each.reading.skipped)} part(s) not used" if each.reading.skipped else ""
    return f"{each.source.name}: {len(each.reading.observations)} seen, {state}{where}{skipped}"


def _told(each: Look) -> dict[str, Any]:
    return {
        "source": each.source.name,
        "at": each.at.isoformat(timespec="seconds"),
        "complete": each.complete,
        "seen": len(each.reading.observations),
        "skipped": [f"{skip.where}: {skip.why}" for skip in each.reading.skipped[:MOST_TOLD]],
        "covered": list(each.reading.covered),
        "problems": [str(problem) for problem in each.problems],
    }


# -- one way a kind ---------------------------------------------------------------------------------------------------

Found = tuple[dt.datetime, Reading, tuple[MspError, ...]]


def _scanned(customer: str, source: Source) -> Found:
    return _file(customer, source.options["file"], nmap.parse)


def _scan(customer: str, source: Source, prefixes: Prefixes) -> Found:
    options = source.options
    plan = scan.plan_scan(
        prefixes.scannable, options.get("prefixes"), prefixes.others, interface=options.get("interface", "")
    )
    if not plan.targets:
        theirs = scan.strangers(prefixes.scannable, prefixes.others)
        raise MspError(
            "MSP-OBS-053",
            f"a prefix of {customer} in NetBox that may be scanned",
            f"none with the custom field {names.SCAN_ALLOWED}"
            + (f" that is not somebody else's in the same VRF too ({theirs[0].prefix})" if theirs else ""),
            "have the customer agree, set scan: true in the contract file and run playbooks/onboard.yml; "
            "or leave nmap out of this customer's sources",
        )
    decision = scan.Scan(
        plan,
        privileged=live_nmap.privileged(),
        services=options.get("services", False),
        os=options.get("os", False),
        rate=options.get("rate", RATE),
    )
    reading, problems = live_nmap.scan(decision, customer, options.get("seconds", SCAN_SECONDS))
    return dt.datetime.now(dt.UTC), reading, problems


def _leases(customer: str, source: Source) -> Found:
    options = source.options
    if options["format"] != "windows":
        parsers = {"isc": dhcp_isc.parse, "dnsmasq": dhcp_dnsmasq.parse, "kea": dhcp_kea.parse}
        return _file(customer, options["file"], parsers[options["format"]])
    name = options.get("timezone", "UTC")
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise MspError(
            "MSP-OBS-054",
            f"the time zone of the DHCP server of {customer}, as Europe/Amsterdam",
            repr(name),
            "correct timezone in the list of sources",
        ) from None
    return _file(customer, options["file"], lambda content, context: dhcp_windows.parse(content, context, zone))


def _computers(customer: str, source: Source) -> Found:
    options = source.options
    stale = options.get("stale_days", directory.STALE_DAYS)
    if not source.is_live:
        return _file(
            customer, options["file"], lambda content, context: directory.parse(content, context, stale_days=stale)
        )
    filters = {"active-directory": live_ldap.ACTIVE_DIRECTORY, "openldap": live_ldap.OPENLDAP}
    wanted = options.get("filter", "active-directory")
    asked = live_ldap.Directory(
        url=options["server"],
        user=options["user"],
        base=options["base"],
        filter=filters.get(wanted, wanted),
        ca_file=options.get("ca_file"),
    )
    answer = live_ldap.read(asked, options["password"])
    at = dt.datetime.now(dt.UTC)
    context = Context(customer, at, options["server"])
    return at, directory.computers(answer.entries, context, stale) + answer.missing, ()


def _devices(customer: str, source: Source) -> Found:
    options = source.options
    stale = options.get("stale_days", mdm.STALE_DAYS)
    if not source.is_live:
        return _file(customer, options["file"], lambda content, context: mdm.parse(content, context, stale_days=stale))
    asked = live_graph.Graph(
        token=options["token"] if "token" in options else _client(options),
        base=options.get("base", live_graph.GRAPH),
        ca_file=options.get("ca_file"),
    )
    rows = asked.managed_devices()
    at = dt.datetime.now(dt.UTC)
    return at, mdm.devices(rows, Context(customer, at, asked.base), stale), ()


def _client(options: Mapping[str, Any]) -> live_graph.Client:
    return live_graph.Client(
        options["tenant"], options["client_id"], options["client_secret"], options.get("login", live_graph.LOGIN)
    )


def _tables(customer: str, source: Source) -> Found:
    """The answers of one device. Its neighbours first: they tell which of its ports lead on to another switch."""
    device, platform = source.options["device"], source.options["platform"]
    moments, readings = [], []
    uplinks: frozenset[str] = frozenset()
    for answer in sorted(source.options["answers"], key=lambda one: "lldp" not in one["command"].casefold()):
        parse = functools.partial(
            network.parse, platform=platform, command=answer["command"], device=device, uplinks=uplinks
        )
        at, reading, _problems = _file(customer, answer["file"], parse)
        uplinks |= network.uplinks(reading, device)
        moments.append(at)
        readings.append(reading)
    return min(moments), joined(readings), ()


_WAYS: Mapping[str, Callable[[str, Source], Found]] = {
    sources.NMAP: _scanned,
    sources.DHCP: _leases,
    sources.DIRECTORY: _computers,
    sources.MDM: _devices,
    sources.NETWORK: _tables,
}


def _file(customer: str, name: str, parse: Callable[[bytes, Context], Reading]) -> Found:
    """Read a file that a tool exported: what it says is as old as it is, or as it says itself."""
    path = Path(name).expanduser()
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise MspError(
            "MSP-OBS-055",
            f"the export of {customer} as a file that can be read",
            f"{path}: {error.strerror or error}",
            "correct the path in the list of sources, or look why the export was not written",
        ) from None
    if len(content) > LARGEST_FILE:
        raise MspError(
            "MSP-OBS-055",
            f"an export of at most {LARGEST_FILE // 1024 // 1024} MiB",
            f"{path} is larger",
            "look whether this is the right file",
        )
    written, came = (
        dt.datetime.fromtimestamp(min(moment, LAST_SECOND), dt.UTC) for moment in (status.st_mtime, status.st_ctime)
    )
    if min(written, came) > dt.datetime.now(dt.UTC) + SLACK:
        raise MspError(
            "MSP-OBS-055",
            f"the export of {customer} to have been written before it is read",
            f"{path} is of {min(written, came):%Y-%m-%d %H:%M} UTC",
            "correct the clock of this machine, or that of the one that the file lies on",
        )
    at = min(written, came)
    reading = parse(content, Context(customer, at, str(path)))
    return *_dated(reading, at, written), ()


def _dated(reading: Reading, at: dt.datetime, written: dt.datetime) -> tuple[dt.datetime, Reading]:
    """When a file's source looked. at is when the file was written, or came here if that was before: a time of writing
    that somebody set, or that another machine's clock gave, may be still to come, and at is the same at every run.

    What was told by a clock that is wrong proves no absence.
    """
    if written > at + SLACK:
        late = f"the file says that it was written at {written:%Y-%m-%d %H:%M} UTC, after it came here"
    elif reading.at is not None and reading.at > at + SLACK:
        late = f"it says that it is of {reading.at:%Y-%m-%d %H:%M} UTC, and the file is older"
    else:
        return min(reading.at or at, at), reading
    doubt = Skip("the file", f"{late}: a clock is wrong, so it proves no absence")
    return min(reading.at or at, at), dataclasses.replace(reading, skipped=(doubt, *reading.skipped), complete=False)


# -- where it was seen ------------------------------------------------------------------------------------------------


# Sources that come upon addresses of others.
_FOREIGN_TOO = ("arp", nmap.SOURCE)


def _placed(reading: Reading, source: Source, prefixes: Prefixes) -> Reading:
    """The observations under the source's own name, each with the customer's prefix that it was in.

    What a router or a scan knows of addresses outside the customer's prefixes (a provider, another customer) is not
    kept, nor does a scan cover anything there.
    """
    networks = prefixes.networks
    reading = _ours(reading, networks)
    kept, foreign = [], 0
    for one in reading.observations:
        prefix = _prefix(one, networks)
        if one.source in _FOREIGN_TOO and prefix is None:
            foreign += 1
            continue
        name = f"{one.source}:{source.label}" if source.label else one.source
        place = one.place if prefix is None or "prefix" in one.place else {**one.place, "prefix": prefix}
        kept.append(dataclasses.replace(one, source=name, place=place))
    skipped = reading.skipped
    if foreign:
        skipped += (Skip(f"{foreign} of {len(reading.observations)} things", "outside the customer's own prefixes"),)
    return dataclasses.replace(reading, observations=tuple(kept), skipped=skipped)


def _ours(reading: Reading, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> Reading:
    """The same; of what a scan covered only the part inside these networks. When that is nothing, it proves nothing."""
    if not reading.covered:
        return reading
    four = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv6Network))
    ours: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = [*four, *six]
    covered = [ipaddress.ip_network(prefix) for prefix in reading.covered]
    parts = [max(a, b, key=lambda one: one.prefixlen) for a in covered for b in ours if a.overlaps(b)]
    if parts:
        return dataclasses.replace(reading, covered=tuple(dict.fromkeys(map(str, parts))))
    foreign = Skip("the scan", "proves no absence: all that it covered is outside the customer's own prefixes")
    return dataclasses.replace(reading, covered=(), skipped=(foreign, *reading.skipped), complete=False)


def _prefix(one: Observation, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str | None:
    """The narrowest of the customer's prefixes around one of its addresses."""
    addresses = [ipaddress.ip_address(text) for text in _texts(one.identity.get("addresses"))]
    around = [network for network in networks if any(a.version == network.version and a in network for a in addresses)]
    return str(max(around, key=lambda network: network.prefixlen)) if around else None


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []
