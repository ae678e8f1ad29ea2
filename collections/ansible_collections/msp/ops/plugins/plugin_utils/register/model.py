# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything of ours in NetBox: what each custom field, tag, profile, saved filter, link and permission is.

Pure: declarations only, in the shape in which NetBox is written. register/plan.py compares them with what is there.
A thing that was renamed keeps its old names in "formerly", so that what an older version left is upgraded in place.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.register import names

SOON_DAYS = 90

DEVICE = "dcim.device"
VIRTUAL_MACHINE = "virtualization.virtualmachine"
TENANT = "tenancy.tenant"
PREFIX = "ipam.prefix"
ASSETS = [DEVICE, VIRTUAL_MACHINE]


@dataclass(frozen=True, slots=True)
class Item:
    """One object: its key, what it should be, and the keys it had in older versions of ours."""

    key: str
    body: Mapping[str, Any]
    formerly: tuple[str, ...] = ()
    # Given at creation only: what the person who runs NetBox may change afterwards, and what can't be read back.
    once: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """All objects of one kind. key is the property that identifies one, prefixes say which are ours.

    fixed names properties that NetBox does not let anyone change; references maps a property to the section it names.
    includes names properties of which the declaration is the least: what people added to them stays, because taking
    an object type or a choice away would delete their data.
    """

    name: str
    endpoint: str
    key: str
    prefixes: tuple[str, ...]
    items: tuple[Item, ...]
    fixed: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    # Keys that start so are ours, and made by people and other parts of ours as needed.
    free_prefixes: tuple[str, ...] = ()
    # NetBox keeps no changelog of users, groups and permissions and takes no message for it.
    changelog: bool = True


def sections(today: dt.date, wanted: Iterable[str] = ()) -> list[Section]:
    """The model, in the order in which it must be written. today sets the dates in the saved filters."""
    every = [
        _choice_sets(),
        _custom_fields(),
        _tags(),
        _profiles(),
        _saved_filters(today),
        _custom_links(),
        _table_configs(),
        _groups(),
        _permissions(),
        _users(),
    ]
    chosen = set(wanted)
    return [section for section in every if not chosen or section.name in chosen]


SECTION_NAMES = (
    "choice_sets",
    "custom_fields",
    "tags",
    "config_context_profiles",
    "saved_filters",
    "custom_links",
    "table_configs",
    "groups",
    "permissions",
    "users",
)
# What only an administrator of NetBox may see.
ADMINISTRATION = ("groups", "permissions", "users")


def _choice_sets() -> Section:
    def choices(key: str, description: str, pairs: Iterable[tuple[str, str]], colors: Mapping[str, str]) -> Item:
        return Item(
            key,
            {
                "description": description,
                "extra_choices": [list(pair) for pair in pairs],
                "choice_colors": dict(colors),
                "order_alphabetically": False,
            },
        )

    status_labels = {
        names.CONTRACTED: "Contracted",
        names.UNLISTED: "Unlisted (seen, not agreed)",
        names.TRACKED: "Tracked (known, not serviced)",
        names.EXCLUDED: "Excluded (agreed not to service)",
        names.ENDED: "Ended",
    }
    status_colors = {
        names.CONTRACTED: "green",
        names.UNLISTED: "orange",
        names.TRACKED: "blue",
        names.EXCLUDED: "gray",
        names.ENDED: "red",
    }
    class_labels = {name: name.capitalize() for name in names.ASSET_CLASSES}
    items = (
        choices(
            "msp_contract_statuses",
            "What was agreed with the customer about an asset",
            [(value, status_labels[value]) for value in names.CONTRACT_STATUSES],
            status_colors,
        ),
        choices(
            "msp_asset_classes",
            "Classes of assets that a contract's scope rules speak of",
            class_labels.items(),
            {},
        ),
        choices("msp_languages", "Languages of reports", [("nl", "Nederlands"), ("en", "English")], {}),
    )
    return Section(
        "choice_sets",
        "extras/custom-field-choice-sets",
        "name",
        (names.FIELD_PREFIX,),
        items,
        includes=("extra_choices", "choice_colors"),
    )


def _custom_field(
    key: str, kind: str, objects: list[str], *, label: str, description: str, weight: int, **more: Any
) -> Item:
    formerly = tuple(more.pop("formerly", ()))
    body: dict[str, Any] = {
        "type": kind,
        "object_types": objects,
        "label": label,
        "description": description,
        "group_name": "MSP",
        "weight": weight,
        "required": False,
        "filter_logic": "exact",
        "ui_visible": "always",
        "ui_editable": "yes",
        "is_cloneable": False,
        "choice_set": None,
        "validation_minimum": None,
        "validation_maximum": None,
        "validation_regex": "",
    }
    return Item(key, body | more, formerly)


