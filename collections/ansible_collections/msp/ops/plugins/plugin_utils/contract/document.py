# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A contract file, read: customer, contract, sites, prefixes, scope rules and where its asset lists are.

Pure: text in, dataclasses out. Every error of the file is reported at once, with its line; a file with one error
yields no document, but still says where its lists are, so that their errors can be told with its own. Does not read the
asset lists (assets.py does).
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import ipaddress
import itertools
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import schema, values, yamlfile
from ansible_collections.msp.ops.plugins.plugin_utils.contract.currencies import CURRENCIES
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, ScopeRule, SurchargeRule
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, Source, dotted

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# The shortest prefix that may be scanned, by IP version: a customer's office, never a provider or the whole Internet.
SHORTEST_SCANNED: Mapping[int, int] = {4: 16, 6: 120}
# Where no customer's machine has its address: a scan would meet the scanner itself, strangers, or nobody.
NEVER_SCANNED: Mapping[str, str] = {
    **dict.fromkeys(("0.0.0.0/8", "::/128"), "no address of a machine"),
    **dict.fromkeys(("127.0.0.0/8", "::1/128", "::ffff:0:0/96"), "loopback, the scanner itself"),
    **dict.fromkeys(("169.254.0.0/16", "fe80::/10"), "link-local"),
    **dict.fromkeys(("224.0.0.0/4", "ff00::/8"), "multicast"),
    "240.0.0.0/4": "reserved, or broadcast",
}


@dataclass(frozen=True, slots=True)
class Prefix:
    """A network of a customer. excluded are addresses, ranges (first-last) and networks in it that no scan touches."""

    network: Network
    scan: bool
    excluded: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """A place of a customer. slug is the customer's own word for it; NetBox gets <customer>-<slug>."""

    slug: str
    name: str
    address: str = ""
    prefixes: tuple[Prefix, ...] = ()


@dataclass(frozen=True, slots=True)
class AssetFile:
    """Where an asset list is and how to read it. mapping is field -> column heading, or JMESPath for JSON and YAML."""

    file: str
    sheet: str | None = None
    rows: str | None = None
    source: str = "asset list"
    dayfirst: bool | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lists:
    """What it takes to read the asset lists: where they are, and the sites they may name.

    complete: no list is left out because its entry in the contract file can't be read.
    """

    sites: tuple[Site, ...]
    files: tuple[AssetFile, ...]
    complete: bool = True

    def site(self, word: str) -> Site | None:
        """The site that an asset list names, by slug or by name."""
        wanted = word.strip().casefold()
        return next((site for site in self.sites if wanted in (site.slug, site.name.casefold())), None)


