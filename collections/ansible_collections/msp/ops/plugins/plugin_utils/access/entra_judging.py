# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Microsoft 365 asks somebody for a second factor, by what Entra says (observe/entra.py). Pure.

Registered is not enforced: it is only where a policy that is on, not one that only reports, covers that person for
every application and from everywhere. What a policy says of a group whose members nobody read is not known, and what is
not known is never taken for enforced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.observe import entra

# What is so of a person who may sign in, from bad to good.
STATES = MISSING, REGISTERED, TO_ENROL, PARTLY, UNKNOWN, ENFORCED = (
    *("missing", "registered", "to enrol", "partly", "unknown", "enforced"),
)
# Who is counted apart from people: disabled accounts, break-glass accounts and guests.
MEMBER, GUEST, BREAK_GLASS, DISABLED = ("member", "guest", "break-glass", "disabled")
GROUPS = (MEMBER, GUEST, BREAK_GLASS, DISABLED)
# How far a policy, or all of them, cover somebody.
_ALL, _SOME, _MAYBE, _NONE = "all", "some", "maybe", "none"
_EVERYWHERE = frozenset(("browser", "mobileAppsAndDesktopClients"))
# By these a password is sent and nothing else can be asked for (SMTP AUTH and its like).
_LEGACY = frozenset(("exchangeActiveSync", "other"))
_RISKS = (
    *("signInRiskLevels", "userRiskLevels", "insiderRiskLevels", "servicePrincipalRiskLevels"),
    *("devices", "deviceStates", "authenticationFlows", "clientApplications", "times"),
)
_DEFAULTS = "security defaults"


@dataclass(frozen=True, slots=True)
class Person:
    """One account of Microsoft 365. by: the policies that cover it; why: what is not known, or what is left out."""

    name: str
    display: str
    group: str
    admin: bool
    state: str
    registered: bool | None
    capable: bool | None
    methods: tuple[str, ...]
    by: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rules:
    """Everything that decides, and who is in which group or role."""

    policies: Sequence[Mapping[str, Any]] | None
    defaults: bool | None
    members: Mapping[str, frozenset[str]]
    everybody: frozenset[str]


def people(facts: Mapping[str, Any], break_glass: Iterable[str] = ()) -> list[Person]:
    """Everybody. break_glass are names, in lower case."""
    found = list(entra.read(facts))
    rules = _Rules(
        entra.read_policies(facts),
        facts["security_defaults"],
        {name: frozenset(ids) for name, ids in facts["members"].items()},
        frozenset(one["id"] for one in found if one["id"]),
    )
    named = frozenset(break_glass)
    return [_person(one, rules, named) for one in found]


def _person(one: Mapping[str, Any], rules: _Rules, break_glass: frozenset[str]) -> Person:
    covered, by, why = coverage(one, rules)
    return Person(
        one["name"],
        one["display"],
        _group(one, break_glass),
        bool(one["admin"]),
        _state(one, covered),
        one["registered"],
        one["capable"],
        tuple(one["methods"]),
        by,
        why,
    )


def _group(one: Mapping[str, Any], break_glass: frozenset[str]) -> str:
    if one["enabled"] is False:
        return DISABLED
    if one["name"].casefold() in break_glass:
        return BREAK_GLASS
    return GUEST if one["type"] == "guest" else MEMBER


def _state(one: Mapping[str, Any], covered: str) -> str:
    if one["registered"] is None:
        return UNKNOWN
    if not one["registered"]:
        return TO_ENROL if covered == _ALL else MISSING
    if one["capable"] is False and covered == _ALL:
        return TO_ENROL  # what is registered is not allowed
    return {_ALL: ENFORCED, _SOME: PARTLY, _MAYBE: UNKNOWN, _NONE: REGISTERED}[covered]


def coverage(one: Mapping[str, Any], rules: _Rules) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """How far this person is asked for a second factor, by what, and what is not known or left out."""
    found: list[tuple[str, str, str]] = []
    if one["per_user"] in ("enforced", "enabled"):
        found.append((_ALL, "MFA per user", ""))
    if rules.defaults:
        # Administrators are always asked; others when Microsoft sees a reason to.
        found.append(
            (_ALL, _DEFAULTS, "") if one["admin"] else (_SOME, _DEFAULTS, "only when Microsoft finds a reason")
        )
    for policy in rules.policies or ():
        how, why = _by(policy, one, rules)
        if how != _NONE:
            found.append((how, policy["name"], why))
    if rules.policies is None and not rules.defaults:
        found.append((_MAYBE, "", "the policies of conditional access are not known"))
    if rules.policies is not None and not rules.policies and rules.defaults is None:
        found.append((_MAYBE, "", "whether security defaults are on is not known"))
    for how in (_ALL, _SOME, _MAYBE):
        mine = [(name, why) for this, name, why in found if this == how]
        if mine and not (how == _SOME and any(this == _MAYBE for this, _name, _why in found)):
            reasons = tuple(dict.fromkeys(f"{name}: {why}" if name else why for name, why in mine if why))
            return how, tuple(dict.fromkeys(name for name, _why in mine if name)), reasons
    return _NONE, (), ()