def _custom_fields() -> Section:
    items = (*_contract_fields(), *_asset_fields(), *_prefix_fields())
    return Section(
        "custom_fields",
        "extras/custom-fields",
        "name",
        (names.FIELD_PREFIX,),
        items,
        fixed=("type",),
        references={"choice_set": "choice_sets"},
        includes=("object_types",),
    )


def _contract_fields() -> list[Item]:
    # One table: name, type, label, description, and what differs from the ordinary.
    money: dict[str, Any] = {"validation_minimum": 0}
    rows: list[tuple[str, str, str, str, dict[str, Any]]] = [
        (names.CONTRACT_ID, "text", "Contract", "Number of the contract; a tenant with one is a customer", {}),
        (names.CONTRACT_START, "date", "Contract start", "First day of the contract", {}),
        (names.CONTRACT_END, "date", "Contract end", "Last day that counts; empty while it runs on", {}),
        (names.MONTHLY_FEE, "decimal", "Monthly fee", "Per month, in the contract's currency", money),
        (names.INCLUDED_HOURS, "decimal", "Included hours", "Hours a month that the fee covers", money),
        (names.HOURLY_RATE, "decimal", "Hourly rate", "For work outside the contract, in its currency", money),
        (names.CURRENCY, "text", "Currency", "ISO 4217 code, for instance EUR", {"validation_regex": "^[A-Z]{3}$"}),
        (
            names.LANGUAGE,
            "select",
            "Report language",
            "What the customer reads is in it",
            {"choice_set": "msp_languages"},
        ),
        (names.TIMEZONE, "text", "Time zone", "IANA name, for instance Europe/Amsterdam", {}),
        (names.REPORT_CONTACT, "text", "Report contact", "Who receives the reports", {}),
        (
            names.REPORT_URL,
            "url",
            "Latest report",
            "Address of the customer's latest report; shows a button on the customer and its assets",
            {"ui_visible": "if-set"},
        ),
        (
            names.SCOPE_RULES,
            "json",
            "Scope rules",
            "Per class of assets: covered or not, what in use means, hours; from the contract file",
            {"ui_visible": "if-set", "filter_logic": "disabled"},
        ),
    ]
    return [
        _custom_field(name, kind, [TENANT], label=label, description=description, weight=100 + 10 * place, **more)
        for place, (name, kind, label, description, more) in enumerate(rows)
    ]


def _asset_fields() -> list[Item]:
    # What the automation measures is shown to people, not typed by them.
    measured: dict[str, Any] = {"ui_visible": "if-set", "ui_editable": "no"}
    rows: list[tuple[str, str, str, str, dict[str, Any]]] = [
        (
            names.CONTRACT_STATUS,
            "select",
            "Contract status",
            "What was agreed about this asset; nothing that is not contracted is ever changed",
            {"choice_set": "msp_contract_statuses"},
        ),
        (
            names.ASSET_CLASS,
            "select",
            "Asset class",
            "The class the contract's scope rules speak of",
            {"choice_set": "msp_asset_classes"},
        ),
        (names.PURCHASE_DATE, "date", "Purchased", "The earliest that a source names", {}),
        (names.WARRANTY_END, "date", "Warranty ends", "Last day of warranty; the latest that a source names", {}),
        (
            names.WARRANTY_SOURCES,
            "json",
            "Warranty sources",
            "Who said what about purchase and warranty",
            {"ui_visible": "if-set", "filter_logic": "disabled"},
        ),
        (names.OPERATING_SYSTEM, "text", "Operating system", "As the last audit found it", measured),
        (names.OS_SUPPORT_END, "date", "OS support ends", "Last day of the vendor's security updates", measured),
        (
            names.FACTS_HASH,
            "text",
            "Facts",
            "Key of the last audit's facts in the evidence store",
            measured | {"validation_regex": "^[A-Za-z0-9:_-]{1,128}$"},
        ),
        (
            names.CONNECTION,
            "text",
            "Connection",
            "Ansible connection plugin, where it is not ssh",
            {"ui_visible": "if-set", "validation_regex": "^[a-z][a-z0-9_.]{0,99}$"},
        ),
        (
            names.PORT,
            "integer",
            "Connection port",
            "Where it is not the connection's usual one",
            {"ui_visible": "if-set", "validation_minimum": 1, "validation_maximum": 65535},
        ),
    ]
    return [
        _custom_field(name, kind, ASSETS, label=label, description=description, weight=300 + 10 * place, **more)
        for place, (name, kind, label, description, more) in enumerate(rows)
    ]


