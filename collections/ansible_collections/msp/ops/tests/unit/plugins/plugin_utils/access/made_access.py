# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer with something of everything that the report on logins tells of, made by the code that makes any."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.standards import access_words
from ansible_collections.msp.ops.plugins.plugin_utils.access import model, report
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.plugins.plugin_utils.access.report import Report
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import MICROSOFT_365, AccessCheck
from ansible_collections.msp.ops.plugins.plugin_utils.observe import entra

DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
SLUG = "bakkerij-jansen"
KEY, PASSWORD, CODE = access_words.KEY, access_words.PASSWORD, access_words.CODE
HARDWARE, TICKET = access_words.HARDWARE, access_words.TICKET
ROBOT = "msp"


def way(*proved: str, place: str = model.NETWORK, by: str = "ssh", **more: Any) -> dict[str, Any]:
    """A way in as a host tells it."""
    return {"place": place, "by": by, "proved": sorted(proved), "from": [], "where": [], "limits": [], **more}


def keyboard(*proved: str) -> dict[str, Any]:
    return way(*(proved or (PASSWORD,)), place=model.CONSOLE, by="login")


def key(name: str, kind: str = "ssh-ed25519") -> dict[str, Any]:
    fingerprint = "SHA256:" + (name * 43)[:43]
    return {"kind": kind, "fingerprint": fingerprint, "from": [], "command": False, "pin": False, "touch": True} | {
        "authority": False
    }


def rule(*asks: Sequence[str], commands: Sequence[str] = ("ALL",)) -> dict[str, Any]:
    return {"root": True, "commands": list(commands), "asks": [list(one) for one in asks]}


def account(name: str, *ways: dict[str, Any], uid: int = 1000, **more: Any) -> dict[str, Any]:
    """An account as a host tells it."""
    return {
        "name": name,
        "uid": uid,
        "source": "local",
        "person": uid >= 1000,
        "shell": "/bin/bash",
        "shell_works": True,
        "password": "set" if any(PASSWORD in one["proved"] for one in ways) else "none",
        "locked": False,
        "expired": False,
        "must_change": False,
        "keys": [key(name)] if any(KEY in one["proved"] for one in ways) else [],
        "enrolled": [],
        "ways": list(ways),
        "sudo": [],
        "unknown": [],
        **more,
    }


def answer(*accounts: dict[str, Any], closed: int = 24, **more: Any) -> dict[str, Any]:
    """What a host tells."""
    return {"accounts": list(accounts), "closed": closed, "directory": [], "unknown": [], **more}


def look(
    asset: str, found: dict[str, Any] | None, at: dt.datetime = NOW - DAY, outcome: str = "ok", error: str | None = None
) -> AccessCheck:
    body = None if found is None else model.body(found, ROBOT)
    return AccessCheck(SLUG, asset, asset, at, outcome, body, error, "run-1")


def asset(number: int, name: str, asset_class: str = "server") -> Asset:
    return Asset("device", number, name, SLUG, "contracted", asset_class)


def customer(language: str = "nl", name: str = "Bakkerij Jansen") -> Customer:
    contract = Contract("C-2026-014", dt.date(2025, 1, 1), None, language=language, timezone="Europe/Amsterdam")
    return Customer(1, SLUG, name, contract)


NAMED = Named(frozenset({"nood"}), frozenset({"backup"}), frozenset(), frozenset({"nood@bakkerijjansen.example"}))

FILE_SERVER = answer(
    account("anna", way(KEY, CODE), keyboard(), uid=1001, enrolled=[CODE], sudo=[rule((PASSWORD,))]),
    account("bert", way(PASSWORD), way(KEY), keyboard(), uid=1002, sudo=[rule((PASSWORD,))]),
    account("carla", way(KEY), uid=1003),
    account("dirk", way(HARDWARE), uid=1004, keys=[key("dirk", "sk-ssh-ed25519@openssh.com")]),
    account("nood", keyboard(), uid=1090, sudo=[rule((PASSWORD,))]),
    account(ROBOT, {**way(KEY), "from": [["192.0.2.10"]]}, uid=1080, sudo=[rule(())]),
    account("root", uid=0),
)
TILL = answer(
    account("anna", way(KEY, CODE), keyboard(), uid=1001, enrolled=[CODE]),
    account("eva", way(PASSWORD), keyboard(), uid=1005, enrolled=[CODE]),
    account("backup", way(KEY, limits=["one command"]), uid=1081),
    account("scanner", way(PASSWORD), uid=1082, shell_works=False),
    account(ROBOT, way(KEY, where=["address 192.0.2.0/24"]), uid=1080, sudo=[rule(())]),
    unknown=["accounts of a directory (sss) that this host has not met are not known to it"],
    directory=["sss"],
)
OFFICE = answer(
    account("frits", way(TICKET), keyboard(), uid=20001, source="directory", password="directory"),  # noqa: S106
    account(
        "gerda",
        way(KEY, access_words.UNKNOWN + "pam_duo.so"),
        way(access_words.UNKNOWN + "pam_duo.so"),
        uid=1006,
        unknown=["its groups: id no answer within 25 seconds"],
    ),
)


