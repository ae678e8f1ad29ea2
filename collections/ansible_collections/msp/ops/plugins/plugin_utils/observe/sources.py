# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a customer's network is looked at: the list of sources as a person writes it, checked. Pure: opens nothing.

Every error of the list is reported at once, with its place; a list with one error yields nothing, so that nobody
takes a source that was misspelt for one that saw nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.observe import network_layouts
from ansible_collections.msp.ops.plugins.plugin_utils.observe.scan import INTERFACE, RATES
from ansible_collections.msp.ops.plugins.plugin_utils.observe.tls import keeps_secrets

try:
    import jsonschema
except ImportError:  # pragma: no cover - in the lock file
    jsonschema = None  # type: ignore[assignment]

NMAP, DHCP, DIRECTORY, MDM, NETWORK = "nmap", "dhcp", "directory", "mdm", "network"
KINDS = (NMAP, DHCP, DIRECTORY, MDM, NETWORK)
DHCP_FORMATS = ("isc", "dnsmasq", "kea", "windows")
# How each live directory says which of its entries are computers; anything else is a filter written out.
FILTERS = ("active-directory", "openldap")

_TEXT = {"type": "string", "minLength": 1, "maxLength": 500}
_SECRET_TEXT = {"type": "string", "minLength": 1}
_DAYS = {"type": "integer", "minimum": 1, "maximum": 3650}
_LABEL = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,30}$"}


