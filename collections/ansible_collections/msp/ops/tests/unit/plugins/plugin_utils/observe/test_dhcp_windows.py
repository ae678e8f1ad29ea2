# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases of Windows DHCP."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import dhcp_windows
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

AT = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
CONTEXT = Context("example", AT, "leases.csv")

ENGLISH = "Client IP Address,Name,Lease Expiration,Type,Unique ID,Description,Network Access Protection\r\n"
GERMAN = "IP-Adresse;Name;Leaseablaufdatum;Typ;Eindeutige Kennung;Beschreibung\r\n"
DUTCH = "IP-adres van client\tNaam\tVerloopdatum van lease\tType\tUnieke id\tBeschrijving\r\n"
POWERSHELL = (
    "#TYPE Microsoft.Management.Infrastructure.CimInstance#root/Microsoft/Windows/DHCP/DhcpServerv4Lease\r\n"
    '"IPAddress","ScopeId","AddressState","ClientId","ClientType","Description","DnsRegistration","HostName",'
    '"LeaseExpiryTime","ServerIP"\r\n'
)


def english(
    address: str = "192.0.2.10", name: str = "ws01.example.com", ends: str = "3/14/2026 9:00:00 AM",
    client: str = "00005e005301", description: str = "",
) -> str:  # fmt: skip
    return f"{address},{name},{ends},DHCP,{client},{description},Full Access\r\n"


def powershell(
    state: str = "Active", ends: str = "14/03/2026 09:00:00", description: str = "", name: str = "ws01"
) -> str:
    return (
        f'"192.0.2.10","192.0.2.0","{state}","00-00-5e-00-53-01","Dhcp","{description}","Complete","{name}","{ends}",'
        '"192.0.2.2"\r\n'
    )


def read(text: str | bytes, zone: dt.tzinfo = dt.UTC) -> Reading:
    return dhcp_windows.parse(text if isinstance(text, bytes) else text.encode(), CONTEXT, zone)


