# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Devices that Intune manages, as observations, and how many people have registered a second factor. Pure.

From Microsoft Graph's JSON (one answer, several, or their rows), from the CSV that Intune's portal or PowerShell
exports. Who uses a device, and whose registration it is, is personal data: it is read by nobody and kept nowhere.

mdm_id is Intune's id of the device. directory_id is azureADDeviceId, which is Entra's *device id*, not the object id;
of a machine that is also joined to Active Directory it is the objectGUID of its account there.
A MAC address that a phone made up is kept: which of them count is for identity to judge.
at is when the device last synchronised; one that has not for stale_days is skipped and named.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.placeholders import real, real_uuid
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import normal_mac
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.observe import csvtable, times
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip
from ansible_collections.msp.ops.plugins.plugin_utils.observe.text import decode

SOURCE = "mdm"
STALE_DAYS = 30
LARGEST = 200 * 1024 * 1024
LONGEST = 300  # characters of one value

# What is read of a device, by Graph's own names, and the columns of exports that mean the same (csvtable.plain).
_COLUMNS = {
    "id": ("deviceid", "intunedeviceid", "manageddeviceid"),
    "deviceName": (),
    "serialNumber": (),
    "azureADDeviceId": ("entradeviceid", "microsoftentradeviceid", "referenceid"),
    "wiFiMacAddress": ("wifimac",),
    "ethernetMacAddress": ("ethernetmac",),
    "operatingSystem": ("os",),
    "osVersion": (),
    "manufacturer": (),
    "model": (),
    "lastSyncDateTime": ("lastcheckin", "lastcontact"),
    "isEncrypted": ("encrypted",),
    "complianceState": ("compliance", "compliantstate"),
    "managedDeviceOwnerType": ("ownership", "ownertype"),
    "managementAgent": (),
    "deviceType": (),
    "chassisType": (),
}
_HEADINGS = {plain: name for name, others in _COLUMNS.items() for plain in (csvtable.plain(name), *others)}
# What to ask Graph for: nothing of a person, and nothing that only its beta knows.
SELECT = tuple(name for name in _COLUMNS if name not in ("deviceType", "chassisType"))

_REGISTERED, _CAPABLE, _ADMIN = "isMfaRegistered", "isMfaCapable", "isAdmin"
_REGISTRATION_HEADINGS = {csvtable.plain(name): name for name in (_REGISTERED, _CAPABLE, _ADMIN)}