def _table(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    common = {"source": {"type": "string"}, "label": _LABEL}
    return {
        "type": "object",
        "required": ["source", *required],
        "properties": {**common, **properties},
        "additionalProperties": False,
    }


# By kind, and by whether it is asked live (with a token, or by an application that gets its own) or read from a file.
_LIVE, _CLIENT, _FILE = "live", "live by an application", "from a file"
_FORMS: Mapping[str, Mapping[str, dict[str, Any]]] = {
    NMAP: {
        _LIVE: _table(
            [],
            prefixes={"type": "array", "items": _TEXT, "minItems": 1},
            # \Z: a $ would let a line end through.
            interface={"type": "string", "pattern": rf"^{INTERFACE}\Z"},
            services={"type": "boolean"},
            os={"type": "boolean"},
            rate={"type": "integer", "minimum": RATES[0], "maximum": RATES[1]},
            seconds={"type": "integer", "minimum": 10, "maximum": 86_400},
        ),
        _FILE: _table(["file"], file=_TEXT),
    },
    DHCP: {_FILE: _table(["file", "format"], file=_TEXT, format={"enum": list(DHCP_FORMATS)}, timezone=_TEXT)},
    DIRECTORY: {
        _LIVE: _table(
            ["server", "user", "password", "base"],
            server={"type": "string", "pattern": "^ldaps?://[^ /]+/?$"},
            user=_TEXT,
            password=_TEXT,
            base=_TEXT,
            filter=_TEXT,
            ca_file=_TEXT,
            stale_days=_DAYS,
        ),
        _FILE: _table(["file"], file=_TEXT, stale_days=_DAYS),
    },
    MDM: {
        _LIVE: _table(["token"], token=_SECRET_TEXT, base=_TEXT, ca_file=_TEXT, stale_days=_DAYS),
        _CLIENT: _table(
            ["tenant", "client_id", "client_secret"],
            # The directory's id, or a domain of it; it becomes a part of an address.
            tenant={"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}\Z"},
            client_id=_TEXT,
            client_secret=_SECRET_TEXT,
            login=_TEXT,
            base=_TEXT,
            ca_file=_TEXT,
            stale_days=_DAYS,
        ),
        _FILE: _table(["file"], file=_TEXT, stale_days=_DAYS),
    },
    NETWORK: {
        _FILE: _table(
            ["device", "platform", "answers"],
            device=_TEXT,
            platform=_TEXT,
            answers={
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["command", "file"],
                    "properties": {"command": _TEXT, "file": _TEXT},
                    "additionalProperties": False,
                },
            },
        ),
    },
}
_SECRET = ("password", "token", "client_secret")
# Addresses: what stands before an @ in them, with a scheme or without, is a user and a password.
_URLS = {DIRECTORY: ("server",), MDM: ("base", "login")}
_USERINFO = re.compile(r"://.*@", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Source:
    """One place to look. options are those of its form, checked; what is secret in them is never shown."""

    kind: str
    label: str
    options: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """What observations and looks call it: the kind, and the label where a customer has several of a kind."""
        return f"{self.kind}:{self.label}" if self.label else self.kind

    @property
    def is_live(self) -> bool:
        """Whether it is asked itself; else a file that a tool exported is read."""
        return not {"file", "answers"} & set(self.options)


def parse(customer: str, wanted: Sequence[Any]) -> tuple[Source, ...]:
    """The sources of one customer's list, or every error in it."""
    if jsonschema is None:
        raise MspError("MSP-OBS-050", "the Python library jsonschema", "none", "run through ./msp")
    errors = [error for number, entry in enumerate(wanted, 1) for error in _errors(customer, number, entry)]
    sources = [_source(entry) for entry in wanted] if not errors else []
    errors += [
        _error(customer, number, "a label that tells it from the others of its kind", f"a second {source.name}")
        for number, source in enumerate(sources, 1)
        if source.name in [other.name for other in sources[: number - 1]]
    ]
    if errors:
        raise errors[0] if len(errors) == 1 else MspErrors(errors)
    return tuple(sources)


def _source(entry: Mapping[str, Any]) -> Source:
    options = {name: value for name, value in entry.items() if name not in ("source", "label")}
    return Source(entry["source"], entry.get("label", ""), options)


def _errors(customer: str, number: int, entry: Any) -> Iterator[MspError]:
    if not isinstance(entry, Mapping):
        yield _error(customer, number, "a mapping that begins with source", f"a {type(entry).__name__}")
        return
    kind = entry.get("source")
    forms = _FORMS.get(kind) if isinstance(kind, str) else None
    if forms is None:
        shown = "an unusable value" if _USERINFO.search(repr(kind)) else repr(kind)
        yield _error(customer, number, f"source to be one of {', '.join(KINDS)}", shown)
        return
    way = _way(entry, forms)
    with_user = list(_with_user(str(kind), entry))
    for place in with_user:
        yield _error(customer, number, f"{place} without a user and a password in it", "one with an @, not shown here")
    for error in sorted(jsonschema.Draft202012Validator(forms[way]).iter_errors(entry), key=lambda e: list(e.path)):
        place = ".".join(str(part) for part in error.absolute_path) or str(kind)
        if any(f"{one}.".startswith(f"{place}.") for one in with_user):
            continue
        secret = any(part in _SECRET for part in error.absolute_path)
        allowed = ", ".join(sorted(forms[way]["properties"]))
        if error.validator == "additionalProperties":
            unknown = sorted(set(entry) - set(forms[way]["properties"]))
            found = ", ".join(unknown) if len(error.absolute_path) == 0 else error.message
            yield _error(customer, number, f"options of a {kind} source that is read {way}: {allowed}", found)
        elif error.validator == "required":
            yield _error(customer, number, f"what a {kind} source needs that is read {way}", error.message)
        else:
            yield _error(customer, number, f"a usable {place}", "an unusable value" if secret else error.message)
    if not with_user:
        yield from _unreadable(customer, number, entry)


def _unreadable(customer: str, number: int, entry: Mapping[str, Any]) -> Iterator[MspError]:
    """What has the right form, and would fail when it is looked at."""
    for option in ("base", "login") if entry["source"] == MDM else ():
        address = entry.get(option)
        if isinstance(address, str) and not keeps_secrets(address):
            yield _error(customer, number, f"{option} as https://host", repr(address))
    if entry["source"] == NETWORK and isinstance(entry.get("platform"), str):
        found = [_layout_error(entry["platform"], command) for command in _commands(entry.get("answers"))]
        # An unknown platform is one error, however many its commands.
        for error in {str(one): one for one in found if one is not None}.values():
            expected = f"{error.expected} (source {number} of {customer})"
            yield MspError(error.code, expected, error.found, error.action)


def _layout_error(platform: str, command: str) -> MspError | None:
    try:
        network_layouts.layout(platform, command)
    except MspError as error:
        return error
    return None


def _commands(answers: Any) -> list[str]:
    entries = answers if isinstance(answers, list | tuple) else []
    found = [one.get("command") for one in entries if isinstance(one, Mapping)]
    return [command for command in found if isinstance(command, str)]


def _with_user(kind: str, value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Where an address carries a user, and most likely a password: it would be in every message that names it."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _with_user(kind, part, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _with_user(kind, part, (*path, str(place)))
    elif isinstance(value, str) and not set(path) & set(_SECRET) and _has_user(value, path[:1], _URLS.get(kind, ())):
        yield ".".join(path)


def _has_user(text: str, option: tuple[str, ...], urls: Sequence[str]) -> bool:
    return _USERINFO.search(text) is not None or ("@" in text and bool(set(option) & set(urls)))


def _way(entry: Mapping[str, Any], forms: Mapping[str, Any]) -> str:
    """Which form an entry is meant to have."""
    if {"file", "answers"} & set(entry) or _LIVE not in forms:
        return _FILE
    return _CLIENT if _CLIENT in forms and {"tenant", "client_id", "client_secret"} & set(entry) else _LIVE


def _error(customer: str, number: int, expected: str, found: str) -> MspError:
    return MspError(
        "MSP-OBS-051",
        f"{expected} (source {number} of {customer})",
        found,
        "correct the list of sources; docs/discovery.md shows every form",
    )
