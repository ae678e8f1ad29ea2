# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Registered is not enforced: it takes a policy that is on and covers somebody always and everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.access import entra_judging
from ansible_collections.msp.ops.plugins.plugin_utils.access.entra_judging import (
    BREAK_GLASS,
    DISABLED,
    ENFORCED,
    GUEST,
    MEMBER,
    MISSING,
    PARTLY,
    REGISTERED,
    TO_ENROL,
    UNKNOWN,
    Person,
)
from ansible_collections.msp.ops.plugins.plugin_utils.observe import entra
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import (
    cloud,
    policy,
    registration,
    user,
)

GROUP, ROLE = "00000000-0000-0000-0000-0000000000aa", "00000000-0000-0000-0000-0000000000bb"
ANNA = registration("anna")
ID = ANNA["id"]


def judged(
    row: dict[str, Any],
    policies: Sequence[dict[str, Any]] | None = (),
    *,
    defaults: bool | None = False,
    members: dict[str, list[str]] | None = None,
    enabled: bool = True,
    break_glass: Sequence[str] = (),
) -> Person:
    people = entra.people([row], [user(row, enabled)], "made")
    rules = None if policies is None else entra.policies(policies, "made")
    body = entra.body(people, rules, source="made", users_known=True, security_defaults=defaults, members=members or {})
    (found,) = entra_judging.people(body, break_glass)
    return found


def narrowed(**conditions: Any) -> dict[str, Any]:
    found = policy("All")
    return {**found, "conditions": {**found["conditions"], **conditions}}


def granted(*controls: str, operator: str = "OR", **more: Any) -> dict[str, Any]:
    return {**policy("All"), "grantControls": {"operator": operator, "builtInControls": list(controls), **more}}


MODERN = ["browser", "mobileAppsAndDesktopClients"]


def blocking(kinds: list[str], **more: Any) -> dict[str, Any]:
    found = policy("Block", **more)
    conditions = {**found["conditions"], "clientAppTypes": kinds}
    return {**found, "conditions": conditions, "grantControls": {"operator": "OR", "builtInControls": ["block"]}}


