# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Computers that a directory knows, as observations: from a live answer, an LDIF export or a CSV export. Pure.

When a directory last saw a thing (`at`):

- An account of Active Directory is seen when its machine logs on or changes its password: the newest of
  lastLogonTimestamp, lastLogon and pwdLastSet. (Active Directory writes lastLogonTimestamp only every 9 to 14 days, so
  that is how exact it is.) Where the input tells none of these for any account, the time of the last change of the
  account, which is never earlier. Where it tells neither, it is refused: an account says nothing of today.
- An account whose machine was not seen for stale_days is skipped and named, and so is one that never logged on.
- An entry of a directory without logons (device, ipHost) is a statement by those who keep it: at is when they last
  changed it, or the time of the reading where that is not told, and it is never stale.

directory_id is the objectGUID or entryUUID. For a machine that is joined to Active Directory and to Entra, the
objectGUID is also the device id that Entra and Intune know it by.

Who a computer belongs to (managedBy, owner) and what somebody wrote about it (description, location) names people: it
is neither asked for nor kept.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.placeholders import real, real_uuid
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import normal_address, normal_mac
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.observe import csvtable, ldif, times
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip
from ansible_collections.msp.ops.plugins.plugin_utils.observe.text import decode

SOURCE = "directory"
STALE_DAYS = 90
LARGEST = 200 * 1024 * 1024
LONGEST = 500  # characters of one value

# The attributes of one entry, as ldap3 gives them: raw bytes.
Entry = Mapping[str, Sequence[bytes]]

_LOGON = ("lastlogontimestamp", "lastlogon", "lastlogondate", "pwdlastset", "passwordlastset")
_CHANGED = ("modifytimestamp", "whenchanged", "modified")
# What to ask a server for. The last two are operational: they come only when they are named.
ATTRIBUTES = (
    "objectClass", "objectGUID", "cn", "name", "dNSHostName", "sAMAccountName", "operatingSystem",
    "operatingSystemVersion", "userAccountControl", "lastLogonTimestamp", "lastLogon", "pwdLastSet", "whenChanged",
    "servicePrincipalName", "isDeleted", "serialNumber", "macAddress", "ipHostNumber", "entryUUID", "modifyTimestamp",
)  # fmt: skip

_COMPUTERS = frozenset(("computer", "device", "iphost", "ieee802device", "bootabledevice"))
# Classes below "computer" that are accounts of services, not machines.
_SERVICES = frozenset(("msds-groupmanagedserviceaccount", "msds-managedserviceaccount"))
_CLUSTER_NAME = "msclustervirtualserver/"
_DISABLED, _DOMAIN_CONTROLLER = 0x2, 0x2000

# Headings of CSV exports, plain (csvtable.plain), where they differ from the attribute's name. The columns of "Active
# Directory Users and Computers" carry the language of Windows: English, Dutch, German, French.
_HEADINGS = {
    "distinguishedname": "dn", "naam": "name", "nom": "name",
    "type": "objectclass", "typ": "objectclass", "gewijzigd": "modified", "geändert": "modified", "modifié": "modified",
    "ipv4address": "iphostnumber", "ipv6address": "iphostnumber",
}  # fmt: skip
_KNOWN = frozenset(name.lower() for name in ATTRIBUTES) | {*_LOGON, *_CHANGED, "dn", "enabled", "objectcategory"}
# A table with one of these comes from Active Directory, also where it does not name the class of a row.
_ACTIVE_DIRECTORY = frozenset(("objectguid", "samaccountname", "useraccountcontrol", "enabled", "dnshostname", *_LOGON))
_TYPES_OF_ROW = {"ordinateur": "computer"}
_HEX = re.compile(r"X'([0-9A-Fa-f]{2,64})'")


def parse(content: bytes, context: Context, *, stale_days: int = STALE_DAYS) -> Reading:
    """An export: LDIF (ldifde, ldapsearch, slapcat) or CSV (csvde, Get-ADComputer, Active Directory's own list)."""
    if len(content) > LARGEST:
        raise _not_an_export(context, f"{len(content)} bytes")
    text, _encoding = decode(content)
    broken = Reading((), (Skip(context.origin, "characters that are none in its encoding"),), complete=False)
    rest = broken if "\ufffd" in text else Reading(())
    if ldif.looks_like(text):
        found = ldif.read(text)
        entries = [{"dn": [record.dn.encode()], **record.values} for record in found.records]
        return rest + Reading((), tuple(found.skipped), found.complete) + computers(entries, context, stale_days)
    table = csvtable.read(text, _KNOWN | set(_HEADINGS))
    if table is None:
        raise _not_an_export(context, f"a file that starts with {text[:60]!r}" if text else "an empty file")
    rest += Reading((), tuple(table.skipped), table.complete)
    return rest + computers(list(_rows(table)), context, stale_days)


