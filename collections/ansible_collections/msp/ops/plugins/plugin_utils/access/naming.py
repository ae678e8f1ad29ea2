# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What accounts are for, as the key msp_access of a config context names them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import names as register_names

_NAMES = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 255}, "uniqueItems": True}
_OF_HOSTS = ("break_glass", "automation", "services")
# The schema of NetBox's profile for it.
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(_OF_HOSTS, _NAMES),
        "microsoft_365": {
            "type": "object",
            "properties": {"break_glass": _NAMES},
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Named:
    """Names of accounts: on hosts, and of Microsoft 365 (user principal names, in lower case)."""

    break_glass: frozenset[str] = frozenset()
    automation: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    microsoft_365: frozenset[str] = frozenset()


def read(said: Any, asset: str) -> Named:
    """The names in a context's msp_access; none where it has none. Raises MSP-ACC-010 for what is in another form."""
    if said is None:
        return Named()
    parts = said if isinstance(said, Mapping) else {"": said}
    cloud = parts.get("microsoft_365", {})
    inner = cloud if isinstance(cloud, Mapping) else {"": cloud}
    lists = [parts[name] for name in _OF_HOSTS if name in parts] + list(inner.values())
    if set(parts) - {*_OF_HOSTS, "microsoft_365"} or set(inner) - {"break_glass"} or not all(map(_is_list, lists)):
        raise MspError(
            "MSP-ACC-010",
            f"in {register_names.CONTEXT_ACCESS} of {asset} lists of names under {', '.join(_OF_HOSTS)} and"
            " microsoft_365.break_glass",
            f"{said!r:.200}",
            "correct the config context in NetBox (docs/access.md)",
        )
    break_glass, automation, services = (frozenset(parts.get(name, ())) for name in _OF_HOSTS)
    return Named(break_glass, automation, services, frozenset(one.casefold() for one in inner.get("break_glass", ())))


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def joined(found: Iterable[Named]) -> frozenset[str]:
    """The break-glass accounts of Microsoft 365, whichever of a customer's assets names them."""
    return frozenset(name for one in found for name in one.microsoft_365)
