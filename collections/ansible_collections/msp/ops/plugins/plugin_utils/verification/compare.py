# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was promised against what was found, for one asset. Pure: the caller brings the evidence and the clock.

Never says "absent" where nobody could have looked: a phone, a host without Python and an asset that was not tried yet
are "not audited", with the reason.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Contract, WarrantySource
from ansible_collections.msp.ops.plugins.plugin_utils.contract.status import warranty_end, warranty_state
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting

# What became of a promised asset.
PRESENT = "present"
DIFFERS = "differs"
SEEN = "seen"
NOT_AUDITED = "not_audited"
ABSENT = "absent"
STATES = (PRESENT, DIFFERS, SEEN, NOT_AUDITED, ABSENT)
FOUND = (PRESENT, DIFFERS, SEEN)

# Why there is no audit.
NEVER_TRIED = "never"
STALE = "stale"
NO_SSH = "no_ssh"
PERHAPS = "perhaps"
UNREACHABLE = "unreachable"
NO_PYTHON = "no_python"
FAILED = "failed"

# The audit reaches these classes over ssh only by exception: no attempt says nothing about them.
WITHOUT_SSH = frozenset({"network", "mobile", "printer", "private"})
# These sleep, roam and go home: an attempt without an answer says nothing about them either.
SILENT = frozenset({"mobile", "private"})

FRESH_DAYS = 30
SUPPORT_NOTICE_DAYS = 180
SUPPORTED, SUPPORT_ENDING, SUPPORT_ENDED, SUPPORT_UNKNOWN = "supported", "ending", "ended", "unknown"

