# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a hardware address is worth as identity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity.macs import Kind, kind, normal, travelling

START = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
MAC = "00:00:5e:00:53:01"
addresses = st.integers(0, 2**48 - 1).map(lambda number: number.to_bytes(6, "big"))


def colons(octets: bytes) -> str:
    return octets.hex(":")


@pytest.mark.parametrize(
    ("mac", "expected"),
    [
        ("00:00:5e:00:53:00", Kind.BURNED_IN),  # for documentation: tests and the lab use these
        ("00:00:5e:00:53:ff", Kind.BURNED_IN),
        ("00:1b:21:0a:0b:0c", Kind.BURNED_IN),
        ("00:00:5e:00:01:0a", Kind.VIRTUAL),  # VRRP, CARP
        ("00:00:5e:00:02:0a", Kind.VIRTUAL),
        ("00:00:0c:07:ac:01", Kind.VIRTUAL),  # HSRP
        ("00:00:0c:07:ad:01", Kind.BURNED_IN),
        ("00:00:0c:9f:f0:01", Kind.VIRTUAL),
        ("00:00:0c:9f:e0:01", Kind.BURNED_IN),
        ("00:05:73:a0:0f:ff", Kind.VIRTUAL),
        ("00:05:73:a0:10:00", Kind.BURNED_IN),
        ("00:07:b4:00:01:02", Kind.VIRTUAL),  # GLBP
        ("00:07:b4:03:ff:04", Kind.VIRTUAL),
        ("00:07:b4:04:01:02", Kind.BURNED_IN),
        ("00:09:0f:09:00:03", Kind.VIRTUAL),  # a FortiGate cluster
        ("00:09:0f:0a:00:03", Kind.BURNED_IN),
        ("e0:23:ff:fc:00:02", Kind.VIRTUAL),
        ("02:bf:c0:00:02:0b", Kind.VIRTUAL),  # Network Load Balancing
        ("03:bf:c0:00:02:0b", Kind.VIRTUAL),
        ("02:01:c0:00:02:0b", Kind.VIRTUAL),
        ("02:20:c0:00:02:0b", Kind.VIRTUAL),
        ("02:21:c0:00:02:0b", Kind.RANDOMISED),
        ("02:00:5e:00:53:01", Kind.RANDOMISED),
        ("02:42:ac:11:00:02", Kind.VIRTUAL),  # Docker
        ("ee:ee:ee:ee:ee:ee", Kind.VIRTUAL),  # Calico
        ("ee:ee:ee:ee:ee:ef", Kind.RANDOMISED),
        ("fe:54:00:00:53:01", Kind.VIRTUAL),  # the host's end of a virtual machine's cable
        ("0a:00:27:00:00:00", Kind.VIRTUAL),  # VirtualBox' host-only card, the same on every host
        ("00:50:56:c0:00:08", Kind.VIRTUAL),  # VMware's, likewise
        ("00:50:56:c1:00:08", Kind.HYPERVISOR),
        ("00:05:69:00:00:01", Kind.HYPERVISOR),
        ("00:0c:29:00:00:01", Kind.HYPERVISOR),
        ("00:1c:14:00:00:01", Kind.HYPERVISOR),
        ("00:15:5d:00:00:01", Kind.HYPERVISOR),
        ("00:16:3e:00:00:01", Kind.HYPERVISOR),
        ("52:54:00:00:00:01", Kind.HYPERVISOR),  # local, but a virtual machine's own
        ("00:1c:42:00:00:01", Kind.HYPERVISOR),
        ("08:00:27:00:00:01", Kind.HYPERVISOR),
        ("bc:24:11:00:00:01", Kind.HYPERVISOR),
        ("50:6b:8d:00:00:01", Kind.HYPERVISOR),
        ("00:e0:4c:00:00:01", Kind.DOCK),
        ("00:0e:c6:00:00:01", Kind.DOCK),
        ("f8:e4:3b:00:00:01", Kind.DOCK),
        ("8c:ae:4c:00:00:01", Kind.DOCK),
        ("00:50:b6:00:00:01", Kind.DOCK),
        ("da:a1:19:00:00:01", Kind.RANDOMISED),  # a phone
        ("01:00:5e:00:00:fb", Kind.GROUP),
        ("33:33:00:00:00:01", Kind.GROUP),
        ("ff:ff:ff:ff:ff:fe", Kind.GROUP),
        ("11:11:11:11:11:11", Kind.GROUP),
        ("ff:ff:ff:ff:ff:ff", Kind.NONE),
        ("00:00:00:00:00:00", Kind.NONE),
        ("", Kind.NONE),
        ("incomplete", Kind.NONE),
        ("00:00:5e:00:53", Kind.NONE),
        ("00:00:5e:00:53:01:02", Kind.NONE),
    ],
)
def test_every_address_has_a_kind(mac: str, expected: Kind) -> None:
    assert kind(mac) is expected


