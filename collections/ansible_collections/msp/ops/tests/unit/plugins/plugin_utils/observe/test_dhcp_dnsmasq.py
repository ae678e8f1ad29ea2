# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases of dnsmasq."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import dhcp_dnsmasq
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

AT = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
CONTEXT = Context("example", AT, "dnsmasq.leases")
LATER, EARLIER = int(AT.timestamp()) + 3600, int(AT.timestamp()) - 3600

WHOLE = f"""{LATER} 00:00:5e:00:53:01 192.0.2.10 ws01 01:00:00:5e:00:53:01
{EARLIER} 00:00:5e:00:53:02 192.0.2.11 * *
0 00:00:5e:00:53:03 192.0.2.12 printer *
{LATER} 06-00:00:5e:00:53:04 192.0.2.13 * ff:5e:00:53:04:00:03:00:01:00:00:5e:00:53:05
duid 00:01:00:01:2f:00:00:00:00:00:5e:00:53:fe
{LATER} 6181633 2001:db8::10 ws01 00:03:00:01:00:00:5e:00:53:01
{LATER} T77 2001:db8::11 * 00:02:00:00:01:37:0a
"""


def read(text: str | bytes) -> Reading:
    return dhcp_dnsmasq.parse(text if isinstance(text, bytes) else text.encode(), CONTEXT)


def test_every_line_is_a_client() -> None:
    found = read(WHOLE)

    assert [(dict(one.identity), one.at) for one in found.observations] == [
        ({"macs": ["00:00:5e:00:53:01"], "names": ["ws01"], "addresses": ["192.0.2.10"]}, AT),
        ({"macs": ["00:00:5e:00:53:02"], "addresses": ["192.0.2.11"]}, AT - dt.timedelta(hours=1)),
        ({"macs": ["00:00:5e:00:53:03"], "names": ["printer"], "addresses": ["192.0.2.12"]}, AT),
        ({"macs": ["00:00:5e:00:53:05"], "addresses": ["192.0.2.13"]}, AT),
        ({"macs": ["00:00:5e:00:53:01"], "names": ["ws01"], "addresses": ["2001:db8::10"]}, AT),
        ({"addresses": ["2001:db8::11"]}, AT),
    ]
    assert (found.complete, found.skipped) == (True, ())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x 00:00:5e:00:53:09 192.0.2.20 a *", "no time"),
        ("86400 00:00:5e:00:53:09 192.0.2.20 a *", "length of time"),
        (f"{LATER} 00:00:5e:00:53:09 192.0.2 a *", "no address"),
        (f"{LATER} 00:00:5e:00:53:zz 192.0.2.20 a *", "no hardware"),
        (f"{LATER} 00:00:5e:00:53:09 2001:db8::20 a *", "identity association"),
        (f"{LATER} 00:00:5e:00:53:09 192.0.2.20", "3 fields"),
        (f"{LATER} 00:00:5e:00:53:09 192.0.2.20 a * *", "6 fields"),
        ("\x00\x00\x00", "1 fields"),
    ],
)
def test_a_line_that_can_not_be_read_is_named_and_the_rest_is_used(line: str, why: str) -> None:
    found = read(f"{WHOLE}{line}\n{LATER} 00:00:5e:00:53:0a 192.0.2.30 last *\n")

    assert len(found.observations) == 7
    assert not found.complete
    assert [(skip.where, why in skip.why) for skip in found.skipped] == [("line 8", True)]


def test_a_name_in_latin_1_is_read() -> None:
    found = read(f"{LATER} 00:00:5e:00:53:01 192.0.2.10 café *\n".encode("latin-1"))

    assert [one.identity["names"] for one in found.observations] == [["café"]]


def test_a_line_with_windows_line_end_and_one_without_client_are_read() -> None:
    assert len(read(f"{LATER} 00:00:5e:00:53:01 192.0.2.10 ws01\r\n").observations) == 1


def test_an_empty_file_proves_nothing() -> None:
    assert (read("").complete, read("\n").complete) == (False, False)


@pytest.mark.parametrize("text", ["lease 192.0.2.1 {\n", "a,b,c\n1,2,3\n", "x"])
def test_another_kind_of_file_is_refused_by_name(text: str) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-012.*dnsmasq\.leases"):
        read(text)


@given(st.binary() | st.binary().map(lambda more: WHOLE.encode() + more))
def test_no_bytes_are_another_exception(content: bytes) -> None:
    try:
        read(content)
    except MspError as error:
        assert error.code == "MSP-OBS-012"


def test_no_cut_invents_a_client_and_only_one_between_lines_is_not_noticed() -> None:
    content = (WHOLE + f"{LATER} 00:00:5e:00:53:0a 192.0.2.30 één *\n").encode()
    known = read(content).observations

    for cut in range(len(content)):
        try:
            found = read(content[:cut])
        except MspError:
            continue
        assert found.observations == known[: len(found.observations)]
        assert not found.complete or content[:cut].endswith(b"\n")
