# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hardware addresses and names as observations spell them."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.observe import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00-00-5E-00-53-01", "00:00:5e:00:53:01"),
        ("0000.5e00.5301", "00:00:5e:00:53:01"),
        ("00005e005301", "00:00:5e:00:53:01"),
        ("00:00:00:00:00:00", None),
        ("ff:ff:ff:ff:ff:ff", None),
        ("01:00:5e:00:53:01", None),
        ("00:00:5e:00:53", None),
        ("", None),
    ],
)
def test_a_mac_in_any_notation_and_no_group_or_empty_one(text: str, expected: str | None) -> None:
    assert words.mac(text) == expected


def test_names_lose_their_closing_dot_and_what_is_no_name_is_left_out() -> None:
    given = [
        "ws01.example.com.",
        "WS01.example.com",
        "*",
        "",
        None,
        "localhost",
        "192.0.2.1",
        "bad\x07name",
        "ws\ufffd",
        "x" * 300,
    ]

    assert words.host_names(*given) == ["ws01.example.com"]


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("00005e005301", "00:00:5e:00:53:01"),
        ("0100005e005301", "00:00:5e:00:53:01"),
        ("ff5e005301" + "00030001" + "00005e005302", "00:00:5e:00:53:02"),
        ("ff5e005301" + "000100012f000000" + "00005e005302", "00:00:5e:00:53:02"),
        ("ff5e005301" + "0002000001370a", None),  # by an enterprise number: no address in it
        ("ff5e005301" + "0003001b" + "00005e005302", None),  # not Ethernet
        ("0200005e005301", None),
        ("776f726b", None),
        ("", None),
    ],
)
def test_a_clients_identifier_holds_a_mac_or_none(client: str, expected: str | None) -> None:
    assert words.client_id_mac(bytes.fromhex(client)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01:00:5E", b"\x01\x00\x5e"),
        ("01-00", b"\x01\x00"),
        ("0100", b"\x01\x00"),
        ("010", None),
        ("*", None),
        ("", None),
    ],
)
def test_bytes_in_hexadecimal(text: str, expected: bytes | None) -> None:
    assert words.hex_bytes(text) == expected


def test_a_tools_text_is_one_printable_line_of_limited_length() -> None:
    assert words.plain("a\x00b\n c") == "a b c"
    assert len(words.plain("x" * 1000)) == 255
