# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which filters NetBox knows, and how a question becomes one or more query strings. Pure: no I/O.

NetBox answers an unknown filter, and a filter without a value, with the whole table; so a filter that is not proven to
exist is never sent. It never asks NetBox: the sets come from the caller.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

Filters = Mapping[str, Any]

# Set by the client itself; as a filter they would change what "all rows" means.
PAGING = frozenset({"limit", "offset", "start", "ordering", "brief", "fields", "omit", "exclude", "format", "filter"})

_EVERY = frozenset({"id", "id__lt", "id__lte", "id__gt", "id__gte", "id__n", "q", "created__gte"})
_OBJECT = _EVERY | {"last_updated", "last_updated__gte", "last_updated__gt", "tag", "tag__n"}
_NAMED = _OBJECT | {"name", "name__ie", "name__isw", "name__ic", "name__n", "slug"}
_ASSET = _NAMED - {"slug"} | {
    *("tenant", "tenant__n", "tenant_id", "tenant_group", "site", "site__n", "site_id", "site_group", "region"),
    *("role", "role__n", "role_id", "platform", "platform__n", "platform_id", "status", "status__n"),
    *("has_primary_ip", "serial", "cluster_id", "mac_address", "local_context_data"),
}

# The filters this project itself asks for, present in every NetBox it supports (a lab test compares them with the
# schema). For any other the schema is read: 15 MB and up to ten seconds, once per NetBox version.
WELL_KNOWN: Mapping[str, frozenset[str]] = {
    "core/object-changes": frozenset(
        {*_EVERY - {"created__gte"}, "time_after", "time_before", "action", "changed_object_id", "request_id"}
    )
    | {"changed_object_type", "user", "user_name"},
    "dcim/devices": _ASSET
    | {"asset_tag", "device_type", "device_type_id", "manufacturer", "location", "location_id", "rack_id"},
    "dcim/interfaces": _OBJECT | {"name", "device", "device_id", "type", "enabled", "mac_address"},
    "dcim/mac-addresses": _OBJECT
    | {"mac_address", "device_id", "virtual_machine_id", "interface_id", "vminterface_id", "assigned_object_id"},
    "dcim/sites": _NAMED | {"tenant", "tenant_id", "region", "region_id", "group", "group_id", "status"},
    "dcim/device-roles": _NAMED,
    "dcim/device-types": _NAMED - {"name", "name__ie", "name__isw", "name__ic", "name__n"}
    | {"model", "manufacturer", "manufacturer_id"},
    "dcim/locations": _NAMED | {"site", "site_id", "tenant_id"},
    "dcim/manufacturers": _NAMED,
    "dcim/platforms": _NAMED,
    "dcim/regions": _NAMED,
    "dcim/site-groups": _NAMED,
    "extras/config-context-profiles": _NAMED - {"slug"},
    "extras/config-contexts": _NAMED - {"slug", "tag", "tag__n"} | {"is_active"},
    "extras/custom-field-choice-sets": _NAMED - {"slug", "tag", "tag__n"},
    "extras/custom-fields": _NAMED - {"slug", "tag", "tag__n"},
    "extras/custom-links": _NAMED - {"slug", "tag", "tag__n"},
    "extras/journal-entries": _OBJECT - {"created__gte"}
    | {"assigned_object_id", "assigned_object_type", "kind", "created_after"},
    "extras/saved-filters": _NAMED - {"tag", "tag__n"},
    "extras/tags": _NAMED - {"tag", "tag__n"},
    "ipam/ip-addresses": _OBJECT
    | {"address", "device", "device_id", "virtual_machine_id", "interface_id", "vminterface_id", "tenant", "tenant_id"}
    | {"status", "parent", "assigned_to_interface"},
    "ipam/prefixes": _OBJECT
    | {"prefix", "tenant", "tenant_id", "site", "site_id", "status", "within", "within_include", "contains", "vrf_id"},
    "ipam/vrfs": _NAMED - {"slug"} | {"tenant", "tenant_id", "rd"},
    "tenancy/tenants": _NAMED | {"group", "group_id"},
    "tenancy/tenant-groups": _NAMED,
    "users/groups": frozenset({"id", "id__n", "name"}),
    "users/permissions": frozenset({"id", "id__n", "name", "name__isw"}),
    "users/tokens": frozenset({"id", "id__n", "user_id", "user", "description"}),
    "users/users": frozenset({"id", "id__n", "username"}),
    "virtualization/clusters": _NAMED - {"slug"} | {"type", "group", "site_id", "tenant_id"},
    "virtualization/interfaces": _OBJECT | {"name", "virtual_machine", "virtual_machine_id", "enabled", "mac_address"},
    "virtualization/virtual-machines": _ASSET | {"cluster", "cluster_group", "device_id"},
}

_TEXT_LOOKUPS = frozenset({"n", "ic", "nic", "iew", "niew", "isw", "nisw", "ie", "nie", "empty", "regex", "iregex"})
_NUMBER_LOOKUPS = frozenset({"n", "lt", "lte", "gt", "gte", "empty"})
_LOOKUPS_BY_TYPE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("text", "longtext", "url", "select"), _TEXT_LOOKUPS),
    **dict.fromkeys(("integer", "decimal", "date", "datetime", "object", "multiobject"), _NUMBER_LOOKUPS),
    "multiselect": _TEXT_LOOKUPS - {"nie", "niew", "nisw"},
    "boolean": frozenset(),
}

