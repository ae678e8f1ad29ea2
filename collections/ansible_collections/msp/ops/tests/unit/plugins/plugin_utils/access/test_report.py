# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a customer's looks come to: people, and how each stands; nothing that nobody saw is covered."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.access import judging, report
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.plugins.plugin_utils.access.report import LOCAL, PASSWORD, SINGLE, TWO, UNKNOWN, Report
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import MICROSOFT_365, AccessCheck
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access import made_access
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import (
    CODE,
    DAY,
    FILE_SERVER,
    KEY,
    NAMED,
    NOW,
    account,
    answer,
    asset,
    cloud,
    keyboard,
    look,
    made,
    way,
)

PASSWORD_WAY, BOTH = way(made_access.PASSWORD), way(KEY, CODE)


def of(*hosts: dict[str, Any]) -> Report:
    """A report of hosts that told this, one after the other."""
    found = []
    for number, told in enumerate(hosts, 1):
        check = look(f"device:{number}", told)
        found.append(report.of_host(asset(number, f"srv{number}"), NAMED, (check, check), NOW))
    return Report(NOW, tuple(found), None, {})


def test_a_person_is_as_the_worst_of_his_accounts() -> None:
    found = of(answer(account("anna", BOTH, keyboard())), answer(account("anna", PASSWORD_WAY)))
    (anna,) = found.people
    assert (anna.name, anna.standing, anna.console) == ("anna", PASSWORD, judging.IMPOSSIBLE)
    assert anna.worst[0].look.name == "srv2"
    assert found.counts == {PASSWORD: 1, SINGLE: 0, UNKNOWN: 0, TWO: 0, LOCAL: 0}


@pytest.mark.parametrize(
    ("one", "standing"),
    [
        (account("a", PASSWORD_WAY), PASSWORD),
        (account("a", way(KEY)), SINGLE),
        (account("a", BOTH), TWO),
        (account("a", keyboard()), LOCAL),
        (account("a", BOTH, unknown=["ssh: no"]), UNKNOWN),
        (account("a", unknown=["ssh: no"]), UNKNOWN),
    ],
)
def test_how_people_stand(one: dict[str, Any], standing: str) -> None:
    assert [person.standing for person in of(answer(one)).people] == [standing]


def test_who_has_no_way_in_is_nobody_and_is_counted() -> None:
    found = of(answer(account("gone"), account("anna", BOTH), closed=5))
    assert [one.name for one in found.people] == ["anna"]
    assert found.hosts[0].closed == 6


def test_programs_and_break_glass_accounts_are_no_people() -> None:
    assert {one.name for one in made().people} == {"anna", "bert", "carla", "dirk", "eva", "frits", "gerda"}
    kinds = {one.account.name: one.kind for _host, one in made().each() if one.kind != "person"}
    assert kinds == {"nood": "break-glass", "msp": "automation", "backup": "automation", "scanner": "service"}


def test_the_weakest_account_is_told_first() -> None:
    told = [report.STANDINGS.index(report.standing(one)) for _host, one in made().each()]
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("looks", "why"),
    [
        ((None, None), report.NEVER),
        ((None, look("d", None, outcome="failed", error="MSP-ACC-001: no")), report.BROKEN),
        ((look("d", FILE_SERVER), look("d", None, NOW, "unreachable", "MSP-AUD-003: no")), report.BROKEN),
        ((look("d", FILE_SERVER, NOW - 36 * DAY),) * 2, report.OLD),
        ((replace(look("d", FILE_SERVER), found={"accounts": ["{"]}),) * 2, report.STRANGE),
    ],
)
def test_what_nobody_saw_today_is_unknown_and_covers_nobody(looks: report.Looks, why: str) -> None:
    host = report.of_host(asset(1, "srv1"), NAMED, looks, NOW)
    found = Report(NOW, (host,), None, {})
    assert host.look.unknown == why and found.blind == [host]
    assert {one.standing for one in found.people} <= {UNKNOWN}
    assert not any(one.network.covered or one.console.covered for one in host.accounts)


def test_a_break_glass_account_that_is_not_there_is_named() -> None:
    assert of(answer(account("anna", BOTH))).hosts[0].lacking == ("nood",)
    assert of(answer(account("nood", keyboard()))).hosts[0].lacking == ()


def test_one_that_is_shut_is_told_all_the_same() -> None:
    (host,) = of(answer(account("nood"))).hosts
    assert [(one.account.name, one.open) for one in host.accounts] == [("nood", False)]


def test_microsoft_365_that_was_not_seen_today_is_unknown() -> None:
    good = AccessCheck("b", MICROSOFT_365, "Microsoft 365", NOW - DAY, "ok", cloud())
    failed = replace(good, at=NOW, outcome="failed", found=None, error="MSP-OBS-032: no")
    found = report.of_cloud(frozenset({"x@y"}), (good, failed), NOW)
    assert found is not None and found.look.unknown == report.BROKEN
    assert {one.state for one in found.people if one.group != "disabled"} == {"unknown"}
    assert found.lacking == ("x@y",)
    never = report.of_cloud(frozenset(), (None, failed), NOW)
    assert never is not None and never.people == ()
    assert report.of_cloud(frozenset(), None, NOW) is None


def test_every_number_can_be_followed_to_its_row_of_evidence() -> None:
    found = made()
    data = json.loads(json.dumps(report.as_dict_of(found)))
    for name, number in data["people"]["counts"].items():
        assert number == sum(one["standing"] == name for one in data["people"]["each"])
    rows = {one["asset"]: one["at"] for one in data["machines"]}
    assert rows["device:1"] == (NOW - DAY).isoformat() and rows["device:4"] is None
    assert all(set(one["on"]) <= set(rows) for one in data["people"]["each"])
    for one in data["people"]["each"]:
        accounts = [a for m in data["machines"] if m["asset"] in one["on"] for a in m["accounts"]]
        assert one["name"] in {a["name"] for a in accounts}
    of_cloud = data["microsoft_365"]
    assert (of_cloud["disabled"], of_cloud["at"]) == (1, (NOW - DAY).isoformat())
    assert sum(of_cloud["counts"]["member"].values()) == 6 and of_cloud["counts"]["guest"] == {"missing": 1}


WAYS = st.lists(st.sampled_from([PASSWORD_WAY, BOTH, way(KEY), keyboard(), way(made_access.HARDWARE)]), max_size=3)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), WAYS), max_size=4),
    st.sampled_from(["ok", "failed", "old", "never"]),
    st.booleans(),
)
def test_an_account_whose_measure_is_missing_is_never_counted_as_covered(
    accounts: list[tuple[str, list[dict[str, Any]]]], outcome: str, told: bool
) -> None:
    unknown = [] if told else ["ssh: nobody answered", "login: nobody answered"]
    rows = [account(name, *ways, unknown=unknown) for name, ways in accounts]
    at = NOW - (dt.timedelta(days=60) if outcome == "old" else DAY)
    good = look("device:1", answer(*rows), at)
    failed = look("device:1", None, NOW, "failed", "MSP-ACC-001: no")
    looks = {"ok": (good, good), "old": (good, good), "failed": (good, failed), "never": (None, None)}[outcome]
    host = report.of_host(asset(1, "srv1"), Named(), looks, NOW)
    found = Report(NOW, (host,), None, {})
    if outcome != "ok" or not told:
        assert found.counts[TWO] == found.counts[LOCAL] == 0
        assert all(not (one.network.covered and one.network.state != judging.CLOSED) for one in host.accounts)
    assert sum(found.counts.values()) == len(found.people)