def computers(entries: Iterable[Entry], context: Context, stale_days: int = STALE_DAYS) -> Reading:
    """The computers among the entries of one directory."""
    read = [
        _Computer(number, {name.lower(): values for name, values in e.items()}) for number, e in enumerate(entries, 1)
    ]
    machines = [one for one in read if not one.why_not]
    accounts = [one for one in machines if one.is_account]
    names = next((names for names in (_LOGON, _CHANGED) if any(one.has(names) for one in accounts)), None)
    if accounts and names is None:
        raise _no_times(context, len(accounts))
    oldest = context.at - dt.timedelta(days=stale_days)
    observations, skipped, complete = [], _others(read), True
    for one in machines:
        at, why, damaged = one.seen((names or _LOGON) if one.is_account else _CHANGED)
        if not one.is_account and at is None:
            at = context.at
        complete = complete and not damaged
        identity = one.identity()
        if at is None:
            skipped.append(Skip(one.where, why))
        elif one.is_account and at < oldest:
            skipped.append(Skip(one.where, f"stale: last seen {at:%Y-%m-%d}, more than {stale_days} days ago"))
        elif not identity:
            skipped.append(Skip(one.where, "nothing that identifies it"))
        else:
            observations.append(
                Observation(context.customer, SOURCE, min(at, context.at), identity, attributes=one.attributes())
            )
    return Reading(tuple(observations), tuple(skipped), complete, of_none=len(machines) - len(observations))


@dataclass(frozen=True, slots=True)
class _Computer:
    """One entry, read with open eyes: values are what somebody else wrote."""

    number: int
    entry: Entry

    def raw(self, name: str) -> list[bytes]:
        return [value for value in self.entry.get(name, ()) if value]

    def texts(self, *names: str) -> list[str]:
        found = (value.decode("utf-8", errors="replace").strip() for name in names for value in self.raw(name))
        return [text[:LONGEST] for text in found if text]

    def text(self, *names: str) -> str:
        return next(iter(self.texts(*names)), "")

    @property
    def where(self) -> str:
        return self.text("dn") or self.text("name", "cn", "samaccountname") or f"entry {self.number}"

    @property
    def classes(self) -> set[str]:
        return {name.casefold() for name in self.texts("objectclass")}

    @property
    def why_not(self) -> str:
        """Why this entry is no machine; nothing when it is one."""
        if self.classes & _SERVICES or not self.classes & _COMPUTERS:
            return "no computer"
        if any(name.casefold().startswith(_CLUSTER_NAME) for name in self.texts("serviceprincipalname")):
            return "the name of a cluster, not one of its machines"
        return "deleted" if self.text("isdeleted").casefold() == "true" else ""

    @property
    def is_account(self) -> bool:
        """Whether it is an account of Active Directory: those log on."""
        return "computer" in self.classes

    def has(self, names: Iterable[str]) -> bool:
        return any(self.raw(name) for name in names)

    def seen(self, names: Iterable[str]) -> tuple[dt.datetime | None, str, bool]:
        """The newest moment under these names; where there is none, why not, and whether that is damage."""
        moments, trouble = [], []
        for name in names:
            for text in self.texts(name):
                try:
                    moments.append(times.moment(text))
                except times.Unreadable as error:
                    trouble.append(f"{name}: {error}")
        known = [moment for moment in moments if moment is not None]
        if known:
            return max(known), "", False
        return (None, trouble[0], True) if trouble else (None, "never logged on", False)

    def identity(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "directory_id": self._id(),
            "serial": next((serial for text in self.texts("serialnumber") if (serial := real(text))), None),
            "macs": sorted({_colons(mac) for text in self.texts("macaddress") if (mac := normal_mac(text))}),
            "names": list(self._names()),
            "addresses": sorted({one for text in self.texts("iphostnumber") if (one := normal_address(text))}),
        }
        return {key: value for key, value in found.items() if value}

    def _id(self) -> str | None:
        for raw in self.raw("objectguid"):
            if (found := guid(raw)) is not None:
                return found
        return next((found for text in self.texts("entryuuid") if (found := real_uuid(text))), None)

    def _names(self) -> Iterator[str]:
        """Its names, each once. A copy left by a replication conflict has a tail behind a line end."""
        seen = set()
        account = self.text("samaccountname").removesuffix("$")
        for text in (*self.texts("name", "cn", "dnshostname"), "" if account.startswith("$") else account):
            name = text.partition("\n")[0].partition("\\0ACNF:")[0].strip()
            if name and name.casefold() not in seen:
                seen.add(name.casefold())
                yield name

    def attributes(self) -> dict[str, Any]:
        system = self.text("operatingsystem")
        found: dict[str, Any] = {
            "os": system,
            "os_version": self.text("operatingsystemversion"),
            "type": _type(system, self._flags() or 0),
            "enabled": self._enabled(),
        }
        return {key: value for key, value in found.items() if value not in (None, "")}

    def _flags(self) -> int | None:
        word = self.text("useraccountcontrol")
        return int(word) if word.isascii() and word.isdigit() and len(word) < 12 else None

    def _enabled(self) -> bool | None:
        if (flags := self._flags()) is not None:
            return not flags & _DISABLED
        return {"true": True, "false": False}.get(self.text("enabled").casefold())


