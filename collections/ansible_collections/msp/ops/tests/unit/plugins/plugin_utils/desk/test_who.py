# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said to be wrong with a thing, and whose a thing is that has another name than its asset."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.desk import who as desk_who
from ansible_collections.msp.ops.plugins.plugin_utils.desk.identifying import identified
from ansible_collections.msp.ops.plugins.plugin_utils.desk.who import Answer, who, wrong
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation, StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import Evidence, compare
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import (
    NOW,
    SLUG,
    TODAY,
    asset,
    audit,
    customer,
    facts,
)


def answer(body: dict[str, Any] | None = None, **changes: Any) -> Answer:
    one, good = asset(), audit(summary={"encrypted": changes.pop("encrypted", True)})
    evidence = Evidence(good, good, body or facts())
    made = Answer(
        customer=one.customer,
        customer_name="Bakkerij Jansen",
        name=one.name,
        status="contracted",
        asset=one,
        compared=compare(one, evidence, NOW, TODAY, customer().contract),
        sightings=(),
        last_good=good,
        last_attempt=good,
    )
    return dataclasses.replace(made, **changes)


def test_of_a_machine_in_order_nothing_is_wrong() -> None:
    assert wrong(answer()) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"hostname": {"name": "other"}}, "hostname is other, promised was jansen-srv01"),
        ({"updates": {"known": True, "total": 9, "security": 4}}, "4 security updates pending"),
        ({"reboot": {"needed": True}}, "a restart is needed"),
        (
            {"os": {"name": "Debian GNU/Linux", "version": "11", "support_end": "2026-08-31"}},
            "Debian GNU/Linux 11 is out of support since 2026-08-31",
        ),
    ],
)
def test_each_trouble_is_said_in_a_line(body: dict[str, Any], said: str) -> None:
    assert wrong(answer(facts(**body))) == [said]


def test_a_disk_without_encryption_is_said_and_one_that_was_not_measured_is_not() -> None:
    assert wrong(answer(encrypted=False)) == ["the disk is not encrypted"]
    assert wrong(answer(encrypted=None)) == []


def test_a_last_audit_that_failed_is_said_with_why() -> None:
    failed = audit(outcome="unreachable", error="timed out")
    assert wrong(answer(last_attempt=failed))[0] == "the last audit ended with unreachable: timed out"


class NoTerm:
    """A NetBox that knows nobody by the term."""

    def rows(self, *_arguments: Any, **_filters: Any) -> list[Any]:
        return []

    def close(self) -> None:
        pass


def test_a_renamed_machine_is_its_asset_by_what_earlier_matches_taught(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = asset(name="lt-0042")
    for days, name in ((9, "lt-0042"), (1, "lt-0099")):
        at = NOW - dt.timedelta(days=days)
        store.record_observations([Observation(SLUG, "directory", at, {"directory_id": "d-1", "names": [name]})])
        store.remember(SLUG, identified(store, SLUG, [known]).learnt())

    def by_keys(_register: Any, keys: Sequence[str]) -> list[Asset]:
        return [known] if known.key in keys else []

    monkeypatch.setattr(desk_who, "_by_keys", by_keys)
    found = who("lt-0099", NoTerm, lambda: Store.open(url), NOW)  # type: ignore[arg-type]

    assert not found.silent
    (one,) = found.answers
    assert one.asset == known
    assert [sighting.identity["names"] for sighting in one.sightings] == [["lt-0099"]]


def test_what_its_last_check_found_is_told_with_it(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = asset(name="till")
    records = tuple(
        {"control": control, "severity": "high", "status": status, "waiver": None}
        for control, status in (("ssh-root-login", "drift"), ("banner", "compliant"))
    )
    at = NOW - dt.timedelta(days=1)
    key = (SLUG, known.key, "till", at, "check", "ok", "linux-server", "1.0")
    store.record_standard_checks([StandardCheck(*key, records)])
    monkeypatch.setattr(desk_who, "_questions", lambda _register, _term: [lambda: [known]])

    (one,) = who("till", NoTerm, lambda: Store.open(url), NOW).answers  # type: ignore[arg-type]

    assert one.standard is not None
    assert (one.standard.state, one.standard.drift, one.standard.checked) == ("drift", ("ssh-root-login",), at)
    assert "not as its standard wants it: ssh-root-login" in wrong(one)
