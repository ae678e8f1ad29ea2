# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Our custom fields and their choices: the contract on a tenant, the asset on a device, the scan on a prefix.

Pure: declarations only, in the shape in which NetBox is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import ASSETS, PREFIX, TENANT, Item, Section


def choice_sets() -> Section:
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
    discovery_labels = {
        names.MISSING: "Missing (no source sees it any more)",
        names.CONFLICT: "Conflict (the evidence contradicts itself)",
        names.CHANGED: "Changed (not as it was promised)",
    }
    patching_labels = {
        names.UP_TO_DATE: "Up to date",
        names.WAITING: "Waiting (updates, none of them late)",
        names.WAIVED: "Waived (late or waiting, by an exclusion of the plan)",
        names.LATE: "Late (an update is past its deadline)",
        names.UNKNOWN: "Unknown (no scan that proves anything)",
    }
    patching_colors = {
        names.UP_TO_DATE: "green",
        names.WAITING: "blue",
        names.WAIVED: "gray",
        names.LATE: "red",
        names.UNKNOWN: "orange",
    }
    standard_labels = {
        names.COMPLIANT: "Compliant",
        names.DRIFT: "Drift (not as its standard wants it)",
        names.WAIVED: "Waived (drifts, as was agreed for a time)",
        names.UNKNOWN: "Unknown (no check that proves anything)",
    }
    standard_colors = {
        names.COMPLIANT: "green",
        names.DRIFT: "red",
        names.WAIVED: "gray",
        names.UNKNOWN: "orange",
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
        choices(
            "msp_discoveries",
            "What the last reconciliation found wrong with an asset",
            [(value, discovery_labels[value]) for value in names.DISCOVERIES],
            {names.MISSING: "red", names.CONFLICT: "purple", names.CHANGED: "yellow"},
        ),
        choices(
            "msp_patchings",
            "How an asset stands against its patch plan",
            [(value, patching_labels[value]) for value in names.PATCHINGS],
            patching_colors,
        ),
        choices(
            "msp_standard_states",
            "How an asset stands against its standard",
            [(value, standard_labels[value]) for value in names.STANDARD_STATES],
            standard_colors,
        ),
        choices(
            "msp_runbooks",
            "Automated responses to known problems",
            [
                (names.EVERY_RUNBOOK, "All runbooks"),
                *((name, name.replace("_", " ").capitalize()) for name in names.RUNBOOKS),
            ],
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


def custom_fields() -> Section:
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
        (
            names.SURCHARGES,
            "json",
            "Surcharges",
            "Per class of assets: what one costs more a month for which reason; from the contract file",
            {"ui_visible": "if-set", "filter_logic": "disabled"},
        ),
        (
            names.RUNBOOKS_STOPPED,
            "multiselect",
            "Runbooks stopped",
            "Runbooks that do not run at this customer, whatever asks for them; empty while all may",
            {"choice_set": "msp_runbooks"},
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
        (
            names.OPERATING_SYSTEM,
            "text",
            "Operating system",
            "As the last audit found it; without one, as discovery saw it",
            measured,
        ),
        (names.OS_SUPPORT_END, "date", "OS support ends", "Last day of the vendor's security updates", measured),
        (
            names.FACTS_HASH,
            "text",
            "Facts",
            "Key of the last audit's facts in the evidence store",
            measured | {"validation_regex": "^[A-Za-z0-9:_-]{1,128}$"},
        ),
        (
            names.DISCOVERY,
            "select",
            "Discovery",
            "What the last reconciliation found wrong; empty is fine",
            measured | {"choice_set": "msp_discoveries"},
        ),
        (
            names.PATCHING,
            "select",
            "Patching",
            "How it stands against its patch plan, by its last scan and what was installed since",
            measured | {"choice_set": "msp_patchings"},
        ),
        (
            names.STANDARD_STATE,
            "select",
            "Standard",
            "How it stands against its standard, by its last check",
            measured | {"choice_set": "msp_standard_states"},
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