@dataclass(frozen=True, slots=True)
class Document:
    """What one contract file says of one customer; where its asset lists are is in Lists."""

    slug: str
    name: str
    group: str | None
    contract: Contract
    sites: tuple[Site, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """A contract file once read: the document, or what is wrong with it.

    customer is the slug in it, and lists say where its asset lists are, whenever those can be read; else None.
    """

    document: Document | None
    errors: tuple[MspError, ...]
    customer: str | None
    lists: Lists | None


class RefusedError(MspErrors):
    """Everything that is wrong in a contract file and its asset lists. customer is the slug in it, when it has one."""

    def __init__(self, errors: Sequence[MspError], customer: str | None) -> None:
        super().__init__(list(errors))
        self.customer = customer


def examine(text: str, name: str) -> Examined:
    """What is in the text of a contract file called name; raises only when it is no YAML."""
    source = yamlfile.read(text, name)
    errors = (*source.errors, *schema.violations(source), *_contradictions(source))
    slug = _at(source.data, "customer", "slug")
    return Examined(
        document=None if errors else _document(source.data),
        errors=errors,
        customer=slug if schema.is_slug(slug) else None,
        lists=_lists(source.data),
    )


def excluded_networks(excluded: str) -> list[Network]:
    """The networks that one exclusion stands for: an address, a network, or a range first-last."""
    if "-" in excluded:
        first, last = (ipaddress.ip_address(part.strip()) for part in excluded.split("-", 1))
        return list(ipaddress.summarize_address_range(first, last))  # type: ignore[type-var]
    return [ipaddress.ip_network(excluded, strict=True)]


def _document(data: Mapping[str, Any]) -> Document:
    customer = data["customer"]
    return Document(
        slug=customer["slug"],
        name=customer["name"].strip(),
        group=customer.get("group"),
        contract=_contract(data["contract"], data["scope"]),
        sites=tuple(_site(entry) for entry in data["sites"]),
    )


def _lists(data: Any) -> Lists | None:
    """The asset lists in data of any form. None when not every site has its words: no cell could be held against it."""
    words = [(_at(entry, "slug"), _at(entry, "name")) for entry in _items(data, "sites")]
    if not words or not all(isinstance(word, str) for pair in words for word in pair):
        return None
    sites = Lists(tuple(Site(slug, name.strip()) for slug, name in words), ())
    entries = _items(data, "assets")
    files = tuple(_asset_file(entry, sites) for entry in entries if schema.is_asset_file(entry))
    return replace(sites, files=files, complete=len(files) == len(entries))


def _asset_file(entry: Mapping[str, Any], sites: Lists) -> AssetFile:
    """An entry of assets; its default site by slug, as the rows have theirs."""
    defaults = dict(entry.get("defaults", {}))
    site = sites.site(defaults.get("site", ""))
    return AssetFile(**{**entry, "defaults": {**defaults, "site": site.slug} if site else defaults})


def _contract(terms: Mapping[str, Any], scope: Mapping[str, Mapping[str, Any]]) -> Contract:
    amounts: dict[str, Decimal | None] = {
        name: values.number(str(terms[name])) if name in terms else None
        for name in ("monthly_fee", "included_hours", "hourly_rate")
    }
    return Contract(
        id=str(terms["id"]),
        start=dt.date.fromisoformat(terms["start"]),
        end=dt.date.fromisoformat(terms["end"]) if "end" in terms else None,
        currency=terms["currency"],
        language=terms["language"],
        timezone=terms["timezone"],
        report_contact=terms.get("report_contact", ""),
        report_url=terms.get("report_url", ""),
        scope=tuple(ScopeRule(asset_class=name, **rule) for name, rule in sorted(scope.items())),
        surcharges=tuple(
            SurchargeRule(asset_class, reason, values.number(str(amount)))
            for asset_class, amounts in sorted(terms.get("surcharges", {}).items())
            for reason, amount in sorted(amounts.items())
        ),
        **amounts,
    )


def _site(entry: Mapping[str, Any]) -> Site:
    return Site(
        slug=entry["slug"],
        name=entry["name"].strip(),
        address=entry.get("address", ""),
        prefixes=tuple(
            Prefix(
                network=ipaddress.ip_network(prefix["prefix"]),
                scan=prefix["scan"],
                excluded=tuple(prefix.get("exclude", ())),
                description=prefix.get("description", ""),
            )
            for prefix in entry.get("prefixes", ())
        ),
    )


# -- what values mean together ------------------------------------------------------------------------------------


def _at(data: Any, *path: str | int) -> Any:
    """The value at a path of data that may have any form, or None."""
    for part in path:
        if isinstance(part, str) and isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(part, int) and isinstance(data, list) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _items(data: Any, *path: str | int) -> list[Any]:
    found = _at(data, *path)
    return found if isinstance(found, list) else []


def _contradictions(source: Source) -> Iterator[MspError]:
    yield from _terms(source)
    yield from _places(source)
    yield from _networks(source)
    yield from _rules(source)


def _problem(source: Source, code: str, path: Path, *words: str) -> MspError:
    expected, found, action = words
    return MspError(code, f"{dotted(path)} to be {expected}", f"{found} ({source.where(path)})", action)


def _terms(source: Source) -> Iterator[MspError]:
    terms = _at(source.data, "contract")
    days: dict[str, dt.date] = {}
    for name in ("start", "end"):
        text = _at(terms, name)
        if isinstance(text, str) and text:
            try:
                days[name] = dt.date.fromisoformat(text)
            except ValueError:
                yield _problem(
                    source, "MSP-CON-005", ("contract", name), "a date as 2026-12-31", repr(text), "correct it"
                )
    if len(days) == 2 and days["end"] < days["start"]:
        path: Path = ("contract", "end")
        found = f"{days['end']}, before the start {days['start']}"
        yield _problem(source, "MSP-CON-006", path, "on or after contract.start", found, "correct one of the two")
    for name in ("monthly_fee", "included_hours", "hourly_rate"):
        yield from _amount(source, ("contract", name))
    yield from _surcharges(source)
    currency = _at(terms, "currency")
    if isinstance(currency, str) and len(currency) == 3 and currency.isupper() and currency not in CURRENCIES:
        yield _problem(
            source,
            "MSP-CON-007",
            ("contract", "currency"),
            "a currency of ISO 4217",
            currency,
            "write EUR, for instance",
        )
    zone = _at(terms, "timezone")
    if isinstance(zone, str) and zone and zone not in _zones():
        near = difflib.get_close_matches(zone, _zones(), n=1, cutoff=0.6)
        advice = f"did you mean {near[0]}?" if near else "write Europe/Amsterdam, for instance"
        yield _problem(source, "MSP-CON-007", ("contract", "timezone"), "a time zone of the IANA list", zone, advice)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _surcharges(source: Source) -> Iterator[MspError]:
    table = _at(source.data, "contract", "surcharges")
    for asset_class, amounts in table.items() if isinstance(table, Mapping) else ():
        for reason in amounts if isinstance(amounts, Mapping) else ():
            yield from _amount(source, ("contract", "surcharges", asset_class, reason))


def _amount(source: Source, path: Path) -> Iterator[MspError]:
    value = _at(source.data, *path)
    if value is None or isinstance(value, bool | list | dict):
        return
    try:
        amount = values.number(str(value))  # as typed: 1.250 has two readings here too
    except ValueError as error:
        yield _problem(source, "MSP-CON-005", path, "an amount as 1250.00", str(error), "write it without doubt")
        return
    if amount < 0:
        yield _problem(source, "MSP-CON-005", path, "an amount of at least 0", str(value), "correct it")
    elif abs(amount) >= 10**9 or -int(amount.as_tuple().exponent) > 4:
        yield _problem(source, "MSP-CON-005", path, "below 10^9, with at most 4 decimals", str(value), "round it")


def _places(source: Source) -> Iterator[MspError]:
    for key in ("slug", "name"):
        first: dict[str, int] = {}
        for index, site in enumerate(_items(source.data, "sites")):
            value = _at(site, key)
            if not isinstance(value, str):
                continue
            other = first.setdefault(value.strip().casefold(), index)
            if other != index:
                path: Path = ("sites", index, key)
                where = dotted(("sites", other, key))
                yield _problem(
                    source, "MSP-CON-006", path, "unlike every other site's", f"{value}, as {where}", "change one"
                )
    for index, entry in enumerate(_items(source.data, "assets")):
        word = _at(entry, "defaults", "site")
        known = [(str(_at(site, "slug")), str(_at(site, "name")).casefold()) for site in _items(source.data, "sites")]
        if isinstance(word, str) and not any(word.strip().casefold() in names for names in known):
            path = ("assets", index, "defaults", "site")
            listed = ", ".join(slug for slug, _name in known)
            yield _problem(
                source, "MSP-CON-006", path, f"one of the sites ({listed})", word, "correct it or add the site"
            )


def _networks(source: Source) -> Iterator[MspError]:
    known: list[tuple[Path, Network]] = []
    for site, entry in enumerate(_items(source.data, "sites")):
        for index, prefix in enumerate(_items(entry, "prefixes")):
            text = _at(prefix, "prefix")
            if not isinstance(text, str) or not text:
                continue
            path: Path = ("sites", site, "prefixes", index)
            try:
                network = ipaddress.ip_network(text, strict=True)
            except ValueError as error:
                yield _problem(
                    source, "MSP-CON-005", (*path, "prefix"), "a network as 192.0.2.0/24", str(error), _correction(text)
                )
                continue
            known.append(((*path, "prefix"), network))
            if _at(prefix, "scan") is True:
                yield from _too_much(source, (*path, "prefix"), network)
            yield from _exclusions(source, path, network, _items(prefix, "exclude"))
    for (path, one), (other_path, other) in itertools.combinations(known, 2):
        if _overlap(one, other):
            found = f"{other}, which overlaps {one} of {dotted(path)}"
            yield _problem(
                source, "MSP-CON-006", other_path, "apart from every other prefix", found, "keep one, or narrow one"
            )


def _too_much(source: Source, path: Path, network: Network) -> Iterator[MspError]:
    """What nobody can have agreed to be scanned."""
    shortest = SHORTEST_SCANNED[network.version]
    never = next((why for text, why in NEVER_SCANNED.items() if _overlap(ipaddress.ip_network(text), network)), None)
    if network.prefixlen < shortest:
        wanted, action = f"/{shortest} or longer, to be scanned", "name the networks in use, or say scan: false"
        yield _problem(source, "MSP-CON-006", path, wanted, str(network), action)
    elif never:
        wanted, action = "a network of the customer's own, to be scanned", "correct it, or say scan: false"
        yield _problem(source, "MSP-CON-006", path, wanted, f"{network}, which is {never}", action)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _correction(text: str) -> str:
    try:
        return f"write {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        return "write the network's first address and its length"


def _exclusions(source: Source, path: Path, network: Network, excluded: list[Any]) -> Iterator[MspError]:
    for index, text in enumerate(excluded):
        if not isinstance(text, str) or not text:
            continue
        here: Path = (*path, "exclude", index)
        try:
            parts = excluded_networks(text)
        except (ValueError, TypeError) as error:
            wanted = "an address, a network, or a range first-last"
            yield _problem(source, "MSP-CON-005", here, wanted, str(error) or repr(text), "correct it")
            continue
        if not all(part.version == network.version and part.subnet_of(network) for part in parts):  # type: ignore[arg-type]
            yield _problem(source, "MSP-CON-006", here, f"inside {network}", text, "move it to the prefix it is in")


def _rules(source: Source) -> Iterator[MspError]:
    scope = _at(source.data, "scope")
    for name, rule in scope.items() if isinstance(scope, Mapping) else ():
        if _at(rule, "in_use_days") is not None and _at(rule, "in_use") is None:
            path: Path = ("scope", name, "in_use_days")
            yield _problem(
                source,
                "MSP-CON-006",
                path,
                "with an in_use beside it",
                "none",
                "say what counts as in use, as in_use: mdm",
            )
