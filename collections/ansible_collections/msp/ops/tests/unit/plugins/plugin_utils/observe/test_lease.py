# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a lease says, and of when."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.observe.lease import (
    RECENT,
    Lease,
    from_epoch,
    lines,
    observation,
    reading,
)
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Skip

AT = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
CONTEXT = Context("example", AT, "dhcpd.leases")
MAC = "00:00:5e:00:53:01"
HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "seen", "until", "expected"),
    [
        ("active", AT - HOUR, AT + HOUR, AT - HOUR),
        ("active", None, AT + HOUR, AT),  # the server tells only the end
        ("active", None, None, AT),
        ("active", AT - 400 * 24 * HOUR, None, AT - 400 * 24 * HOUR),  # for ever, and long not heard of
        ("active", AT + HOUR, AT + 2 * HOUR, AT),  # the server's clock is ahead of ours
        ("active", AT - 3 * HOUR, AT - HOUR, AT - 3 * HOUR),  # it ran out, whatever it is called
        ("active", None, AT - HOUR, AT - HOUR),
        ("ended", AT - 3 * HOUR, AT - HOUR, AT - 3 * HOUR),
        ("ended", None, AT - HOUR, AT - HOUR),
        ("ended", AT - 3 * HOUR, AT + HOUR, AT - 3 * HOUR),  # released before its end
        ("ended", AT - 60 * 24 * HOUR, AT - HOUR, AT - 60 * 24 * HOUR),  # a long lease
        ("ended", None, None, None),
        ("ended", None, AT - RECENT - HOUR, None),
        ("active", None, AT - RECENT - HOUR, None),
    ],
)
def test_a_client_is_seen_when_the_server_last_heard_of_it(
    state: str, seen: dt.datetime | None, until: dt.datetime | None, expected: dt.datetime | None
) -> None:
    found = observation(Lease("192.0.2.10", state, MAC, seen=seen, until=until), CONTEXT)  # type: ignore[arg-type]

    assert (found.at if found else None) == expected


TIMES = st.none() | st.integers(-9000, 9000).map(lambda hours: AT + hours * HOUR)


@given(st.sampled_from(("active", "ended")), TIMES, TIMES)
def test_no_client_is_seen_later_than_the_reading_nor_now_when_its_lease_has_ended(
    state: str, seen: dt.datetime | None, until: dt.datetime | None
) -> None:
    found = observation(Lease("192.0.2.10", state, MAC, seen=seen, until=until), CONTEXT)  # type: ignore[arg-type]

    assert found is None or found.at <= AT
    if found is not None and (state == "ended" or (until is not None and until <= AT)):
        assert found.at in (seen, until, AT)
        assert found.at < AT or all(time is None or time >= AT for time in (seen, until))


def test_an_observation_says_only_what_is_known() -> None:
    whole = observation(Lease("192.0.2.10", "active", MAC, ("ws01", "WS01.", "*"), description="x\ny"), CONTEXT)
    bare = observation(Lease("192.0.2.10", "active"), CONTEXT)

    assert whole is not None
    assert bare is not None
    assert (whole.customer, whole.source) == ("example", "dhcp")
    assert whole.identity == {"macs": [MAC], "names": ["ws01"], "addresses": ["192.0.2.10"]}
    assert whole.attributes == {"description": "x y"}
    assert (bare.identity, bare.attributes, bare.place) == ({"addresses": ["192.0.2.10"]}, {}, {})


def test_the_last_lease_of_an_address_counts_and_those_of_nobody_are_counted() -> None:
    found = reading(
        [
            Lease("192.0.2.10", "active", MAC),
            Lease("192.0.2.11", "active", MAC),
            Lease("192.0.2.10", "nobody"),
            Lease("192.0.2.12", "ended"),
            Lease("192.0.2.13", "ended", MAC, until=AT - RECENT - HOUR),
        ],
        [],
        CONTEXT,
    )

    assert [one.identity["addresses"] for one in found.observations] == [["192.0.2.11"]]
    assert [skip.where for skip in found.skipped] == ["2 lease(s)", "1 lease(s)"]
    assert found.complete


def test_damage_leaves_no_reading_complete() -> None:
    found = reading([Lease("192.0.2.11", "active", MAC)], [Skip("line 3", "no time")], CONTEXT)

    assert (len(found.observations), found.complete) == (1, False)
    assert found.skipped == (Skip("line 3", "no time"),)


def test_only_a_line_feed_ends_a_line_and_a_line_without_its_end_is_cut() -> None:
    found = lines("a\x0bb\u2028c\r\nd\n\ne".encode(), CONTEXT)

    assert (found.whole, found.cut) == (("a\x0bb\u2028c", "d", ""), "e")
    assert found.damage == [Skip("line 4", "the file ends in the middle of this line")]
    assert lines(b"a\n", CONTEXT).damage == []


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "²", "99999999999999999999", "253402300800", " 1"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert from_epoch(text) is None


def test_seconds_since_1970_are_a_time() -> None:
    assert from_epoch("1772452800") == AT