_NO_MODEL = frozenset({"", "unknown", "generic", "onbekend", "other"})
_SPELLING = {"rhel": "RHEL", "macos": "macOS", "ios": "iOS", "ipados": "iPadOS", "gnu": "GNU", "lts": "LTS"}
_SHORT_VERSION = re.compile(r"\s+\d+(\.\d+)*(\s*\([^)]*\))?$")
_WORD = re.compile(r"[a-z]+|\d+")
# Words of a platform's name that say nothing about which system it is.
_FILLER = frozenset({"linux", "gnu", "os", "server", "lts", "x", "bit", "amd", "the", "edition"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the evidence store knows of one asset."""

    ok: Audit | None = None
    attempt: Audit | None = None
    facts: Mapping[str, Any] | None = None
    sightings: tuple[Sighting, ...] = ()
    perhaps: dt.datetime | None = None  # when something was last seen of which nobody can say whether it is this asset


@dataclass(frozen=True, slots=True)
class Difference:
    """One promise that reality does not keep. what: hostname, serial, model, os, address or mac."""

    what: str
    promised: str
    found: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The evidence row behind a statement: where it is kept, from which source, of which time."""

    source: str
    at: dt.datetime
    reference: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Warranty:
    state: str
    end: dt.date | None
    purchase: dt.date | None
    sources: tuple[WarrantySource, ...]

    @property
    def disagree(self) -> bool:
        """True when two sources name different last days."""
        return len({s.warranty_end for s in self.sources if s.warranty_end is not None}) > 1


@dataclass(frozen=True, slots=True)
class Condition:
    """How the machine is doing, as last audited. None everywhere means "not measured"."""

    os: str | None = None
    support_end: dt.date | None = None
    support: str = SUPPORT_UNKNOWN
    pending: int | None = None
    security: int | None = None
    last_patched: dt.datetime | None = None
    reboot: bool | None = None
    encrypted: bool | None = None
    at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One contracted asset with what was promised and what was found."""

    asset: Asset
    state: str
    reason: str | None
    last_seen: dt.datetime | None
    tried: dt.datetime | None
    seen_by: tuple[str, ...]
    differences: tuple[Difference, ...]
    warranty: Warranty
    condition: Condition
    proofs: tuple[Proof, ...] = field(default=())


def compare(asset: Asset, evidence: Evidence, now: dt.datetime, today: dt.date, contract: Contract | None) -> Compared:
    """Decide what became of one promised asset. today is the customer's calendar date at now."""
    fresh = dt.timedelta(days=fresh_days(asset, contract))
    audited = evidence.ok is not None and now - evidence.ok.at <= fresh
    last_seen = _last_seen(evidence)
    differences = tuple(_differences(asset, evidence)) if audited else ()
    state, reason = _state(asset, evidence, audited, last_seen is not None and now - last_seen <= fresh)
    if state in (NOT_AUDITED, ABSENT) and evidence.perhaps is not None and now - evidence.perhaps <= fresh:
        state, reason = NOT_AUDITED, PERHAPS
    if state == PRESENT and differences:
        state = DIFFERS
    return Compared(
        asset=asset,
        state=state,
        reason=reason,
        last_seen=last_seen,
        tried=evidence.attempt.at if evidence.attempt else None,
        seen_by=_seen_by(evidence),
        differences=differences,
        warranty=Warranty(warranty_state(asset, today), warranty_end(asset), _purchase(asset), asset.warranty_sources),
        condition=condition(evidence, today),
        proofs=tuple(_proofs(evidence)),
    )


def fresh_days(asset: Asset, contract: Contract | None) -> int:
    """How many days a sighting counts: what the contract says "in use" means for the class, else thirty."""
    for rule in contract.scope if contract else ():
        if rule.asset_class == asset.asset_class and rule.in_use_days:
            return rule.in_use_days
    return FRESH_DAYS


def _state(asset: Asset, evidence: Evidence, audited: bool, seen: bool) -> tuple[str, str | None]:
    attempt = evidence.attempt
    missed = attempt.outcome if attempt and attempt.outcome != "ok" else None
    if audited:
        return PRESENT, missed
    if seen:
        if missed:
            return SEEN, missed
        return SEEN, NO_SSH if asset.asset_class in WITHOUT_SSH else NEVER_TRIED if attempt is None else STALE
    if attempt is None:
        return NOT_AUDITED, NO_SSH if asset.asset_class in WITHOUT_SSH else NEVER_TRIED
    if missed == UNREACHABLE and asset.asset_class not in SILENT:
        return ABSENT, UNREACHABLE
    return NOT_AUDITED, NO_SSH if asset.asset_class in SILENT else missed or STALE


def _answered(evidence: Evidence) -> Iterable[tuple[str, dt.datetime]]:
    """Every source that saw the thing itself, with when. A host that answered without Python is there."""
    for audit in (evidence.ok, evidence.attempt):
        if audit is not None and audit.outcome != UNREACHABLE:
            yield "audit", audit.at
    for sighting in evidence.sightings:
        yield sighting.source, sighting.last_seen


def _last_seen(evidence: Evidence) -> dt.datetime | None:
    return max((at for _source, at in _answered(evidence)), default=None)


def _seen_by(evidence: Evidence) -> tuple[str, ...]:
    return tuple(sorted({source for source, _at in _answered(evidence)}))


def _purchase(asset: Asset) -> dt.date | None:
    dates = [asset.purchase, *(source.purchase for source in asset.warranty_sources)]
    return min((date for date in dates if date is not None), default=None)


def condition(evidence: Evidence, today: dt.date) -> Condition:
    """How the machine was doing at its last successful audit."""
    audit, facts = evidence.ok, evidence.facts or {}
    if audit is None:
        return Condition()
    summary = audit.summary
    updates = _mapping(facts.get("updates"))
    known = bool(updates.get("known", summary.get("security") is not None))
    support_end = parse_date(_mapping(facts.get("os")).get("support_end") or summary.get("support_end"))
    return Condition(
        os=found_os(evidence),
        support_end=support_end,
        support=support_state(support_end, today),
        pending=_number(updates.get("total", summary.get("pending"))) if known else None,
        security=_number(updates.get("security", summary.get("security"))) if known else None,
        last_patched=parse_time(_mapping(facts.get("patches")).get("last") or summary.get("last_patched")),
        reboot=_truth(_mapping(facts.get("reboot")).get("needed", summary.get("reboot_needed"))),
        encrypted=_truth(summary.get("encrypted")),
        at=audit.at,
    )


def support_state(end: dt.date | None, today: dt.date) -> str:
    """Is the operating system still supported today; the last day itself still is."""
    if end is None:
        return SUPPORT_UNKNOWN
    if end < today:
        return SUPPORT_ENDED
    return SUPPORT_ENDING if (end - today).days <= SUPPORT_NOTICE_DAYS else SUPPORTED


def found_os(evidence: Evidence) -> str | None:
    """The operating system as a person would name it, with its full version: "Debian GNU/Linux 12.15"."""
    system = _mapping((evidence.facts or {}).get("os"))
    summary = evidence.ok.summary if evidence.ok else {}
    name = text(system.get("name") or system.get("id") or summary.get("os"))
    version = text(system.get("version") or summary.get("os_version"))
    if version in name:
        return name or None
    # The name often ends in a shorter version and a code name of its own.
    return f"{_SHORT_VERSION.sub('', name)} {version}".strip()


def _differences(asset: Asset, evidence: Evidence) -> Iterable[Difference]:
    facts = evidence.facts or {}
    summary = evidence.ok.summary if evidence.ok else {}
    machine = _mapping(facts.get("machine"))
    hostname = text(_mapping(facts.get("hostname")).get("name") or summary.get("hostname"))
    if hostname and _host(hostname) != _host(asset.name):
        yield Difference("hostname", asset.name, hostname)
    serial = text(machine.get("serial") or summary.get("serial"))
    if serial and asset.serial and plain(serial) != plain(asset.serial):
        yield Difference("serial", asset.serial, serial)
    model = text(machine.get("model"))
    if model and not _same_model(text(asset.model), text(asset.vendor), model, text(machine.get("vendor"))):
        yield Difference("model", text(asset.model), model)
    system = found_os(evidence)
    if system and asset.platform and not same_system(asset.platform, f"{_identifier(facts, summary)} {system}"):
        yield Difference("os", readable(asset.platform), system)
    addresses, macs = found_addresses(facts), found_macs(facts)
    if addresses and asset.address and bare(asset.address) not in addresses:
        yield Difference("address", bare(asset.address), ", ".join(sorted(addresses)))
    if macs and asset.macs and not macs & {mac(m) for m in asset.macs}:
        yield Difference("mac", ", ".join(sorted(mac(m) for m in asset.macs)), ", ".join(sorted(macs)))


def _identifier(facts: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    system = _mapping(facts.get("os"))
    return " ".join(text(v) for v in (system.get("id"), system.get("codename"), summary.get("os")) if v)


def same_system(promised: str, found: str) -> bool:
    """Is the promised platform ("debian-12", "Ubuntu 24.04 LTS") what was found? Only what is promised must be there:
    "Debian" agrees with any Debian, "Debian 12" with 12.9, not with 13.
    """
    there = _WORD.findall(found.lower())
    wanted = [w for w in _WORD.findall(promised.lower()) if w not in _FILLER]
    names = [w for w in wanted if w.isalpha()]
    numbers = [w.lstrip("0") or "0" for w in wanted if w.isdigit()]
    found_numbers = [w.lstrip("0") or "0" for w in there if w.isdigit()]
    if any(name not in there for name in names):
        return False
    return numbers == found_numbers[: len(numbers)] or not found_numbers


def _same_model(model: str, vendor: str, found: str, found_vendor: str) -> bool:
    """ "OptiPlex 7010" of "Dell" is the "OptiPlex 7010" of "Dell Inc."; an unknown model promises nothing."""
    if model.lower() in _NO_MODEL:
        return True
    wanted, there = plain(model), plain(found)
    if wanted in there or there in wanted:
        return True
    return wanted in plain(found_vendor + found) or plain(vendor + model) == there


def found_addresses(facts: Mapping[str, Any]) -> frozenset[str]:
    """Every address of the audited host but loopback and link-local ones, without prefix length."""
    found = (bare(text(a)) for i in facts.get("interfaces") or () for a in _mapping(i).get("addresses") or ())
    return frozenset(a for a in found if a and not a.startswith(("127.", "169.254.", "fe80:")) and a != "::1")


def found_macs(facts: Mapping[str, Any]) -> frozenset[str]:
    """Every hardware address of the audited host."""
    found = (mac(text(_mapping(i).get("mac"))) for i in facts.get("interfaces") or ())
    return frozenset(m for m in found if m and m != "00:00:00:00:00:00")


def _proofs(evidence: Evidence) -> Iterable[Proof]:
    seen = set()
    for audit in (evidence.ok, evidence.attempt):
        if audit is None or audit.at in seen:
            continue
        seen.add(audit.at)
        what = f"facts {audit.facts_hash[:12]}" if audit.facts_hash else audit.outcome
        run = f", run {audit.run}" if audit.run else ""
        yield Proof("audit", audit.at, f"{audit.asset} {what}{run}", text(audit.error) if audit.outcome != "ok" else "")
    for sighting in sorted(evidence.sightings, key=lambda s: (s.source, s.thing)):
        yield Proof(sighting.source, sighting.last_seen, sighting.thing, text(sighting.place.get("seen_by")))


# Small readers of what hosts and sources say: anything may be missing or of another type.


def text(value: object) -> str:
    """Any value as trimmed text; None is empty."""
    return "" if value is None else str(value).strip()


def plain(value: str) -> str:
    """Letters and digits only, lower case: how two spellings of one serial or model are compared."""
    return "".join(c for c in value.lower() if c.isalnum())


def _host(name: str) -> str:
    return plain(name.partition(".")[0])


def readable(slug: str) -> str:
    """A platform's or site's slug as a person writes it: "debian-12" is "Debian 12"."""
    if slug != slug.lower() or " " in slug:
        return slug
    return " ".join(_SPELLING.get(word, word.capitalize()) for word in slug.split("-") if word)


def bare(address: str) -> str:
    """An address without its prefix length, lower case."""
    return address.partition("/")[0].strip().lower()


_MAC_SEPARATORS = str.maketrans("", "", ":-. ")
_MAC_DIGITS = re.compile("[0-9a-f]{12}")


def mac(value: str) -> str:
    """A hardware address as aa:bb:cc:dd:ee:ff; empty when it is none."""
    d = value.lower().translate(_MAC_SEPARATORS)
    return f"{d[:2]}:{d[2:4]}:{d[4:6]}:{d[6:8]}:{d[8:10]}:{d[10:]}" if _MAC_DIGITS.fullmatch(d) else ""


def parse_date(value: object) -> dt.date | None:
    """The calendar date in an ISO date or time; None for anything else."""
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(text(value)[:10])
    except ValueError:
        return None


def parse_time(value: object) -> dt.datetime | None:
    """The moment in an ISO time, as UTC; a time without zone is UTC; None for anything else."""
    if isinstance(value, dt.datetime):
        moment = value
    else:
        try:
            moment = dt.datetime.fromisoformat(text(value))
        except ValueError:
            return None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