def _prefix_fields() -> list[Item]:
    return [
        _custom_field(
            names.SCAN_ALLOWED,
            "boolean",
            [PREFIX],
            label="Scan allowed",
            description="The customer agreed in writing that this prefix is scanned; no other is",
            weight=500,
        ),
        _custom_field(
            names.SCAN_EXCLUDE,
            "json",
            [PREFIX],
            label="Scan exceptions",
            description="List of addresses and ranges in this prefix that are never scanned",
            weight=510,
            ui_visible="if-set",
            filter_logic="disabled",
        ),
    ]


def _tags() -> Section:
    def tag(slug: str, name: str, color: str, description: str, objects: list[str]) -> Item:
        # A person may like another colour.
        return Item(slug, {"name": name, "description": description, "object_types": objects}, once={"color": color})

    items = [
        tag(names.TAG_CUSTOMER, "MSP customer", "2196f3", "A tenant that the automation may work on", [TENANT]),
        tag(
            names.TAG_REMEDIATE,
            "MSP remediate",
            "ff9800",
            "A control may be put right on this asset without asking again",
            ASSETS,
        ),
    ]
    explained = {
        "pilot": "Patched first: the customer's least important",
        "early": "Patched second",
        "broad": "Patched last: everything else",
    }
    items += [
        tag(f"{names.TAG_RING_PREFIX}{ring}", f"MSP ring {ring}", "607d8b", explained[ring], ASSETS)
        for ring in names.RINGS
    ]
    return Section(
        "tags",
        "extras/tags",
        "slug",
        (names.SLUG_PREFIX,),
        tuple(items),
        includes=("object_types",),
        free_prefixes=(names.TAG_RING_PREFIX,),
    )