@pytest.mark.parametrize(
    ("vendor", "interface", "expected"),
    [
        ("VMware, Inc.", "", Kind.HYPERVISOR),
        ("Plugable Technologies", "", Kind.DOCK),
        ("ASIX ELECTRONICS CORP.", "", Kind.DOCK),
        ("Example Systems", "eth0", Kind.BURNED_IN),
        ("", "docker0", Kind.VIRTUAL),
        ("", "br-0123456789ab", Kind.VIRTUAL),
        ("", "br-lan", Kind.BURNED_IN),
        ("", "virbr0", Kind.VIRTUAL),
        ("", "vEthernet (Default Switch)", Kind.VIRTUAL),
        ("", "VMware Network Adapter VMnet8", Kind.VIRTUAL),
        ("", "Ethernet 2", Kind.BURNED_IN),
    ],
)
def test_what_a_source_says_besides_decides_where_the_block_does_not(
    vendor: str, interface: str, expected: Kind
) -> None:
    assert kind(MAC, vendor=vendor, interface=interface) is expected


@given(addresses)
def test_every_one_of_the_addresses_has_a_kind_that_agrees_with_its_bits(octets: bytes) -> None:
    found = kind(colons(octets))

    if octets in (b"\0" * 6, b"\xff" * 6):
        assert found is Kind.NONE
    elif octets[0] & 1:
        assert found is (Kind.VIRTUAL if octets[:2] == b"\x03\xbf" else Kind.GROUP)
    elif octets[0] & 2:
        assert found in (Kind.RANDOMISED, Kind.VIRTUAL, Kind.HYPERVISOR)
    else:
        assert found in (Kind.BURNED_IN, Kind.VIRTUAL, Kind.HYPERVISOR, Kind.DOCK)


@given(addresses)
def test_the_notation_changes_nothing(octets: bytes) -> None:
    text = octets.hex()
    notations = [
        text,
        text.upper(),
        octets.hex("-").upper(),
        octets.hex(" "),
        f" {colons(octets)} ",
        ":".join(f"{octet:x}" for octet in octets),
        f"{text[:4]}.{text[4:8]}.{text[8:]}",
        f"{text[:4]}-{text[4:8]}-{text[8:]}",
        f"{text[:6]}-{text[6:]}",
    ]

    assert {normal(notation) for notation in notations} == {colons(octets)}
    assert len({kind(notation) for notation in notations}) == 1


@pytest.mark.thorough
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_text_has_a_kind(text: str, vendor: str, interface: str) -> None:
    assert isinstance(kind(text, vendor=vendor, interface=interface), Kind)
    if normal(text) is None:
        assert kind(text) is Kind.NONE


# --- travelling ---


def seen(
    first: float,
    last: float | None = None,
    source: str = "audit",
    macs: tuple[str, ...] = (MAC,),
    customer: str = "bakery",
    **identity: Any,
) -> Sighting:
    """A sighting from one day to another, of whatever has the address."""
    begin, end = START + dt.timedelta(days=first), START + dt.timedelta(days=first if last is None else last)
    held: Mapping[str, Any] = {"macs": list(macs), **identity}
    return Sighting(customer, source, f"mac={macs}", begin, end, 1, held, None, {}, {})


def lease(name: str, first: float, last: float | None = None, **more: Any) -> Sighting:
    return seen(first, last, source="dhcp", names=[name], **more)


