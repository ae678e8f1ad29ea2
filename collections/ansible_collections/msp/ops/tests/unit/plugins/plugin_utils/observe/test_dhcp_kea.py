# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases of Kea."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import dhcp_kea
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

AT = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
CONTEXT = Context("example", AT, "kea-leases4.csv")
NOW = int(AT.timestamp())
HOUR = dt.timedelta(hours=1)

FOUR = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
)
SIX = (
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,"
    "hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\n"
)


def four(
    address: str = "192.0.2.10", *, mac: str = "00:00:5e:00:53:01", lifetime: int = 7200, expire: int = NOW + 3600,
    name: str = "ws01.example.com.", state: str = "0", client: str = "", context: str = "",
) -> str:  # fmt: skip
    return f"{address},{mac},{client},{lifetime},{expire},1,0,0,{name},{state},{context},0\n"


def six(address: str, kind: str = "0", mac: str = "") -> str:
    duid = "00:03:00:01:00:00:5e:00:53:02"
    return f"{address},{duid},7200,{NOW + 3600},1,3600,{kind},7,128,0,0,ws02,{mac},0,,1,2,0\n"


def read(text: str | bytes) -> Reading:
    return dhcp_kea.parse(text if isinstance(text, bytes) else text.encode(), CONTEXT)


def undamaged(found: Reading) -> bool:
    """Whether every row was read: what else is skipped are leases, counted."""
    return found.skipped[0] == dhcp_kea.NOT_ALL and all(one.where.endswith("lease(s)") for one in found.skipped[1:])


def test_a_client_was_seen_a_lifetime_before_its_leases_end() -> None:
    found = read(FOUR + four())

    (client,) = found.observations
    assert client.at == AT - HOUR
    assert client.identity == {
        "macs": ["00:00:5e:00:53:01"],
        "names": ["ws01.example.com"],
        "addresses": ["192.0.2.10"],
    }
    assert found.skipped == (dhcp_kea.NOT_ALL,)


def test_what_changed_since_kea_moved_its_file_aside_proves_no_absence() -> None:
    """kea-lfc takes kea-leases4.csv away: the client of a lease that was not renewed since is in another file."""
    found = read(FOUR + four())

    assert len(found.observations) == 1
    assert not found.complete
    assert "kea-lfc" in found.skipped[0].why


def test_the_last_row_of_an_address_counts() -> None:
    found = read(FOUR + four(mac="00:00:5e:00:53:09") + four())

    assert [one.identity["macs"] for one in found.observations] == [["00:00:5e:00:53:01"]]


@pytest.mark.parametrize(
    ("row", "at"),
    [
        (four(state="2", lifetime=3600, expire=NOW - 3600), AT - 2 * HOUR),  # expired
        (four(state="3"), AT - HOUR),  # released
        (four(lifetime=0, expire=NOW - 3600), AT - HOUR),  # taken away
        (four(lifetime=3600, expire=NOW - 3600), AT - 2 * HOUR),  # ran out, not yet reclaimed
        (four(state="0", lifetime=0xFFFFFFFF, expire=NOW - 3600 + 0xFFFFFFFF), AT - HOUR),  # for ever
        (four(lifetime=0xFFFFFFFF, expire=NOW - 3600), AT - HOUR),  # the same, from a dump of a database
        (four(lifetime=0xFFFFFFFF, expire=NOW - 86400 * 40), AT - 24 * 40 * HOUR),
        (four(lifetime=9_999_999_999, expire=5), None),
        (four(state="4"), AT - HOUR),  # registered
        (four(state=""), AT - HOUR),
        (four(state="2", lifetime=3600, expire=NOW - 86400 * 40), None),  # long ago
        (four(state="1", mac=""), None),  # declined
    ],
)
def test_the_state_and_the_end_say_of_when_a_client_is(row: str, at: dt.datetime | None) -> None:
    found = read(FOUR + row)

    assert [one.at for one in found.observations] == ([at] if at else [])
    assert undamaged(found)


def test_without_hardware_the_clients_identifier_may_hold_the_address() -> None:
    found = read(FOUR + four(mac="", client="01:00:00:5e:00:53:07"))

    assert [one.identity["macs"] for one in found.observations] == [["00:00:5e:00:53:07"]]


def test_a_comma_in_a_value_is_escaped() -> None:
    found = read(FOUR + four(name="a&#x2cb", context='{"x": 1&#x2c "y": 2}'))

    assert [one.identity["names"] for one in found.observations] == [["a,b"]]
    assert undamaged(found)


def test_ipv6_leases_have_hardware_or_a_duid_and_prefixes_are_no_hosts() -> None:
    found = read(SIX + six("2001:db8::10") + six("2001:db8::11", "1", "00:00:5e:00:53:08") + six("2001:db8:1::", "2"))

    assert [(one.identity["addresses"], one.identity["macs"]) for one in found.observations] == [
        (["2001:db8::10"], ["00:00:5e:00:53:02"]),
        (["2001:db8::11"], ["00:00:5e:00:53:08"]),
    ]
    assert undamaged(found)


def test_columns_in_another_order_and_unknown_ones_are_no_matter() -> None:
    found = read(f"new,expire,address,valid_lifetime\nx,{NOW + 60},192.0.2.10,60\n")

    assert [(one.identity, one.at) for one in found.observations] == [({"addresses": ["192.0.2.10"]}, AT)]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (four(address="x"), "no address"),
        (four().replace(str(NOW + 3600), "soon"), "no time"),
        (four().replace(",7200,", ",,"), "no time"),
        (four(state="9"), "unknown state"),
        (four(name="a,b"), "13 values for 12 columns"),
        ("192.0.2.10,00:00:5e\n", "2 values"),
    ],
)
def test_a_row_that_can_not_be_read_is_named_and_the_rest_is_used(row: str, why: str) -> None:
    found = read(FOUR + four("192.0.2.11") + row + "\n" + four("192.0.2.12"))

    assert [one.identity["addresses"] for one in found.observations] == [["192.0.2.11"], ["192.0.2.12"]]
    assert [(skip.where, why in skip.why) for skip in found.skipped[1:]] == [("line 3", True)]


def test_a_name_in_latin_1_is_read() -> None:
    assert read((FOUR + four(name="café")).encode("latin-1")).observations[0].identity["names"] == ["café"]


def test_a_file_of_headings_alone_is_a_server_without_leases() -> None:
    assert read(FOUR) == Reading((), (dhcp_kea.NOT_ALL,), complete=False)


@pytest.mark.parametrize("text", ["", "address,hwaddr\n", FOUR[:-1], "lease 192.0.2.1 {\n", four()])
def test_another_kind_of_file_is_refused_by_name(text: str) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-013.*kea-leases4\.csv"):
        read(text)


@given(
    st.binary()
    | st.binary().map(lambda more: (FOUR + four()).encode() + more)
    | st.text().map(lambda t: (SIX + t).encode())
)
def test_no_bytes_are_another_exception(content: bytes) -> None:
    try:
        read(content)
    except MspError as error:
        assert error.code == "MSP-OBS-013"


def test_no_cut_invents_a_client_and_only_one_between_rows_is_not_noticed() -> None:
    rows = [four(mac="00:00:5e:00:53:09"), four("192.0.2.11", name="één"), four()]
    content = (FOUR + "".join(rows)).encode()
    stated = [one for row in rows for one in read(FOUR + row).observations]

    for cut in range(len(content)):
        try:
            found = read(content[:cut])
        except MspError:
            continue
        assert all(one in stated for one in found.observations)
        assert not undamaged(found) or content[:cut].endswith(b"\n")