def _by(policy: Mapping[str, Any], one: Mapping[str, Any], rules: _Rules) -> tuple[str, str]:
    """How far one policy asks this person, and why no further."""
    if policy["state"] != "enabled" or not asks(policy["grants"]):
        return _NONE, ""
    conditions = policy["conditions"]
    users = conditions.get("users", {})
    included, excluded = _included(users, one, rules), _named(users, "exclude", one, rules)
    if included is False or excluded is True:
        return _NONE, ""
    narrowed = list(_narrowed(conditions))
    if included is None or excluded is None:
        return _MAYBE, "who is in its groups or roles is not known"
    if not _of_kinds(conditions, _LEGACY) and not any(_shuts_out(other, one, rules) for other in rules.policies or ()):
        narrowed.append("not for old protocols, which take a password alone")
    return (_SOME, ", ".join(narrowed)) if narrowed else (_ALL, "")


def _shuts_out(policy: Mapping[str, Any], one: Mapping[str, Any], rules: _Rules) -> bool:
    """Whether a policy blocks the old protocols for this person, without exceptions."""
    conditions = policy["conditions"]
    if policy["state"] != "enabled" or "block" not in policy["grants"].get("builtInControls", ()):
        return False
    users = conditions.get("users", {})
    if _included(users, one, rules) is not True or _named(users, "exclude", one, rules) is not False:
        return False
    everywhere = {**conditions, "clientAppTypes": ["all"]}
    return _of_kinds(conditions, _LEGACY) and not list(_narrowed(everywhere))


def _of_kinds(conditions: Mapping[str, Any], wanted: frozenset[str]) -> bool:
    kinds = set(conditions.get("clientAppTypes", ()))
    return "all" in kinds or kinds >= wanted


def asks(grants: Mapping[str, Any]) -> bool:
    """Whether what a policy wants always has a second factor in it. One of several things (OR) need not be it."""
    controls = set(grants.get("builtInControls", ()))
    strength = grants.get("authenticationStrength")
    strong = isinstance(strength, Mapping) and strength.get("requirementsSatisfied") == "mfa"
    wanted = controls - {"mfa"}
    others = bool(wanted or grants.get("customAuthenticationFactors") or grants.get("termsOfUse"))
    if "mfa" not in controls and not strong:
        return False
    return not others or grants.get("operator") == "AND"


def _included(users: Mapping[str, Any], one: Mapping[str, Any], rules: _Rules) -> bool | None:
    return True if "All" in users.get("includeUsers", ()) else _named(users, "include", one, rules)


def _named(users: Mapping[str, Any], side: str, one: Mapping[str, Any], rules: _Rules) -> bool | None:
    """Whether a person is named on one side of a policy, by himself or by what he belongs to; None: not known."""
    mine = one["id"]
    lists = {key: users.get(side + key, ()) for key in ("Users", "Groups", "Roles")}
    if lists["Users"] and not mine and any(name not in _WORDS for name in lists["Users"]):
        found: list[bool | None] = [None]
    else:
        found = [mine.casefold() in {str(name).casefold() for name in lists["Users"]} if mine else False]
    found += [_member(name, one, rules) for name in lists["Groups"]]
    found += [_holds(name, one, rules) for name in lists["Roles"]]
    if one["type"] == "guest":
        found.append("GuestsOrExternalUsers" in lists["Users"])
        # Which kind of guest somebody is, the report does not say.
        found.append(None if users.get(side + "GuestsOrExternalUsers") else False)
    return True if True in found else None if None in found else False


_WORDS = frozenset(("All", "None", "GuestsOrExternalUsers"))


def _member(group: str, one: Mapping[str, Any], rules: _Rules) -> bool | None:
    known = rules.members.get(group)
    return None if known is None or not one["id"] else one["id"] in known


def _holds(role: str, one: Mapping[str, Any], rules: _Rules) -> bool | None:
    """Whether somebody has a role. Who has it by a group is none of the people that are known."""
    if one["admin"] is False:
        return False
    known = rules.members.get(role)
    if known is None or not one["id"]:
        return None
    return True if one["id"] in known else None if known - rules.everybody else False


def _narrowed(conditions: Mapping[str, Any]) -> Iterable[str]:
    """What of a policy keeps it from being for everything."""
    applications = conditions.get("applications", {})
    if "All" not in applications.get("includeApplications", ()) or applications.get("applicationFilter"):
        yield "only for some applications"
    elif applications.get("excludeApplications"):
        yield "not for all applications"
    if not _of_kinds(conditions, _EVERYWHERE):
        yield "only for some kinds of programs"
    for name, words in (("locations", "not from everywhere"), ("platforms", "not on all kinds of devices")):
        part = conditions.get(name, {})
        included = {str(one).casefold() for value in _lists(part, "include") for one in value}
        if part and ("all" not in included or any(_lists(part, "exclude"))):
            yield words
    if any(conditions.get(name) for name in _RISKS):
        yield "only under some conditions"


def _lists(part: Mapping[str, Any], side: str) -> list[Any]:
    return [value for name, value in part.items() if name.startswith(side) and isinstance(value, list) and value]
