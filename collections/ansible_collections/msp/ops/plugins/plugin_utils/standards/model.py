# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controls, standards, waivers and what was judged of them, as dataclasses. Pure: no I/O.

A control is one rule that can be checked on a host; a standard is a versioned set of controls for a class of assets; a
waiver is what a customer agreed to do without, until a day. Knows nothing of files (catalogue.py reads them) and
decides nothing (assigning.py and judging.py do).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.standards import said
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import Text

# What became of a control on a host.
STATUSES = COMPLIANT, DRIFT, FIXED, WAIVED, NOT_APPLICABLE, ERROR, UNKNOWN = (
    "compliant",
    "drift",
    "fixed",
    "waived",
    "not applicable",
    "error",
    "unknown",
)
SEVERITIES = HIGH, MEDIUM, LOW = ("high", "medium", "low")
# Families of distributions that a control can speak of.
PLATFORMS = DEBIAN, UBUNTU, REDHAT = ("debian", "ubuntu", "redhat")
# What enforcing a control can lock people out of; such a control is only enforced behind msp.ops.lockout_guard.
LOCKOUTS = ("ssh", "login", "firewall", "network")
# The roles that bring controls about.
ROLES = BASELINE, SOFTWARE_SET, TLS, SSO, LOCAL_ADMIN, MFA, DISK_ENCRYPTION = (
    *("msp_baseline_linux", "msp_software_set", "msp_tls", "msp_sso"),
    *("msp_local_admin", "msp_mfa", "msp_disk_encryption"),
)


@dataclass(frozen=True, slots=True)
class Words:
    """The same thing in the languages that customers read."""

    en: str
    nl: str

    def of(self, language: str) -> str:
        return self.nl if language == "nl" else self.en

    @property
    def by_language(self) -> dict[str, str]:
        return {"en": self.en, "nl": self.nl}


@dataclass(frozen=True, slots=True)
class Source:
    """A place in a published scheme that asks for a control."""

    source: str
    section: str


# What a text can have to be besides its pattern: limits.py knows each.
FORMS = (OPEN_PORT,) = ("open_port",)
# Types of parameters.
TYPES = INTEGER, CHOICE, BOOLEAN, STRING, LIST, MAP = ("integer", "choice", "boolean", "string", "list", "map")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What may be chosen in a control, and within which limits. kind is one of TYPES.

    items is the form of a list's items, values that of a map's values; their own default says nothing. pattern is a
    regular expression for the whole of a text, keys one for a map's keys. form names what a text has to be besides.
    """

    kind: str
    default: Any = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    items: Parameter | None = None
    unique: bool = False
    values: Parameter | None = None
    keys: str | None = None
    form: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Stands in a check for the value that a standard or a customer gives a parameter."""

    parameter: str


