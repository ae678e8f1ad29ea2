# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is told what by which channel, out of a file of the provider. Pure: text in, a policy or its errors out.

What a customer has not of its own is the default's. Addresses are secrets and are not in the file: it says where they
are, in the environment or among the customer's secrets.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import forms, yamlfile
from ansible_collections.msp.ops.plugins.plugin_utils.contract.forms import advice, located, shown
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, Source, dotted
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import TICKETS

CODES = forms.Codes("MSP-TEL-001", "MSP-TEL-002", "MSP-TEL-002", "MSP-TEL-002")
SYSTEMS = ("zammad",)

_SLUG = {"pattern": "^[a-z0-9][a-z0-9_-]{0,99}$", "description": "a lower-case name such as desk or bakkerij-jansen"}
_NAMES = {"type": "array", "items": {"type": "string", **_SLUG}, "uniqueItems": True}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_PLACE = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"environment": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"}},
            "required": ["environment"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"secret": {"type": "string", "pattern": "^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$"}},
            "required": ["secret"],
            "additionalProperties": False,
        },
    ],
    "description": "where the address is: environment with the name of a variable, or secret with that of a secret",
}
_MANNER: Mapping[str, Any] = {
    "language": {"enum": ["nl", "en"]},
    "time_zone": _TEXT,
    "gave_up": _NAMES,
    "mended": _NAMES,
    "daily_at": {
        "type": "string",
        "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
        "description": 'a time such as "08:00"',
    },
    "send_answers": _NAMES,
}
_CUSTOMER = {
    "type": "object",
    "properties": {**_MANNER, "organization": _TEXT, "requester": {**_TEXT, "pattern": "^[^@\\s]+@[^@\\s]+$"}},
    "additionalProperties": False,
}
_SYSTEM = {
    "type": "object",
    "properties": {
        "system": {"enum": list(SYSTEMS)},
        "url": {
            "type": "string",
            "pattern": "^https?://[^/?#@\\s]+(/[^?#@\\s]*)?$",
            "description": "an address, https://...",
        },
        "token": _PLACE,
        "group": _TEXT,
    },
    "required": ["system", "url", "token", "group"],
    "additionalProperties": False,
}
FORM = {
    "type": "object",
    "properties": {
        "channels": {"type": "object", "propertyNames": _SLUG, "additionalProperties": _PLACE},
        "tickets": _SYSTEM,
        "guides": {
            "type": "object",
            "propertyNames": _SLUG,
            "additionalProperties": {
                "type": "string",
                "pattern": "^https://[^\\s<>\"']+$",
                "description": "https://...",
            },
        },
        "default": {
            "type": "object",
            "properties": _MANNER,
            "required": ["language", "time_zone", "gave_up"],
            "additionalProperties": False,
        },
        "customers": {"type": "object", "propertyNames": _SLUG, "additionalProperties": _CUSTOMER},
    },
    "required": ["channels", "default"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret is: a variable of the environment, or a secret of the customer. One of the two is empty."""

    environment: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """The ticket system that tickets are opened in, and the group that gets them."""

    system: str
    url: str
    token: Place
    group: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How one customer's results are told. send_answers: the known problems whose answer no person has to release.

    organization is what the ticket system calls the customer; requester the address that tickets are opened for.
    """

    language: str
    time_zone: str
    gave_up: tuple[str, ...]
    mended: tuple[str, ...]
    daily_at: dt.time
    send_answers: tuple[str, ...]
    organization: str = ""
    requester: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The file, read. guides: the provider's own pages for end users, by the name that known problems give them."""

    channels: Mapping[str, Place]
    tickets: Desk | None
    guides: Mapping[str, str]
    default: Manner
    customers: Mapping[str, Manner]

    def of(self, customer: str) -> Manner:
        """How this customer's results are told."""
        return self.customers.get(customer, self.default)

    def customer_of(self, organization: str) -> str | None:
        """The customer that the ticket system calls so."""
        wanted = organization.strip().casefold()
        return next((slug for slug, one in self.customers.items() if wanted == one.organization.casefold() != ""), None)


def read(text: str, name: str) -> Policy:
    """The policy in the text of a file. Raises MspErrors with everything that is wrong in it."""
    try:
        source = yamlfile.read(text, name)
    except MspError as error:
        raise MspErrors([MspError("MSP-TEL-001", error.expected, error.found, error.action)]) from None
    twice = [MspError("MSP-TEL-002", error.expected, error.found, error.action) for error in source.errors]
    errors = [*twice, *forms.violations(source.data, FORM, (), CODES, source)] or list(_contradictions(source))
    if errors:
        raise MspErrors(errors)
    return _policy(source.data)


def _policy(data: Mapping[str, Any]) -> Policy:
    default = {"mended": [], "daily_at": "08:00", "send_answers": [], **data["default"]}
    desk = data.get("tickets")
    return Policy(
        channels={name: Place(**place) for name, place in data["channels"].items()},
        tickets=desk and Desk(desk["system"], desk["url"].rstrip("/"), Place(**desk["token"]), desk["group"]),
        guides=dict(data.get("guides", {})),
        default=_manner(default),
        customers={slug: _manner({**default, **own}) for slug, own in data.get("customers", {}).items()},
    )


def _manner(data: Mapping[str, Any]) -> Manner:
    lists = {name: tuple(data[name]) for name in ("gave_up", "mended", "send_answers")}
    return Manner(**{**data, **lists, "daily_at": dt.time.fromisoformat(data["daily_at"])})


def _contradictions(source: Source) -> Iterator[MspError]:
    """What the form cannot say: names that stand for nothing, and what is told where it cannot be."""
    data = source.data
    channels = [*data["channels"], *([TICKETS] if "tickets" in data else [])]
    parts: list[tuple[Path, Mapping[str, Any]]] = [(("default",), data["default"])]
    parts += [(("customers", slug), own) for slug, own in data.get("customers", {}).items()]
    if TICKETS in data["channels"]:
        found = f"a channel of that name ({source.where(('channels', TICKETS))})"
        yield MspError("MSP-TEL-003", f"the name {TICKETS} for the ticket system alone", found, "rename the channel")
    for path, own in parts:
        for list_name in ("gave_up", "mended"):
            for name in own.get(list_name, ()):
                yield from _channel(name, channels, list_name, (*path, list_name), source)
        if "time_zone" in own and own["time_zone"] not in zoneinfo.available_timezones():
            wanted = f"{dotted((*path, 'time_zone'))} to be a time zone of the IANA list"
            near = advice(own["time_zone"], sorted(zoneinfo.available_timezones()))
            yield located(MspError("MSP-TEL-004", wanted, shown(own["time_zone"]), near), source, (*path, "time_zone"))
    yield from _shared(source)


def _channel(name: str, channels: list[str], list_name: str, path: Path, source: Source) -> Iterator[MspError]:
    known = [one for one in channels if not (list_name == "mended" and one == TICKETS)]
    if name not in known:
        wanted = f"in {dotted(path)} only channels that are there ({', '.join(known) or 'none'})"
        why = "nobody works on a ticket for what is mended" if name == TICKETS else advice(name, known)
        yield located(MspError("MSP-TEL-003", wanted, shown(name), why), source, path)


def _shared(source: Source) -> Iterator[MspError]:
    """Two customers of one organization: nobody could say whose ticket it is."""
    seen: dict[str, str] = {}
    for slug, own in source.data.get("customers", {}).items():
        name = re.sub(r"\s+", " ", own.get("organization", "")).strip().casefold()
        if name and (other := seen.setdefault(name, slug)) != slug:
            path = ("customers", slug, "organization")
            wanted = f"{dotted(path)} to be no other customer's"
            yield located(MspError("MSP-TEL-005", wanted, f"that of {other}", "keep the right one"), source, path)