# Names whose values NetBox joins with OR, so that a long list may be asked for in parts.
_DIVISIBLE = frozenset({"id", "name", "slug", "serial", "asset_tag", "address", "mac_address", "changed_object_id"})
# A request line over 4094 bytes is refused by gunicorn's default.
LONGEST_QUERY = 3000


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """What a custom field means for filtering: its type, on what it is, and whether it may be filtered on."""

    name: str
    type: str
    object_types: frozenset[str]
    logic: str

    def names(self) -> frozenset[str]:
        """The filter names NetBox makes for this field."""
        if self.logic == "disabled" or self.type not in _LOOKUPS_BY_TYPE:
            return frozenset()
        base = f"cf_{self.name}"
        # A loose text field is a "contains" filter already, and NetBox adds no further lookups to such a filter.
        loose = self.logic == "loose" and self.type in ("text", "longtext", "url")
        lookups = frozenset() if loose else _LOOKUPS_BY_TYPE[self.type]
        return frozenset({base, *(f"{base}__{lookup}" for lookup in lookups)})


def object_type(endpoint: str) -> str:
    """The name NetBox's permissions and custom fields use: "dcim/devices" is "dcim.device"."""
    special = {"users/permissions": "users.objectpermission", "virtualization/interfaces": "virtualization.vminterface"}
    if endpoint in special:
        return special[endpoint]
    app, _unused, plural = endpoint.partition("/")
    word = plural.replace("-", "")
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "ches", "shes")):
        word = word[:-2]
    elif word.endswith("s"):
        word = word[:-1]
    return f"{app}.{word}"


def without_value(filters: Filters) -> list[str]:
    """Filters that NetBox would ignore because they carry nothing."""

    def empty(value: Any) -> bool:
        if isinstance(value, (list, tuple, set, frozenset)):
            return not value or any(item is None or item == "" for item in value)
        return value is None or value == ""

    return sorted(name for name, value in filters.items() if empty(value))


def suspicious(endpoint: str, filters: Filters) -> list[str]:
    """Filters that are not among the well-known ones, custom fields aside."""
    known = WELL_KNOWN.get(endpoint, frozenset())
    return sorted(name for name in filters if not name.startswith("cf_") and (name not in known or name in PAGING))


def unknown(filters: Filters, known: Collection[str]) -> list[str]:
    """Filters NetBox does not have."""
    return sorted(name for name in filters if name not in known or name in PAGING)


def refuse_unknown(endpoint: str, names: Sequence[str], known: Collection[str]) -> MspError:
    """The error that names each unknown filter and the nearest ones that exist."""
    pool = sorted(set(known) - PAGING)
    found = []
    for name in names:
        near = difflib.get_close_matches(name, pool, n=3)
        found.append(f"{name!r}" + (f" (near: {', '.join(near)})" if near else ""))
    return MspError(
        "MSP-REG-006",
        f"filters that NetBox has for {endpoint}, because it answers an unknown one with the whole table",
        f"unknown: {', '.join(found)}",
        "correct the filter; a custom field is filtered as cf_NAME and must be on this object and not have its filter"
        " logic disabled",
    )


def refuse_empty(endpoint: str, names: Sequence[str]) -> MspError:
    return MspError(
        "MSP-REG-006",
        f"a value for every filter on {endpoint}, because NetBox answers an empty one with the whole table",
        f"no value for {', '.join(names)}",
        "give a value or leave the filter out",
    )


def parts(filters: Filters) -> Iterator[dict[str, Any]]:
    """The same question in pieces whose query strings are short enough; their answers together are the answer."""
    longest = max(filters, key=lambda name: _length(name, filters[name]), default=None)
    total = sum(_length(name, value) for name, value in filters.items())
    if longest is None or total <= LONGEST_QUERY:
        yield dict(filters)
        return
    values = filters[longest]
    divisible = longest in _DIVISIBLE or (longest.endswith("_id") and longest != "tag_id")
    rest = total - _length(longest, values)
    if not divisible or not isinstance(values, (list, tuple, set, frozenset)) or rest > LONGEST_QUERY // 2:
        raise MspError(
            "MSP-REG-006",
            f"filters that fit in {LONGEST_QUERY} characters",
            f"{longest!r} makes them {total}, and its values can't be asked for in parts",
            "use fewer values, or a filter by id",
        )
    ordered = sorted(values, key=str)
    room = LONGEST_QUERY - rest
    piece: list[Any] = []
    for value in ordered:
        if piece and _length(longest, [*piece, value]) > room:
            yield {**filters, longest: piece}
            piece = []
        piece.append(value)
    yield {**filters, longest: piece}


def _length(name: str, value: Any) -> int:
    """An upper bound of the characters a filter takes; a percent-encoded character takes three."""
    values = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return sum(len(name) + 2 + len(str(item)) + 2 * sum(not c.isalnum() for c in str(item)) for item in values)