def _context_schema(key: str, title: str, properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    """A schema that speaks of our key only: a context may hold other tools' keys beside it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "required": [key],
        "properties": {
            key: {
                "type": "object",
                "properties": dict(properties),
                "required": required,
                "additionalProperties": False,
            }
        },
    }


_SLUG = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}
_TIME = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
_DAYS = {"type": "integer", "minimum": 0, "maximum": 365}


def _profiles() -> Section:
    standard = _context_schema(
        names.CONTEXT_STANDARD,
        "Which standard an asset is held to",
        {
            "name": _SLUG,
            "version": {"type": "integer", "minimum": 1},
            "settings": {"type": "object", "description": "Values of the standard's parameters, by control"},
        },
        ["name", "version"],
    )
    weekdays = {"enum": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]}
    window = {
        "type": "object",
        "required": ["days", "start", "minutes"],
        "additionalProperties": False,
        "properties": {
            "days": {"type": "array", "minItems": 1, "uniqueItems": True, "items": weekdays},
            "weeks": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 5}, "uniqueItems": True},
            "start": _TIME,
            "minutes": {"type": "integer", "minimum": 15, "maximum": 1440},
        },
    }
    plan = _context_schema(
        names.CONTEXT_PATCH_PLAN,
        "When and how an asset is patched",
        {
            "name": _SLUG,
            "class": {"enum": ["routine", "careful", "manual"]},
            "windows": {"type": "array", "minItems": 1, "items": window},
            "reboot": {"enum": ["never", "if-needed", "always"]},
            "deadline_days": {
                "type": "object",
                "additionalProperties": False,
                "properties": dict.fromkeys(("critical", "high", "medium", "low", "unknown"), _DAYS),
            },
        },
        ["name", "windows"],
    )
    items = (
        Item(
            names.PROFILE_STANDARD,
            {"description": f"Config contexts with the key {names.CONTEXT_STANDARD}", "schema": standard},
        ),
        Item(
            names.PROFILE_PATCH_PLAN,
            {"description": f"Config contexts with the key {names.CONTEXT_PATCH_PLAN}", "schema": plan},
        ),
    )
    return Section("config_context_profiles", "extras/config-context-profiles", "name", (names.SLUG_PREFIX,), items)


def _saved_filters(today: dt.date) -> Section:
    def saved(slug: str, title: str, description: str, objects: list[str], weight: int, **chosen: list[str]) -> Item:
        body = {
            "name": f"{names.TITLE_PREFIX}{title}",
            "description": description,
            "object_types": objects,
            "weight": weight,
            "enabled": True,
            "shared": True,
            "parameters": chosen,
        }
        return Item(f"{names.SLUG_PREFIX}{slug}", body)

    def soon(name: str) -> dict[str, list[str]]:
        last = today + dt.timedelta(days=SOON_DAYS)
        return {f"cf_{name}__gte": [today.isoformat()], f"cf_{name}__lte": [last.isoformat()]}

    def status(value: str) -> dict[str, list[str]]:
        return {f"cf_{names.CONTRACT_STATUS}": [value]}

    within = f"within {SOON_DAYS} days; the daily run renews the dates"
    items = (
        saved("unlisted", "unlisted assets", "Seen, not agreed", ASSETS, 10, **status(names.UNLISTED)),
        saved("warranty-ends", "warranty ends soon", f"Warranty ends {within}", ASSETS, 20, **soon(names.WARRANTY_END)),
        saved(
            "os-support-ends",
            "OS support ends soon",
            f"No more security updates {within}",
            ASSETS,
            30,
            **soon(names.OS_SUPPORT_END),
        ),
        saved(
            "never-audited",
            "contracted, never audited",
            "In the contract, and no audit has succeeded yet",
            ASSETS,
            40,
            **status(names.CONTRACTED),
            **{f"cf_{names.FACTS_HASH}__empty": ["true"]},
        ),
        saved("excluded", "excluded assets", "Agreed not to service", ASSETS, 50, **status(names.EXCLUDED)),
        saved(
            "customers",
            "customers",
            "Tenants with a contract",
            [TENANT],
            10,
            **{f"cf_{names.CONTRACT_ID}__empty": ["false"]},
        ),
        saved(
            "contract-ends",
            "contract ends soon",
            f"Contract ends {within}",
            [TENANT],
            20,
            **soon(names.CONTRACT_END),
        ),
        saved(
            "scan-allowed",
            "prefixes that may be scanned",
            "The customer agreed",
            [PREFIX],
            10,
            **{f"cf_{names.SCAN_ALLOWED}": ["true"]},
        ),
    )
    return Section("saved_filters", "extras/saved-filters", "slug", (names.SLUG_PREFIX,), items)


def _custom_links() -> Section:
    def report(key: str, objects: list[str], holder: str) -> Item:
        # NetBox hides a link whose text is empty, and refuses an address with a scheme it does not allow.
        address = f"{holder}.cf.{names.REPORT_URL}"
        return Item(
            f"{names.TITLE_PREFIX}{key}",
            {
                "object_types": objects,
                "enabled": True,
                "link_text": f"{{% if {holder} and {address} %}}Customer's report{{% endif %}}",
                "link_url": f"{{{{ {address} }}}}",
                "weight": 10,
                "group_name": "",
                "button_class": "blue",
                "new_window": True,
            },
        )

    items = (report("customer's report", [TENANT], "object"), report("asset's report", ASSETS, "object.tenant"))
    return Section("custom_links", "extras/custom-links", "name", (names.TITLE_PREFIX,), items)


def _table_configs() -> Section:
    def columns(key: str, object_type: str, table: str, shown: list[str], ordering: list[str]) -> Item:
        return Item(
            f"{names.TITLE_PREFIX}{key}",
            {
                "object_type": object_type,
                "table": table,
                "description": "Columns that a service desk looks at",
                "weight": 100,
                "enabled": True,
                "shared": True,
                "columns": shown,
                "ordering": ordering,
            },
        )

    fields = [
        f"cf_{name}"
        for name in (
            names.CONTRACT_STATUS,
            names.ASSET_CLASS,
            names.WARRANTY_END,
            names.OPERATING_SYSTEM,
            names.OS_SUPPORT_END,
        )
    ]
    contract = [
        f"cf_{name}"
        for name in (
            names.CONTRACT_ID,
            names.CONTRACT_START,
            names.CONTRACT_END,
            names.MONTHLY_FEE,
            names.INCLUDED_HOURS,
            names.REPORT_URL,
        )
    ]
    devices = ["name", "tenant", "site", "role", "serial", "asset_tag", *fields, "tags"]
    machines = ["name", "tenant", "site", "role", "serial", *fields, "tags"]
    items = (
        columns("devices", DEVICE, "DeviceTable", devices, ["tenant", "name"]),
        columns("virtual machines", VIRTUAL_MACHINE, "VirtualMachineTable", machines, ["tenant", "name"]),
        columns("customers", TENANT, "TenantTable", ["name", *contract, "tags"], ["name"]),
    )
    return Section("table_configs", "extras/table-configs", "name", (names.TITLE_PREFIX,), items, fixed=("table",))


def _groups() -> Section:
    description = "What the automation of msp.ops may do; it may delete nothing"
    return Section(
        "groups",
        "users/groups",
        "name",
        (names.SLUG_PREFIX,),
        (Item(names.AUTOMATION, {"description": description}),),
        changelog=False,
    )


_OF_CUSTOMER = {"tags__slug": names.TAG_CUSTOMER}


def _of_tenant(path: str = "tenant") -> dict[str, str]:
    return {f"{path}__tags__slug": names.TAG_CUSTOMER}


def _on_interface() -> list[dict[str, str]]:
    return [
        _of_tenant("interface__device__tenant"),
        _of_tenant("vminterface__virtual_machine__tenant"),
    ]


READ = (
    *(f"core.{kind}" for kind in ("objectchange",)),
    *(f"dcim.{kind}" for kind in ("device", "devicerole", "devicetype", "interface", "location", "macaddress")),
    *(f"dcim.{kind}" for kind in ("manufacturer", "platform", "region", "site", "sitegroup")),
    *(f"extras.{kind}" for kind in ("configcontext", "configcontextprofile", "customfield", "customfieldchoiceset")),
    *(f"extras.{kind}" for kind in ("customlink", "journalentry", "savedfilter", "tableconfig", "tag")),
    *(f"ipam.{kind}" for kind in ("ipaddress", "prefix", "vlan", "vrf")),
    *(f"tenancy.{kind}" for kind in ("contact", "contactassignment", "contactrole", "tenant", "tenantgroup")),
    *(f"virtualization.{kind}" for kind in ("cluster", "clustergroup", "clustertype", "virtualmachine", "vminterface")),
)

# What the automation reads without which a run would be wrong and not only poorer; ./msp doctor looks at these.
NEEDED_TO_READ = ("tenancy/tenants", "dcim/devices", "virtualization/virtual-machines", "extras/custom-fields")
NEEDED_TO_CHANGE = ("dcim/devices", "virtualization/virtual-machines", "tenancy/tenants", "extras/saved-filters")
NEEDED_TO_ADD = ("extras/journal-entries",)


def _permissions() -> Section:
    def permission(
        key: str, description: str, objects: Iterable[str], actions: list[str], constraints: Any = None
    ) -> Item:
        return Item(
            f"{names.AUTOMATION}: {key}",
            {
                "description": description,
                "enabled": True,
                "object_types": list(objects),
                "actions": actions,
                "constraints": constraints,
                "groups": [names.AUTOMATION],
            },
        )

    write = ["add", "change"]
    customer = f"whose tenant has the tag {names.TAG_CUSTOMER}"
    items = (
        permission("read", "Everything the automation reads", READ, ["view"]),
        permission("customers", f"Tenants with the tag {names.TAG_CUSTOMER}", [TENANT], write, _OF_CUSTOMER),
        permission(
            "assets",
            f"Assets, sites, prefixes and address spaces {customer}",
            [*ASSETS, "dcim.site", PREFIX, "ipam.vrf"],
            write,
            _of_tenant(),
        ),
        permission(
            "interfaces", f"Interfaces of devices {customer}", ["dcim.interface"], write, _of_tenant("device__tenant")
        ),
        permission(
            "virtual interfaces",
            f"Interfaces of virtual machines {customer}",
            ["virtualization.vminterface"],
            write,
            _of_tenant("virtual_machine__tenant"),
        ),
        permission(
            "addresses",
            f"Addresses on interfaces of assets {customer}",
            ["ipam.ipaddress", "dcim.macaddress"],
            write,
            _on_interface(),
        ),
        permission(
            "catalogue",
            "New kinds of things that a contract file names; what exists is never changed",
            ["dcim.devicerole", "dcim.devicetype", "dcim.manufacturer", "dcim.platform", "tenancy.tenantgroup"],
            ["add"],
        ),
        permission("journal", "New journal entries", ["extras.journalentry"], ["add"]),
        permission(
            "saved filters",
            "The dates in our own saved filters",
            ["extras.savedfilter"],
            ["change"],
            {"slug__startswith": names.SLUG_PREFIX},
        ),
    )
    return Section(
        "permissions",
        "users/permissions",
        "name",
        (f"{names.AUTOMATION}: ",),
        items,
        references={"groups": "groups"},
        includes=("groups",),
        changelog=False,
    )


def _users() -> Section:
    item = Item(names.AUTOMATION, {"groups": [names.AUTOMATION]}, once={"is_active": True})
    return Section(
        "users",
        "users/users",
        "username",
        (names.SLUG_PREFIX,),
        (item,),
        references={"groups": "groups"},
        includes=("groups",),
        changelog=False,
    )
