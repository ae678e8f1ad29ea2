# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run came to, and what NetBox is told of it."""

from __future__ import annotations

import datetime as dt

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit import standing
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

BEGAN = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ONE = Subject("srv01.example", "example", "device:1")
PHONE = Subject("phone01.example", "example", "device:2", has_address=False)


def audit(at: dt.datetime, outcome: str = "ok", facts: str = "a" * 64) -> Audit:
    summary = {"os": "Debian", "support_end": "2028-06-30", "security": 2}
    if outcome == "ok":
        return Audit("example", "device:1", "srv01.example", at, outcome, facts_hash=facts, summary=summary)
    return Audit("example", "device:1", "srv01.example", at, outcome, error="MSP-AUD-003: no answer")


def test_an_attempt_of_this_run_counts_as_it_ended() -> None:
    done = audit(BEGAN + HOUR)

    (found,) = standing.attempts([ONE], {"example": {"device:1": (done, done)}}, BEGAN)

    assert (found.outcome, found.audit, found.is_lost) == ("ok", done, False)


def test_a_host_without_a_record_since_the_run_began_is_lost_and_gets_one() -> None:
    old = audit(BEGAN - HOUR)

    (found,) = standing.attempts([ONE], {"example": {"device:1": (old, old)}}, BEGAN)

    assert (found.outcome, found.is_lost, found.last_ok) == ("failed", True, old)
    assert found.audit is not None
    assert (found.audit.at, found.audit.outcome) == (BEGAN, "failed")
    assert "MSP-AUD-006" in str(found.audit.error)


def test_an_asset_without_an_address_was_not_attempted_and_gets_no_record() -> None:
    (found,) = standing.attempts([PHONE], {}, BEGAN)

    assert (found.outcome, found.audit, found.is_lost) == ("not_attempted", None, False)
    assert "MSP-AUD-007" in str(found.error)


def test_in_check_mode_no_host_is_lost() -> None:
    (found,) = standing.attempts([ONE], {}, BEGAN, check=True)

    assert (found.outcome, found.audit, found.error) == ("not_recorded", None, None)


HAVE = {names.FACTS_HASH: "a" * 64, names.OPERATING_SYSTEM: "Debian", names.OS_SUPPORT_END: "2028-06-30"}


def found_of(last_ok: Audit | None, last: Audit) -> list[standing.Attempt]:
    return standing.attempts([ONE], {"example": {"device:1": (last_ok, last)}}, BEGAN)


def test_netbox_is_told_nothing_when_nothing_changed() -> None:
    done = audit(BEGAN)

    assert standing.changes(found_of(done, done), {"device:1": HAVE}) == {}


def test_netbox_is_told_only_what_differs() -> None:
    done = audit(BEGAN, facts="b" * 64)

    assert standing.changes(found_of(done, done), {"device:1": HAVE}) == {
        "device:1": ({names.FACTS_HASH: "a" * 64}, {names.FACTS_HASH: "b" * 64})
    }


def test_after_a_crash_the_last_audit_in_the_store_reaches_netbox_with_the_next_run() -> None:
    earlier, now = audit(BEGAN - HOUR), audit(BEGAN, "unreachable")

    found = standing.changes(found_of(earlier, now), {"device:1": {}})

    assert found["device:1"][1][names.FACTS_HASH] == "a" * 64


def test_an_asset_that_was_deleted_in_netbox_meanwhile_is_left_out() -> None:
    done = audit(BEGAN)

    assert standing.changes(found_of(done, done), {}) == {}


def test_the_sentences_name_the_counts_and_every_host_without_an_audit() -> None:
    done, dead = audit(BEGAN), audit(BEGAN, "unreachable")
    other = Subject("srv02.example", "example", "device:3")
    found = standing.attempts(
        [ONE, other, PHONE], {"example": {"device:1": (done, done), "device:3": (None, dead)}}, BEGAN
    )

    lines = standing.sentences(found, 1)

    assert lines[0] == (
        "3 host(s): 1 ok, 1 unreachable, 1 without an address in NetBox; 1 with security updates waiting; "
        "NetBox brought up to date for 1"
    )
    assert [line.split(": MSP-AUD")[0] for line in lines[1:]] == ["srv02.example", "phone01.example"]
    assert standing.counts(found) == {
        "ok": 1, "unreachable": 1, "no_python": 0, "failed": 0, "not_attempted": 1, "not_recorded": 0
    }  # fmt: skip


@pytest.mark.parametrize("text", ["2026-03-01T10:00:00", "yesterday", ""])
def test_a_start_without_its_zone_is_refused_for_it_would_be_read_as_local_time(text: str) -> None:
    with pytest.raises(MspError, match="MSP-AUD-008"):
        standing.moment(text)


def test_a_start_in_another_zone_is_the_same_moment() -> None:
    assert standing.moment("2026-03-01T05:00:00-05:00") == standing.moment("2026-03-01T10:00:00+00:00")