_YES, _NO = ("true", "yes"), ("false", "no")
_COMPLIANT = {"compliant": True, "noncompliant": False, "notcompliant": False, "ingraceperiod": False}
# Agents of management; "unknown" and Exchange's own ("eas", "easMdm" is both) are none.
_UNMANAGED = ("unknown", "eas")
_PHONES = ("ios", "ipados", "iphone", "ipad", "ipod", "android", "windows phone", "winmo", "blackberry")
_PHONE_CHASSIS = ("phone", "tablet", "mobileother", "mobileunknown")
_WORKSTATIONS = ("windows", "macos", "mac os", "macmdm", "mac", "linux", "chromeos", "chrome os", "desktop", "unix")
_VIRTUAL = re.compile(r"virtual|vmware|cloud ?pc|\bkvm\b|qemu|parallels", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Registration:
    """How many people there are, and how many of them have registered a second factor. Counts; never a name.

    capable: registered for a method that the rules allow them to use. A row that does not say is in skipped, and in
    no count.
    """

    users: int
    registered: int
    not_registered: int
    capable: int
    admins: int
    admins_not_registered: int
    skipped: tuple[Skip, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows with what each is called in a message, and what of the input could not be used."""

    rows: tuple[tuple[str, Any], ...]
    skipped: tuple[Skip, ...] = ()
    complete: bool = True


def parse(content: bytes, context: Context, *, stale_days: int = STALE_DAYS) -> Reading:
    """A file: Graph's answers about managedDevices, or an export of Intune's devices as CSV."""
    found = _read(content, context, _HEADINGS, "Intune's devices (JSON of managedDevices, or the portal's CSV)")
    return Reading((), found.skipped, found.complete) + _devices(found.rows, context, stale_days)


def devices(rows: Iterable[Any], context: Context, stale_days: int = STALE_DAYS) -> Reading:
    """The rows that Graph gave, from all pages."""
    return _devices([(f"device {number}", row) for number, row in enumerate(rows, 1)], context, stale_days)


def parse_registration(content: bytes, context: Context) -> Registration:
    """A file: Graph's answers about userRegistrationDetails, or the same as CSV."""
    what = "Entra's registration details (JSON of userRegistrationDetails, or CSV with the same names)"
    found = _read(content, context, _REGISTRATION_HEADINGS, what)
    return _registration(found)


def registration(rows: Iterable[Any]) -> Registration:
    """The rows that Graph gave, from all pages."""
    return _registration(_Rows(tuple((f"user {number}", row) for number, row in enumerate(rows, 1))))


# -- devices ------------------------------------------------------------------------------------------------------


def _devices(rows: Iterable[tuple[str, Any]], context: Context, stale_days: int) -> Reading:
    observations, skipped, complete, of_none = [], [], True, 0
    oldest = context.at - dt.timedelta(days=stale_days)
    for where, row in rows:
        identity = _identity(row) if isinstance(row, Mapping) else {}
        if not identity:
            skipped.append(Skip(where, "no device"))
            complete = False
            continue
        name = f"{where} ({identity['names'][0]})" if identity.get("names") else where
        try:
            at = times.moment(_text(row, "lastSyncDateTime"))
        except times.Unreadable as error:
            skipped.append(Skip(name, f"its last synchronisation: {error}"))
            complete = False
            continue
        if at is None or at < oldest:
            since = f"stale: last seen {at:%Y-%m-%d}, more than {stale_days} days ago" if at else "never synchronised"
            skipped.append(Skip(name, since))
            of_none += 1
        else:
            observations.append(
                Observation(context.customer, SOURCE, min(at, context.at), identity, attributes=_attributes(row))
            )
    return Reading(tuple(observations), tuple(skipped), complete, of_none=of_none)


def _identity(row: Mapping[str, Any]) -> dict[str, Any]:
    macs = (normal_mac(_text(row, name)) for name in ("wiFiMacAddress", "ethernetMacAddress"))
    name = _text(row, "deviceName")
    found: dict[str, Any] = {
        "mdm_id": real_uuid(_text(row, "id")),
        "directory_id": real_uuid(_text(row, "azureADDeviceId")),
        "serial": real(_text(row, "serialNumber")),
        "macs": sorted({":".join(re.findall("..", mac)) for mac in macs if mac}),
        # A name with an @ is somebody's address, not a device's name.
        "names": [name] if name and "@" not in name else [],
    }
    return {key: value for key, value in found.items() if value}


def _attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    compliance = csvtable.plain(_text(row, "complianceState"))
    agent = _text(row, "managementAgent").casefold()
    found: dict[str, Any] = {
        "vendor": _text(row, "manufacturer"),
        "model": _text(row, "model"),
        "os": _text(row, "operatingSystem"),
        "os_version": _text(row, "osVersion"),
        "type": _type(row),
        "compliant": _COMPLIANT.get(compliance),
        "encrypted": _bool(row, "isEncrypted"),
        "managed": agent not in _UNMANAGED if agent else None,
        "owner": "personal" if _text(row, "managedDeviceOwnerType").casefold() == "personal" else None,
    }
    return {key: value for key, value in found.items() if value not in (None, "")}


def _type(row: Mapping[str, Any]) -> str | None:
    """What kind of thing it is: what looks virtual is so whatever runs on it; a phone is told before Windows is."""
    kinds = [_text(row, name).casefold() for name in ("deviceType", "operatingSystem")]
    if _VIRTUAL.search(f"{_text(row, 'manufacturer')} {_text(row, 'model')}") or "cloudpc" in kinds:
        return "virtual_machine"
    if _text(row, "chassisType").casefold() in _PHONE_CHASSIS or any(kind.startswith(_PHONES) for kind in kinds):
        return "phone"
    if any("server" in kind for kind in kinds):
        return "server"
    return "workstation" if any(kind.startswith(_WORKSTATIONS) for kind in kinds) else None


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _bool(row: Mapping[str, Any], name: str) -> bool | None:
    value = row.get(name)
    if isinstance(value, bool):
        return value
    word = value.strip().casefold() if isinstance(value, str) else ""
    return True if word in _YES else False if word in _NO else None


# -- registration -------------------------------------------------------------------------------------------------


def _registration(found: _Rows) -> Registration:
    said: list[tuple[bool, bool, bool]] = []
    skipped = list(found.skipped)
    for where, row in found.rows:
        answers = [_bool(row, name) for name in (_REGISTERED, _CAPABLE, _ADMIN)] if isinstance(row, Mapping) else []
        if len(answers) != 3 or None in answers:
            skipped.append(Skip(where, f"does not say {_REGISTERED}, {_CAPABLE} and {_ADMIN}"))
        else:
            said.append((answers[0] is True, answers[1] is True, answers[2] is True))
    return Registration(
        users=len(said),
        registered=sum(registered for registered, _capable, _admin in said),
        not_registered=sum(not registered for registered, _capable, _admin in said),
        capable=sum(capable for _registered, capable, _admin in said),
        admins=sum(admin for _registered, _capable, admin in said),
        admins_not_registered=sum(admin and not registered for registered, _capable, admin in said),
        skipped=tuple(skipped),
        complete=found.complete and len(said) == len(found.rows),
    )


# -- files --------------------------------------------------------------------------------------------------------


def _read(content: bytes, context: Context, headings: Mapping[str, str], what: str) -> _Rows:
    if len(content) > LARGEST:
        raise _wrong(context, what, f"{len(content)} bytes")
    text, _encoding = decode(content)
    found = _json(text) if text.lstrip()[:1] in ("{", "[") else _csv(text, headings)
    if found is None or not any(_fits(row, headings) for _where, row in found.rows or (("", _EMPTY),)):
        raise _wrong(context, what, f"a file that starts with {text[:60]!r}" if text else "an empty file")
    if "\ufffd" in text:
        broken = Skip(context.origin, "characters that are none in its encoding")
        return _Rows(found.rows, (broken, *found.skipped), complete=False)
    return found


_EMPTY: Mapping[str, Any] = {}


def _fits(row: Any, headings: Mapping[str, str]) -> bool:
    """Whether a row is of the kind that is looked for. A list without any row says nothing else."""
    return row is _EMPTY or (isinstance(row, Mapping) and len(set(headings.values()) & set(row)) >= 2)


def _csv(text: str, headings: Mapping[str, str]) -> _Rows | None:
    table = csvtable.read(text, headings)
    if table is None:
        return None
    synced = [csv for csv, name in headings.items() if name == "lastSyncDateTime"]
    day_first = times.day_first(row.cells[key] for row in table.rows for key in synced if key in row.cells)
    rows = []
    for row in table.rows:
        cells = {headings[key]: cell for key, cell in row.cells.items() if key in headings}
        if "lastSyncDateTime" in cells:
            cells["lastSyncDateTime"] = _iso(cells["lastSyncDateTime"], day_first)
        rows.append((f"line {row.line}", cells))
    return _Rows(tuple(rows), tuple(table.skipped), table.complete)


def _iso(cell: str, day_first: bool | None) -> str:
    """A date in the style of some country as ISO 8601; one that cannot be read stays as it is."""
    try:
        moment = times.moment(cell, day_first)
    except times.Unreadable:
        return cell
    return moment.isoformat() if moment else ""


def _json(text: str) -> _Rows | None:
    """The rows of one answer of Graph, of a list of answers, or of a plain list. Of a cut one, those that are whole."""
    try:
        pages = json.loads(text)
    except (ValueError, RecursionError):
        whole = tuple((f"row {number}", row) for number, row in enumerate(_salvaged(text), 1))
        return (
            _Rows(whole, (Skip(f"after row {len(whole)}", "the JSON is cut off or broken"),), False) if whole else None
        )
    pages = pages if isinstance(pages, list) else [pages]
    if all(isinstance(page, Mapping) and isinstance(page.get("value"), list) for page in pages) and pages:
        rows = [row for page in pages for row in page["value"]]
        more = pages[-1].get("@odata.nextLink")
    else:
        rows, more = pages, None
    skipped = (Skip(f"after row {len(rows)}", "Graph has more pages than are in this file"),) if more else ()
    return _Rows(tuple((f"row {number}", row) for number, row in enumerate(rows, 1)), skipped, not more)


def _salvaged(text: str) -> Iterator[Any]:
    """The rows of a broken answer up to where it breaks."""
    start = text.find("[", max(text.find('"value"'), 0))
    decoder = json.JSONDecoder()
    at = start + 1
    while 0 < at < len(text):
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            row, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield row


def _wrong(context: Context, what: str, found: str) -> MspError:
    return MspError(
        "MSP-OBS-030",
        f"{context.origin} to be {what}, at most {LARGEST} bytes",
        found,
        "export it again, or read it live",
    )