def guid(raw: bytes) -> str | None:
    """An object's id as text: from Active Directory's 16 bytes (the first three groups are little-endian) or text."""
    try:
        if len(raw) == 16:
            found = uuid.UUID(bytes_le=raw)
        else:
            text = raw.decode("ascii").strip()
            packed = _HEX.fullmatch(text)
            found = uuid.UUID(bytes_le=bytes.fromhex(packed[1])) if packed else uuid.UUID(text)
    except ValueError:
        return None
    return str(found) if found.int else None


def _type(system: str, flags: int) -> str | None:
    name = system.casefold()
    if flags & _DOMAIN_CONTROLLER or "server" in name:
        return "server"
    return "workstation" if name.startswith(("windows", "mac os", "macos")) else None


def _colons(mac: str) -> str:
    return ":".join(mac[at : at + 2] for at in range(0, 12, 2))


def _others(read: Iterable[_Computer]) -> list[Skip]:
    """What is no computer, counted: an export of a whole directory has thousands of those. The rest by name."""
    found = [one for one in read if one.why_not]
    others = sum(one.why_not == "no computer" for one in found)
    skipped = [Skip(one.where, one.why_not) for one in found if one.why_not != "no computer"]
    return [*([Skip(f"{others} entries", "no computer")] if others else []), *skipped]


def _rows(table: csvtable.Rows) -> Iterator[Entry]:
    """The rows of a CSV export as the entries that they are of."""
    names = {heading: _HEADINGS.get(heading, heading) for heading in table.headings}
    known = set(names.values())
    dates = (cell for row in table.rows for key, cell in row.cells.items() if names[key] in (*_LOGON, *_CHANGED))
    day_first = times.day_first(dates)
    implied = b"computer" if known & _ACTIVE_DIRECTORY else b"device"
    for row in table.rows:
        entry: dict[str, list[bytes]] = {}
        for heading, cell in row.cells.items():
            entry.setdefault(names[heading], []).extend(_cell(names[heading], cell, day_first))
        if "objectclass" not in known:
            entry["objectclass"] = [implied]
        entry.setdefault("dn", [f"line {row.line}".encode()])
        yield entry


def _cell(name: str, cell: str, day_first: bool | None) -> Iterator[bytes]:
    """The values in one cell: csvde puts a semicolon between several."""
    if cell.startswith(("Microsoft.ActiveDirectory.", "System.")):
        return  # PowerShell's name of a list, instead of what is in it
    if name in (*_LOGON, *_CHANGED):
        try:
            moment = times.moment(cell, day_first)
        except times.Unreadable:
            yield cell.encode()
        else:
            yield moment.isoformat().encode() if moment else b"0"
    elif name in ("objectclass", "serviceprincipalname", "iphostnumber", "macaddress"):
        parts = (part.strip().casefold() for part in cell.split(";"))
        yield from (_TYPES_OF_ROW.get(part, part).encode() for part in parts if part)
    else:
        yield cell.encode()


def _not_an_export(context: Context, found: str) -> MspError:
    return MspError(
        "MSP-OBS-020",
        f"{context.origin} to be a directory's export of at most {LARGEST} bytes: LDIF, or CSV with headings such as "
        "Name, DNSHostName, ObjectGUID, lastLogonTimestamp",
        found,
        "export the computers again with ldifde, csvde, ldapsearch, or Get-ADComputer and Export-Csv",
    )


def _no_times(context: Context, accounts: int) -> MspError:
    return MspError(
        "MSP-OBS-021",
        f"the computers of {context.origin} to say when they last logged on",
        f"{accounts} accounts without lastLogonTimestamp, pwdLastSet or whenChanged",
        "export these too (Get-ADComputer -Properties lastLogonTimestamp,pwdLastSet,objectGUID,operatingSystem; in "
        "Active Directory Users and Computers add the column Modified); live, let the account read them",
    )