@pytest.mark.parametrize(
    ("policies", "state"),
    [
        ([], REGISTERED),
        ([policy("All")], ENFORCED),
        ([policy("All", state="enabledForReportingButNotEnforced")], REGISTERED),
        ([policy("All", state="disabled")], REGISTERED),
        ([policy("All", excludeUsers=[ID.upper()])], REGISTERED),
        ([policy("Some", includeUsers=[ID])], ENFORCED),
        ([policy("Others", includeUsers=["00000000-0000-0000-0000-0000000000cc"])], REGISTERED),
        ([policy("None", includeUsers=["None"])], REGISTERED),
        # Who is in the group nobody read.
        ([policy("Group", includeUsers=[], includeGroups=[GROUP])], UNKNOWN),
        ([policy("All", excludeGroups=[GROUP])], UNKNOWN),
        ([policy("All", excludeRoles=[ROLE])], ENFORCED),  # she has no role at all
        ([policy("All", excludeGroups=[GROUP]), policy("Me", includeUsers=[ID])], ENFORCED),
        ([narrowed(applications={"includeApplications": ["Office365"]})], PARTLY),
        ([narrowed(applications={"includeApplications": ["All"], "excludeApplications": ["x"]})], PARTLY),
        ([narrowed(locations={"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]})], PARTLY),
        ([narrowed(locations={"includeLocations": ["All"], "excludeLocations": []})], ENFORCED),
        ([narrowed(platforms={"includePlatforms": ["android"]})], PARTLY),
        ([narrowed(signInRiskLevels=["high"])], PARTLY),
        ([narrowed(clientAppTypes=["browser"])], PARTLY),
        # By SMTP AUTH and its like a password alone is taken, unless another policy blocks those for her.
        ([narrowed(clientAppTypes=MODERN)], PARTLY),
        ([narrowed(clientAppTypes=[*MODERN, "exchangeActiveSync", "other"])], ENFORCED),
        ([narrowed(clientAppTypes=MODERN), blocking(["exchangeActiveSync", "other"])], ENFORCED),
        ([narrowed(clientAppTypes=MODERN), blocking(["other"])], PARTLY),
        ([narrowed(clientAppTypes=MODERN), blocking(["exchangeActiveSync", "other"], state="disabled")], PARTLY),
        ([narrowed(clientAppTypes=MODERN), blocking(["exchangeActiveSync", "other"], excludeUsers=[ID])], PARTLY),
        ([narrowed(devices={"deviceFilter": {"mode": "exclude", "rule": "x"}})], PARTLY),
        ([granted("mfa", "compliantDevice")], REGISTERED),
        ([granted("mfa", "compliantDevice", operator="AND")], ENFORCED),
        ([granted("block")], REGISTERED),
        ([granted(authenticationStrength={"requirementsSatisfied": "mfa"})], ENFORCED),
        ([granted(authenticationStrength={"requirementsSatisfied": "none"})], REGISTERED),
        ([granted("mfa", termsOfUse=["x"])], REGISTERED),
    ],
)
def test_whom_a_policy_covers(policies: list[dict[str, Any]], state: str) -> None:
    assert judged(ANNA, policies).state == state


def test_groups_and_roles_count_where_their_members_are_known() -> None:
    of_group = policy("Group", includeUsers=[], includeGroups=[GROUP])
    assert judged(ANNA, [of_group], members={GROUP: [ID]}).state == ENFORCED
    assert judged(ANNA, [of_group], members={GROUP: []}).state == REGISTERED
    assert judged(ANNA, [policy("All", excludeGroups=[GROUP])], members={GROUP: [ID]}).state == REGISTERED
    admin = {**ANNA, "isAdmin": True}
    of_role = policy("Admins", includeUsers=[], includeRoles=[ROLE])
    assert judged(admin, [of_role], members={ROLE: [ID]}).state == ENFORCED
    # Somebody has the role by way of a group: that may be she.
    exempt = policy("All", excludeRoles=[ROLE])
    assert judged(admin, [exempt], members={ROLE: [GROUP]}).state == UNKNOWN
    assert judged(admin, [exempt], members={ROLE: []}).state == ENFORCED


def test_security_defaults_always_ask_administrators_and_others_sometimes() -> None:
    assert judged({**ANNA, "isAdmin": True}, [], defaults=True).state == ENFORCED
    found = judged(ANNA, [], defaults=True)
    assert (found.state, found.by) == (PARTLY, ("security defaults",))
    assert judged(ANNA, [], defaults=None).state == UNKNOWN
    assert judged(ANNA, None, defaults=False).state == UNKNOWN


def test_mfa_per_user_counts_where_an_export_says_it() -> None:
    assert judged({**ANNA, "perUserMfaState": "enforced"}, []).state == ENFORCED
    assert judged({**ANNA, "perUserMfaState": "disabled"}, []).state == REGISTERED


@pytest.mark.parametrize(
    ("changed", "policies", "state"),
    [
        ({"isMfaRegistered": False, "isMfaCapable": False}, [], MISSING),
        ({"isMfaRegistered": False, "isMfaCapable": False}, [policy("All")], TO_ENROL),
        # What is registered is not allowed: it is to be set up again.
        ({"isMfaCapable": False}, [policy("All")], TO_ENROL),
        ({"isMfaCapable": False}, [], REGISTERED),
        ({"isMfaRegistered": None, "isMfaCapable": None}, [policy("All")], UNKNOWN),
    ],
)
def test_a_policy_enforces_nothing_that_is_not_there(
    changed: dict[str, Any], policies: list[dict[str, Any]], state: str
) -> None:
    assert judged({**ANNA, **changed}, policies).state == state


def test_disabled_break_glass_and_guest_accounts_are_groups_of_their_own() -> None:
    assert judged(ANNA).group == MEMBER
    assert judged(ANNA, enabled=False).group == DISABLED
    assert judged(ANNA, break_glass=[ANNA["userPrincipalName"]]).group == BREAK_GLASS
    assert judged(ANNA, enabled=False, break_glass=[ANNA["userPrincipalName"]]).group == DISABLED
    guest = {**ANNA, "userType": "guest"}
    assert judged(guest).group == GUEST
    assert judged(guest, [policy("All")]).state == ENFORCED
    external = {"guestOrExternalUserTypes": "b2bCollaborationGuest", "externalTenants": {"membershipKind": "all"}}
    assert judged(guest, [policy("All", excludeGuestsOrExternalUsers=external)]).state == UNKNOWN
    assert judged(guest, [policy("All", excludeUsers=["GuestsOrExternalUsers"])]).state == REGISTERED
    assert judged(ANNA, [policy("All", excludeGuestsOrExternalUsers=external)]).state == ENFORCED


def test_the_made_customer_has_something_of_everything() -> None:
    found = entra_judging.people(cloud(), ["nood@bakkerijjansen.example"])
    states = {one.name.split("@")[0]: (one.group, one.state) for one in found}
    assert states == {
        "anna": (MEMBER, ENFORCED),
        "bert": (MEMBER, REGISTERED),
        "carla": (MEMBER, TO_ENROL),
        "dirk": (MEMBER, ENFORCED),
        "eva": (MEMBER, MISSING),
        "frits": (MEMBER, TO_ENROL),
        "henk": (DISABLED, UNKNOWN),
        "leverancier": (GUEST, MISSING),
        "nood": (BREAK_GLASS, REGISTERED),
    }


POLICIES = st.lists(
    st.sampled_from(
        [
            policy("All"),
            policy("Report", state="enabledForReportingButNotEnforced"),
            policy("Off", state="disabled"),
            policy("Group", includeUsers=[], includeGroups=[GROUP]),
            policy("Out", excludeUsers=[ID]),
            narrowed(signInRiskLevels=["high"]),
            granted("mfa", "compliantDevice"),
            granted("block"),
        ]
    ),
    max_size=4,
)


@given(POLICIES, st.sampled_from([True, False, None]), st.booleans(), st.sampled_from([True, False, None]))
def test_nobody_is_enforced_without_a_policy_that_is_on_or_without_a_factor(
    policies: list[dict[str, Any]], defaults: bool | None, admin: bool, registered: bool | None
) -> None:
    row = {**ANNA, "isAdmin": admin, "isMfaRegistered": registered, "isMfaCapable": registered}
    found = judged(row, policies, defaults=defaults)
    covering = any(one["displayName"] == "All" and one == policy("All") for one in policies) or (defaults and admin)
    assert (found.state == ENFORCED) == bool(covering and registered)


@given(POLICIES, POLICIES)
def test_a_policy_that_is_not_on_changes_nothing(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    off = [{**one, "state": "enabledForReportingButNotEnforced"} for one in others]
    with_off, without = judged(ANNA, [*some, *off], defaults=False), judged(ANNA, some, defaults=False)
    assert with_off.state == without.state