def registration(name: str, registered: bool = True, **more: Any) -> dict[str, Any]:
    """A row of userRegistrationDetails."""
    return {
        "id": f"00000000-0000-0000-0000-{zlib.crc32(name.encode()):012}",
        "userPrincipalName": f"{name}@bakkerijjansen.example",
        "userDisplayName": f"{name.capitalize()} Jansen",
        "userType": "member",
        "isAdmin": False,
        "isMfaRegistered": registered,
        "isMfaCapable": registered,
        "methodsRegistered": ["microsoftAuthenticatorPush", "softwareOneTimePasscode"] if registered else [],
        "lastUpdatedDateTime": "2026-11-18T03:00:00Z",
        **more,
    }


def user(row: dict[str, Any], enabled: bool = True) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("id", "userPrincipalName")},
        "accountEnabled": enabled,
        "userType": row["userType"].capitalize(),
    }


def policy(name: str, state: str = "enabled", controls: Sequence[str] = ("mfa",), **users: Any) -> dict[str, Any]:
    """A policy of conditional access as Graph tells it."""
    return {
        "id": f"11111111-0000-0000-0000-{len(name):012}",
        "displayName": name,
        "state": state,
        "conditions": {
            "users": {"includeUsers": ["All"], "excludeUsers": [], "includeGroups": [], **users},
            "applications": {"includeApplications": ["All"], "excludeApplications": []},
            "clientAppTypes": ["all"],
            "locations": None,
            "platforms": None,
            "signInRiskLevels": [],
        },
        "grantControls": {"operator": "OR", "builtInControls": list(controls), "authenticationStrength": None},
    }


def cloud() -> dict[str, Any]:
    """What is kept of a look at Microsoft 365."""
    rows = [
        registration("anna", isAdmin=True),
        registration("bert"),
        registration("carla", registered=False),
        registration("dirk", methodsRegistered=["fido2SecurityKey"]),
        registration("eva", registered=False, methodsRegistered=["email"]),
        registration("frits", isMfaCapable=False, methodsRegistered=["mobilePhone"]),
        registration("nood", isAdmin=True, methodsRegistered=["fido2SecurityKey"]),
        registration("leverancier", userType="guest", registered=False),
    ]
    left = registration("henk", registered=False)
    exempt = [row["id"] for row in rows if row["userPrincipalName"].startswith(("bert", "eva", "nood", "leverancier"))]
    rules = [
        policy("Tweede bewijs voor iedereen", excludeUsers=exempt),
        policy("Proef: overal", state="enabledForReportingButNotEnforced"),
    ]
    people = entra.people(rows, [*map(user, rows), user(left, enabled=False)], "Graph")
    return entra.body(
        people,
        entra.policies(rules, "Graph"),
        source="https://graph.microsoft.com",
        users_known=True,
        security_defaults=False,
        members={},
    )


def made() -> Report:
    """The report of a customer with something of everything."""
    hosts = [
        (asset(1, "jansen-srv01"), look("device:1", FILE_SERVER)),
        (asset(2, "jansen-kassa01"), look("device:2", TILL)),
        (asset(3, "jansen-pc01", "workstation"), look("device:3", OFFICE)),
    ]
    found = [report.of_host(one, NAMED, (check, check), NOW) for one, check in hosts]
    away = look("device:4", None, outcome="unreachable", error="MSP-AUD-003: jansen-pc02 did not answer")
    found.append(report.of_host(asset(4, "jansen-pc02", "workstation"), Named(), (None, away), NOW))
    look_at_cloud = AccessCheck(SLUG, MICROSOFT_365, "Microsoft 365", NOW - DAY, "ok", cloud())
    of_cloud = report.of_cloud(NAMED.microsoft_365, (look_at_cloud, look_at_cloud), NOW)
    return Report(NOW, tuple(sorted(found, key=lambda one: one.look.name)), of_cloud, {})


def nobody() -> Report:
    """A customer of whom nothing was ever seen."""
    return Report(NOW, (), None, {})