@dataclass(frozen=True, slots=True)
class Strictness:
    """Stands in a check for all words of an order, the weakest first, that are at least as strict as one of them."""

    order: tuple[str, ...]
    least: str | Chosen

    def from_(self, least: str) -> list[str]:
        """That one, and those that are stricter."""
        return list(self.order[self.order.index(least) :])


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so: what is measured, where in its value, and what that must be.

    probe has its kind and its arguments; field is a dotted path into the answer's value, "" for all of it. value and
    the arguments of the probe are what they are, or Chosen; the value of the rule as_strict is a Strictness.
    """

    probe: Mapping[str, Any]
    field: str
    rule: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Condition:
    """When a control says nothing of a host, and why."""

    check: Check
    because: Words


@dataclass(frozen=True, slots=True)
class Decision:
    """When a control is not brought about before somebody decided, and what there is to decide.

    unless_chosen is a parameter of the control: where the standard or the asset chooses it, it was decided.
    """

    check: Check
    because: Words
    unless_chosen: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """One rule that can be checked and brought about. All of its checks must hold.

    area is the file of tasks in the role, and their tag. lockout is one of LOCKOUTS, or "". minutes is what a person
    needs to do it by hand, for a quote; of what a role does only until effort was measured. enforced_if is the
    parameter, true or false, that says whether it is brought about; "" where it always is. by_hand: it never is, for a
    person has to decide.

    together are controls that the same change brings about: what is to be decided for one is for the other.
    waived_with is a control that this one is a part of: who does without that one does without this one. Only with
    enforce_unmeasured it is brought about where it could not be measured: nothing that is there can be lost by it.
    """

    id: str
    area: str
    role: str
    title: Words
    reason: Words
    severity: str
    references: tuple[Source, ...]
    platforms: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    checks: tuple[Check, ...]
    not_applicable_when: tuple[Condition, ...]
    lockout: str
    minutes: int
    decide_when: tuple[Decision, ...] = ()
    together: tuple[str, ...] = ()
    waived_with: str = ""
    enforce_unmeasured: bool = False
    enforced_if: str = ""
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Standard:
    """A versioned set of controls for a class of assets.

    controls is by id what the standard chooses in each; it has those of the standard that it extends too, but for the
    ids in without, by id why.
    """

    name: str
    version: str
    title: Words
    asset_class: str
    extends: str | None
    controls: Mapping[str, Mapping[str, Any]]
    without: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who at the customer agreed to a waiver, when, and where that is to be found."""

    by: str
    on: dt.date
    reference: str


@dataclass(frozen=True, slots=True)
class Waiver:
    """A control that the customer does without. It holds on the day that it expires, and no longer."""

    reason: str
    owner: str
    expires: dt.date
    agreed: Agreement

    def holds(self, today: dt.date) -> bool:
        return today <= self.expires

    def as_dict(self) -> dict[str, Any]:
        """The waiver as a record keeps it: days as text."""
        return {
            "reason": self.reason,
            "owner": self.owner,
            "expires": self.expires.isoformat(),
            "agreed": {"by": self.agreed.by, "on": self.agreed.on.isoformat(), "reference": self.agreed.reference},
        }


@dataclass(frozen=True, slots=True)
class AssignedControl:
    """A control as one asset is held to it: every parameter has its value.

    chosen are the parameters whose value is not just the control's default: a standard or the asset says it.
    """

    control: Control
    parameters: Mapping[str, Any]
    waiver: Waiver | None = None
    chosen: frozenset[str] = frozenset()

    @property
    def enforced(self) -> bool:
        """Whether it is brought about where it is drift; else that is left to a person."""
        deciding = self.control.enforced_if
        return not self.control.by_hand and (not deciding or bool(self.parameters[deciding]))


@dataclass(frozen=True, slots=True)
class Assigned:
    """What one asset is held to, in the order of the catalogue.

    unused are controls of the catalogue that the assignment sets parameters or a waiver for, and that the standard
    does not have: a customer's settings may be for standards of several kinds.
    """

    standard: str
    version: str
    asset_class: str
    controls: tuple[AssignedControl, ...]
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """What was found of one control on one asset. desired and found are short texts for people, in any language.

    status is one of STATUSES. reason says why it is not simply compliant or drift, else it is "". waiver is
    Waiver.as_dict() where there is one, also where it expired or is not needed. left: no role brings it about on this
    asset, so where it deviates it is left to a person. A record of before that was kept does not say so.
    """

    control: str
    severity: str
    status: str
    desired: Text
    found: Text
    reason: Text = ""
    waiver: Mapping[str, Any] | None = None
    left: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The record as it is kept: its texts as said.read() takes them."""
        return self._with(said.kept)

    def told(self) -> dict[str, Any]:
        """The record as engineers are told it: its texts in English."""
        return self._with(said.english)

    def _with(self, text: Callable[[Text], str]) -> dict[str, Any]:
        return {
            "control": self.control,
            "severity": self.severity,
            "status": self.status,
            "desired": text(self.desired),
            "found": text(self.found),
            "reason": text(self.reason),
            "waiver": None if self.waiver is None else dict(self.waiver),
            **({"left": True} if self.left else {}),
        }
