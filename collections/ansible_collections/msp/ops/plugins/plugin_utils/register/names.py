# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of everything that is ours in NetBox. Nobody else spells a custom field or tag out.

Pure: constants only. What each one is (type, choices, objects) is declared in register/model_*.py.
"""

from __future__ import annotations

# Custom fields on the tenant: the contract.
CONTRACT_ID = "msp_contract_id"
CONTRACT_START = "msp_contract_start"
CONTRACT_END = "msp_contract_end"
MONTHLY_FEE = "msp_monthly_fee"
INCLUDED_HOURS = "msp_included_hours"
HOURLY_RATE = "msp_hourly_rate"
CURRENCY = "msp_currency"
LANGUAGE = "msp_language"
TIMEZONE = "msp_timezone"
REPORT_CONTACT = "msp_report_contact"
REPORT_URL = "msp_report_url"
SCOPE_RULES = "msp_scope_rules"
SURCHARGES = "msp_surcharges"
RUNBOOKS_STOPPED = "msp_runbooks_stopped"

# Custom fields on the asset (device or virtual machine).
CONTRACT_STATUS = "msp_contract_status"
ASSET_CLASS = "msp_asset_class"
PURCHASE_DATE = "msp_purchase_date"
WARRANTY_END = "msp_warranty_end"
WARRANTY_SOURCES = "msp_warranty_sources"
FACTS_HASH = "msp_facts_hash"
DISCOVERY = "msp_discovery"
PATCHING = "msp_patching"
STANDARD_STATE = "msp_standard_state"
OPERATING_SYSTEM = "msp_operating_system"
OS_SUPPORT_END = "msp_os_support_end"
CONNECTION = "msp_connection"
PORT = "msp_port"

# Custom fields on the prefix.
SCAN_ALLOWED = "msp_scan_allowed"
SCAN_EXCLUDE = "msp_scan_exclude"

# Keys of rendered config contexts, each described by a config-context profile of the same name with a hyphen.
CONTEXT_STANDARD = "msp_standard"
CONTEXT_STANDARDS = "msp_standards"
CONTEXT_PATCH_PLAN = "msp_patch_plan"
CONTEXT_ACCESS = "msp_access"

# Tags. A ring tag is msp-ring- and the ring's name.
TAG_REMEDIATE = "msp-remediate"
TAG_RING_PREFIX = "msp-ring-"
TAG_CUSTOMER = "msp-customer"
TAG_EXPOSED = "msp-exposed"
TAG_STATEFUL = "msp-stateful"

RINGS = ("pilot", "early", "broad")

# How an object is recognised as ours; nothing else is ever touched. A saved filter, custom link and table
# configuration has a name a person reads, so they start with words.
FIELD_PREFIX = "msp_"
SLUG_PREFIX = "msp-"
TITLE_PREFIX = "MSP: "

# The service user of the automation, its group, and the prefix of the group's permissions.
AUTOMATION = "msp-automation"

# Config-context profiles.
PROFILE_STANDARD = "msp-standard"
PROFILE_STANDARDS = "msp-standards"
PROFILE_PATCH_PLAN = "msp-patch-plan"
PROFILE_ACCESS = "msp-access"

# What an asset may cost more for (the words are those of the contract): a control that the customer agreed to do
# without, the warranty that ended, the support of the operating system that ended.
SURCHARGED = FOR_WAIVED, FOR_WARRANTY, FOR_SUPPORT = ("waived", "out_of_warranty", "out_of_support")

# Contract status of an asset (the words are those of the contract).
CONTRACTED = "contracted"
UNLISTED = "unlisted"
TRACKED = "tracked"
EXCLUDED = "excluded"
ENDED = "ended"
CONTRACT_STATUSES = (CONTRACTED, UNLISTED, TRACKED, EXCLUDED, ENDED)

# What the last reconciliation found wrong with an asset; empty is fine.
MISSING, CONFLICT, CHANGED = DISCOVERIES = ("missing", "conflict", "changed")

# How an asset stands against its patch plan, by its last scan and what was installed since.
UP_TO_DATE, WAITING, WAIVED, LATE, UNKNOWN = PATCHINGS = ("up-to-date", "waiting", "waived", "late", "unknown")

# How an asset stands against its standard, by its last check.
COMPLIANT, DRIFT = ("compliant", "drift")
STANDARD_STATES = (COMPLIANT, DRIFT, WAIVED, UNKNOWN)

# The runbooks that a customer may have stopped, and the word for all of them, those of later versions too.
RUNBOOKS = (
    *("account_locked", "certificate_ending", "disk_full", "high_load", "host_unreachable", "pending_reboot"),
    *("service_down", "time_drift"),
)
EVERY_RUNBOOK = "all"

# Asset classes: what a scope rule speaks of.
ASSET_CLASSES = ("server", "workstation", "network", "mobile", "printer", "private", "other")
LANGUAGES = ("nl", "en")
