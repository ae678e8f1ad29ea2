# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where what Entra says of a customer comes from, as a person writes it, checked: Graph, or exported files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.observe.tls import keeps_secrets

try:
    import jsonschema
except ImportError:  # pragma: no cover - in the lock file
    jsonschema = None  # type: ignore[assignment]

_TEXT = {"type": "string", "minLength": 1, "maxLength": 500}
_SECRET = {"type": "string", "minLength": 1}
_COMMON = {"base": _TEXT, "ca_file": _TEXT}
_FORMS: Mapping[str, Mapping[str, Any]] = {
    "from files": {
        "required": ["registrations"],
        "properties": dict.fromkeys(("registrations", "users", "policies", "security_defaults"), _TEXT),
    },
    "by an application": {
        "required": ["tenant", "client_id", "client_secret"],
        "properties": {
            # The directory's id, or a domain of it; it becomes a part of an address.
            "tenant": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}\Z"},
            "client_id": _TEXT,
            "client_secret": _SECRET,
            "login": _TEXT,
            **_COMMON,
        },
    },
    "with a token": {"required": ["token"], "properties": {"token": _SECRET, **_COMMON}},
}
_SECRETS = frozenset(("client_secret", "token"))


@dataclass(frozen=True, slots=True)
class Source:
    """How Entra is read, checked; what is secret in options is never shown."""

    options: Mapping[str, Any] = field(repr=False)

    @property
    def is_live(self) -> bool:
        return "registrations" not in self.options


def parse(customer: str, said: Any) -> Source:
    """The source of one customer, or every error in it."""
    if jsonschema is None:
        raise MspError("MSP-OBS-050", "the Python library jsonschema", "none", "run through ./msp")
    if not isinstance(said, Mapping):
        raise _error(customer, "a mapping", f"a {type(said).__name__}")
    errors = list(_errors(customer, said))
    if errors:
        raise errors[0] if len(errors) == 1 else MspErrors(errors)
    return Source(dict(said))


def _errors(customer: str, said: Mapping[str, Any]) -> Iterator[MspError]:
    way = "with a token" if "token" in said else "by an application" if "tenant" in said else "from files"
    form = _FORMS[way]
    if unknown := sorted(set(map(str, said)) - set(form["properties"])):
        yield _error(customer, f"what is read {way}: {', '.join(form['properties'])}", ", ".join(unknown))
    if lacking := sorted(set(form["required"]) - set(said)):
        yield _error(customer, f"what is needed to read it {way}", f"no {', '.join(lacking)}")
    for name, schema in form["properties"].items():
        if name in said and not jsonschema.Draft202012Validator(schema).is_valid(said[name]):
            shown = "an unusable value" if name in _SECRETS else f"{said[name]!r:.100}"
            yield _error(customer, f"a usable {name}", shown)
    for name in ("base", "login"):
        address = said.get(name)
        if isinstance(address, str) and not keeps_secrets(address):
            yield _error(
                customer, f"{name} as https://host", "one with an @, not shown here" if "@" in address else address
            )


def _error(customer: str, expected: str, found: str) -> MspError:
    return MspError(
        "MSP-ACC-021",
        f"{expected} (access_microsoft_365 of {customer})",
        found,
        "correct it; docs/access.md shows every form",
    )