@pytest.mark.parametrize(
    ("sightings", "moves"),
    [
        pytest.param([seen(0, serial="A1"), seen(3, serial="B2")], True, id="two serials"),
        pytest.param([seen(0, uuid="u1"), seen(3, uuid="u2")], True, id="two UUIDs"),
        pytest.param([seen(0, mdm_id="m1"), seen(3, mdm_id="m2")], True, id="two MDM ids"),
        pytest.param([seen(0, directory_id="d1"), seen(3, directory_id="d2")], True, id="two directory ids"),
        pytest.param([seen(0, 9, serial="A1"), seen(3, 4, serial="B2")], True, id="one within the other"),
        pytest.param(
            [seen(0, serial="A1"), seen(31, serial="B2")], False, id="the card of a scrapped machine, used again"
        ),
        pytest.param(
            [seen(0, 20, serial="A1"), seen(31, serial="B2")], True, id="the window counts from the last sighting"
        ),
        pytest.param([seen(0, serial="A1"), seen(5, serial=" a1 ")], False, id="one serial, written twice"),
        pytest.param([seen(0, serial="A1"), seen(3, mdm_id="m1")], False, id="two kinds of id contradict nothing"),
        pytest.param(
            [seen(0, serial="A1", mdm_id="m1"), seen(3, serial="A1", mdm_id="m2")],
            False,
            id="enrolled again, same serial",
        ),
        pytest.param(
            [seen(0, serial="A1", uuid="u1"), seen(1, serial="A1"), seen(2, uuid="u1", mdm_id="m1")],
            False,
            id="one machine by way of others",
        ),
        pytest.param(
            [seen(0, serial="A1"), seen(1, serial="B2", customer="dentist")],
            False,
            id="two customers are never compared",
        ),
        pytest.param([seen(0, serial="A1"), lease("pc-2", 1)], False, id="a name contradicts no serial"),
        pytest.param([lease("pc-1", 0), lease("pc-2", 5)], False, id="a rename"),
        pytest.param([lease("pc-1", 0, 5), lease("pc-2", 5, 9)], False, id="a rename between two readings"),
        pytest.param([lease("pc-1", 0), lease("pc-2", 5), lease("pc-1", 6)], True, id="A, B, A"),
        pytest.param([lease("pc-1", 0, 9), lease("pc-2", 5)], True, id="A, B, A, compacted"),
        pytest.param([lease("pc-1", 0, 5), lease("pc-2", 3, 9)], True, id="leases that overlap"),
        pytest.param(
            [seen(0, 9, source=f"dhcp:{label}", names=[name]) for label, name in (("hq", "pc-1"), ("branch", "pc-2"))],
            True,
            id="leases of two servers",
        ),
        pytest.param([lease("pc-1", 0, 9), lease("pc-2", 0, 9)], True, id="two leases all the time"),
        pytest.param(
            [lease("pc-1", 0, 9), lease("PC-1.example.com", 5)], False, id="a name with and without its domain"
        ),
        pytest.param(
            [seen(0, 9, source="dhcp", names=["pc-1", "alias"]), lease("alias", 5)], False, id="two names of one thing"
        ),
        pytest.param(
            [seen(0, 9, source="nmap", names=["pc-1"]), seen(5, source="nmap", names=["pc-2"])],
            False,
            id="names that come from the address",
        ),
        pytest.param([lease("pc-1", 0, 9), lease("pc-2", 5, macs=("00:00:5e:00:53:02",))], False, id="two addresses"),
        pytest.param([], False, id="nothing seen"),
    ],
)
def test_a_dock_is_an_address_that_more_than_one_machine_had(sightings: list[Sighting], moves: bool) -> None:
    assert travelling(sightings) == (frozenset({MAC}) if moves else frozenset())
    assert travelling(reversed(sightings)) == travelling(sightings)


def test_only_the_docks_address_is_named_not_the_laptops_own() -> None:
    own = ("00:00:5e:00:53:0a", "00:00:5e:00:53:0b")

    found = travelling([seen(0, serial="A1", macs=(own[0], MAC)), seen(3, serial="B2", macs=(own[1], MAC))])

    assert found == {MAC}


days = st.floats(0, 400, allow_nan=False)
identities = st.fixed_dictionaries(
    {}, optional={kind_of: st.sampled_from(["1", "2", "3"]) for kind_of in ("serial", "uuid", "directory_id", "mdm_id")}
)


@given(st.lists(st.tuples(days, days, identities), max_size=12))
def test_an_address_with_one_identity_never_travels(spans: list[tuple[float, float, dict[str, Any]]]) -> None:
    whole: dict[str, Any] = {kind_of: f"of-{kind_of}" for kind_of in ("serial", "uuid", "directory_id", "mdm_id")}
    one = [
        seen(min(a, b), max(a, b), names=["pc-1"], **{kind_of: whole[kind_of] for kind_of in identity})
        for a, b, identity in spans
    ]

    assert travelling(one) == frozenset()


@given(st.lists(st.tuples(days, days, identities), max_size=12))
def test_what_travels_was_seen_with_two_values_of_one_kind_and_the_order_of_telling_is_nothing(
    spans: list[tuple[float, float, dict[str, Any]]],
) -> None:
    sightings = [seen(min(a, b), max(a, b), **identity) for a, b, identity in spans]

    found = travelling(sightings)

    assert found == travelling(sightings[::-1])
    held = [{identity[kind_of] for *_days, identity in spans if kind_of in identity} for kind_of in ("serial", "uuid")]
    held += [{i[k] for *_days, i in spans if k in i} for k in ("directory_id", "mdm_id")]
    if found:
        assert any(len(values) > 1 for values in held)


@given(st.permutations([0.0, 1.0, 2.0, 3.0]), st.data())
def test_two_serials_within_the_window_always_travel(when: list[float], data: st.DataObject) -> None:
    serials = data.draw(st.lists(st.sampled_from(["A1", "B2"]), min_size=4, max_size=4))

    found = travelling(seen(day, serial=serial) for day, serial in zip(when, serials, strict=True))

    assert bool(found) == (len(set(serials)) == 2)