def times(*ends: str, zone: dt.tzinfo = dt.UTC) -> list[dt.datetime]:
    rows = [english(f"192.0.2.{last}", ends=text) for last, text in enumerate(ends, start=10)]
    return [one.at for one in read(ENGLISH + "".join(rows), zone).observations]


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH + english(),
        GERMAN + "192.0.2.10;ws01.example.com;14.03.2026 09:00:00;DHCP;00005e005301;\r\n",
        DUTCH + "192.0.2.10\tws01.example.com\t14-3-2026 09:00:00\tDHCP\t00005e005301\t\r\n",
        POWERSHELL + powershell(name="ws01.example.com"),
        POWERSHELL.split("\r\n", 1)[1] + powershell(name="ws01.example.com"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_both_forms_in_three_languages_and_any_encoding_are_read(text: str, encoding: str) -> None:
    found = read(text.encode(encoding))

    (client,) = found.observations
    assert client.identity == {
        "macs": ["00:00:5e:00:53:01"],
        "names": ["ws01.example.com"],
        "addresses": ["192.0.2.10"],
    }
    assert (client.at, client.source, found.complete, found.skipped) == (AT, "dhcp", True, ())


@pytest.mark.parametrize(
    ("ends", "at"),
    [
        ("3/14/2026 9:00:00 AM", AT),  # still runs: the source says no more than "now"
        ("Reservation (active)", AT),
        ("2/28/2026 1:30:00 PM", dt.datetime(2026, 2, 28, 13, 30, tzinfo=dt.UTC)),
        ("2/28/2026 12:00:00 AM", dt.datetime(2026, 2, 28, tzinfo=dt.UTC)),
        ("2/28/2026 12:05:00\u202fPM", dt.datetime(2026, 2, 28, 12, 5, tzinfo=dt.UTC)),
        ("2026-02-28 13:30:00", dt.datetime(2026, 2, 28, 13, 30, tzinfo=dt.UTC)),
        ("2026. 02. 28. 13:30:00", dt.datetime(2026, 2, 28, 13, 30, tzinfo=dt.UTC)),
        ("28.02.2026 13:30", dt.datetime(2026, 2, 28, 13, 30, tzinfo=dt.UTC)),
        ("1.2.2026 13.30.00", dt.datetime(2026, 2, 1, 13, 30, tzinfo=dt.UTC)),
        ("28-2-26 13:30:00", dt.datetime(2026, 2, 28, 13, 30, tzinfo=dt.UTC)),
        ("2/28/2025 1:30:00 PM", None),  # long ago
    ],
)
def test_a_lease_that_ended_is_of_its_end_and_never_of_now(ends: str, at: dt.datetime | None) -> None:
    assert times(ends) == ([at] if at else [])


def test_the_clock_is_that_of_the_server() -> None:
    assert times("2/28/2026 1:30:00 PM", zone=zoneinfo.ZoneInfo("Europe/Amsterdam")) == [
        dt.datetime(2026, 2, 28, 12, 30, tzinfo=dt.UTC)
    ]


def test_another_row_tells_what_comes_first_in_a_date() -> None:
    first_of_march, second_of_march = (dt.datetime(2026, 3, day, tzinfo=dt.UTC) for day in (1, 2))

    assert times("3/1/2026 0:00", "2/28/2026 0:00")[0] == first_of_march
    assert times("2/3/2026 0:00", "28/2/2026 0:00")[0] == second_of_march


@pytest.mark.parametrize("others", [(), ("28/2/2026 0:00", "2/28/2026 0:00"), ("4/4/2026 0:00",)])
def test_an_ambiguous_date_is_not_guessed(others: tuple[str, ...]) -> None:
    coming = "2/4/2026 0:00"  # 4 February or 2 April

    found = read(
        ENGLISH + english(ends=coming) + "".join(english(f"192.0.2.{n}", ends=t) for n, t in enumerate(others))
    )
    assert [one.at for one in found.observations if one.identity["addresses"] == ["192.0.2.10"]] == [AT]


def test_of_an_ambiguous_date_that_is_past_either_way_the_earlier_is_taken() -> None:
    assert times("2/1/2026 0:00", "1/1/2026 0:00") == []  # 2 January or 1 February: long ago when the earlier
    assert times("2/3/2026 0:00") == [dt.datetime(2026, 2, 3, tzinfo=dt.UTC)]


@pytest.mark.parametrize(
    ("state", "ends", "at"),
    [
        ("Active", "14/03/2026 09:00:00", AT),
        ("ActiveReservation", "", AT),
        ("InactiveReservation", "", None),
        ("Expired", "28/02/2026 09:00:00", dt.datetime(2026, 2, 28, 9, tzinfo=dt.UTC)),
        ("Declined", "14/03/2026 09:00:00", None),
    ],
)
def test_the_state_that_powershell_tells_counts(state: str, ends: str, at: dt.datetime | None) -> None:
    found = read(POWERSHELL + powershell(state, ends))

    assert [one.at for one in found.observations] == ([at] if at else [])
    assert found.complete


@pytest.mark.parametrize(
    "ends", ["Reservation (inactive)", "Reservierung (inaktiv)", "Reservering (inactief)", "Reservering (niet actief)"]
)
def test_a_reservation_that_nobody_uses_is_no_client(ends: str) -> None:
    assert times(ends) == []


@pytest.mark.parametrize(("name", "client"), [("BAD_ADDRESS", "0a0200c0"), ("vpn", "52415320" + "00" * 12)])
def test_conflicts_and_addresses_that_ras_holds_are_no_clients(name: str, client: str) -> None:
    found = read(ENGLISH + english(name=name, client=client))

    assert (found.observations, found.complete) == ((), True)


def test_a_unique_id_that_is_no_mac_leaves_the_rest() -> None:
    found = read(ENGLISH + english(client="702e616363657373"))

    assert [one.identity for one in found.observations] == [
        {"names": ["ws01.example.com"], "addresses": ["192.0.2.10"]}
    ]


def test_a_comma_in_a_description_costs_the_description_only() -> None:
    found = read(ENGLISH + english(description="desk 4, by the door") + english("192.0.2.11", description="desk 5"))

    assert [dict(one.attributes) for one in found.observations] == [{}, {"description": "desk 5"}]
    assert found.complete


def test_a_quoted_description_may_have_lines() -> None:
    found = read(POWERSHELL + powershell(description='one\r\ntwo, ""three""'))

    assert [one.attributes["description"] for one in found.observations] == ['one two, "three"']


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (english("x"), "no address"),
        (english(client=""), "no unique ID"),
        (english(client="zz"), "no unique ID"),
        (english(ends="99/99/2026 9:00:00 AM"), "no time"),
        (english(ends="day 4 of 12"), "no time"),
        ("192.0.2.10,ws01\r\n", "2 values for 7 columns"),
        (english(name='"ws01'), "closing quote"),
    ],
)
def test_a_row_that_can_not_be_read_is_named_and_the_rest_is_used(row: str, why: str) -> None:
    found = read(ENGLISH + english("192.0.2.11") + row + english("192.0.2.12"))

    assert [one.identity["addresses"] for one in found.observations] == [["192.0.2.11"], ["192.0.2.12"]]
    assert not found.complete
    assert [(skip.where, why in skip.why) for skip in found.skipped] == [("line 3", True)]


def test_a_list_of_headings_alone_is_a_server_without_leases() -> None:
    assert read(ENGLISH) == read(POWERSHELL) == Reading(())


@pytest.mark.parametrize("text", ["", "\r\n", ENGLISH[:-2], "Name,Adresse\r\n", "lease 192.0.2.1 {\n", english()])
def test_another_kind_of_file_is_refused_by_name(text: str) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-014.*leases\.csv"):
        read(text)


@given(
    st.binary()
    | st.binary().map(lambda more: (ENGLISH + english()).encode() + more)
    | st.text('",;\n\r\t0129/.: APM', max_size=60).map(
        lambda text: (ENGLISH + english(ends="X").replace("X", text)).encode()
    )
)
def test_no_bytes_are_another_exception(content: bytes) -> None:
    try:
        read(content)
    except MspError as error:
        assert error.code == "MSP-OBS-014"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_no_cut_invents_a_client_and_only_one_between_rows_is_not_noticed(encoding: str) -> None:
    text = ENGLISH + english() + english("192.0.2.11", "één") + english("192.0.2.12", ends="Reservation (active)")
    content = text.encode(encoding)
    known = read(content).observations

    for cut in range(len(content)):
        try:
            found = read(content[:cut])
        except MspError:
            continue
        assert found.observations == known[: len(found.observations)]
        assert not found.complete or content[:cut].decode(encoding, "ignore").endswith("\n")
