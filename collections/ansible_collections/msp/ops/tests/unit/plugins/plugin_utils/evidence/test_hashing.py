# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Canonical JSON, hashes, words to search by, and the key of a thing."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation

AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.thorough
@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_change_the_hash(body: dict[str, Any]) -> None:
    turned = dict(reversed(body.items()))
    assert hashing.facts_hash(turned) == hashing.facts_hash(body)


@given(JSON)
def test_canonical_json_is_ascii_and_reads_back_as_what_it_was(value: Any) -> None:
    text = hashing.canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value


def test_a_changed_value_changes_the_hash() -> None:
    assert hashing.facts_hash({"a": [1, 2]}) != hashing.facts_hash({"a": [2, 1]})


def test_dates_decimals_and_sets_have_one_text_each() -> None:
    local = AT.astimezone(dt.timezone(dt.timedelta(hours=2)))
    text = hashing.canonical_json({"d": dt.date(2026, 1, 2), "m": Decimal("1.10"), "s": {"b", "a"}, "t": local})
    assert text == '{"d":"2026-01-02","m":"1.10","s":["a","b"],"t":"2026-03-01T09:30:00+00:00"}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: object()}, b"bytes"])
def test_what_json_does_not_have_is_refused_with_a_code(value: object) -> None:
    with pytest.raises(MspError) as caught:
        hashing.canonical_json({"x": value})
    assert caught.value.code == "MSP-EVD-007"


@pytest.mark.parametrize(
    "text", ["00:50:56:AA:bb:01", "00-50-56-aa-bb-01", "0050.56aa.bb01", "005056AABB01", " 00:50:56:aa:bb:01 "]
)
def test_a_mac_address_is_the_same_in_every_notation(text: str) -> None:
    assert hashing.normal_mac(text) == "005056aabb01"


@pytest.mark.parametrize(
    "text", ["", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "00:50:56:aa:bb", "0050:56aa:bb01", "x"]
)
def test_what_is_no_mac_address_of_anybody_is_none(text: str) -> None:
    assert hashing.normal_mac(text) is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7/24", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", None),
        ("::1", None),
        ("0.0.0.0", None),  # noqa: S104
        ("224.0.0.1", None),
        ("host", None),
    ],
)
def test_an_address_is_written_one_way_and_what_every_host_has_is_left_out(text: str, address: str | None) -> None:
    assert hashing.normal_address(text) == address


def test_words_come_from_every_part_of_an_identity() -> None:
    words = hashing.tokens(
        {
            "serial": " ABC 123 ",
            "uuid": "4C4C4544-0042",
            "asset_tag": None,
            "macs": ["00:50:56:AA:BB:01", "00:00:00:00:00:00"],
            "names": ["SRV01.Example.com."],
            "hostname": "srv01",
            "addresses": ["192.0.2.7/24", "127.0.0.1"],
        }
    )
    assert words == {
        "serial": ["abc123"],
        "uuid": ["4c4c4544-0042"],
        "mac": ["005056aabb01"],
        "name": ["srv01", "srv01.example.com"],
        "address": ["192.0.2.7"],
    }


@pytest.mark.thorough
@given(st.dictionaries(st.sampled_from(["serial", "macs", "names", "addresses", "uuid"]), JSON))
def test_no_identity_however_odd_breaks_the_words(identity: dict[str, Any]) -> None:
    for kind, words in hashing.tokens(identity).items():
        assert words == sorted(set(words))
        assert all(words), kind


@pytest.mark.parametrize(
    ("asset", "identity", "key"),
    [
        ("device:12", {"serial": "ABC"}, "asset=device:12"),
        (None, {"serial": "ABC", "macs": ["00:50:56:aa:bb:01"]}, "serial=abc"),
        (None, {"macs": ["02:50:56:aa:bb:01", "00:50:56:aa:bb:02"]}, "mac=005056aabb02"),
        (None, {"macs": ["02:50:56:aa:bb:01"]}, "mac=025056aabb01"),
        (None, {"names": ["srv01.example.com"], "addresses": ["192.0.2.7"]}, "name=srv01.example.com"),
        (None, {"addresses": ["192.0.2.9", "192.0.2.10"]}, "address=192.0.2.10"),
        (None, {"serial": "ABC123", "mdm_id": "M-1"}, "mdm_id=m-1"),
        (None, {"serial": "ABC123", "mdm_id": "M-1", "directory_id": "D-1"}, "directory_id=d-1"),
    ],
)
def test_a_thing_is_known_by_the_strongest_word_it_has(asset: str | None, identity: dict[str, Any], key: str) -> None:
    assert hashing.thing_key(Observation("c", "nmap", AT, identity, asset=asset)) == key


def test_a_thing_without_any_word_is_known_by_what_it_looks_like() -> None:
    first = hashing.thing_key(Observation("c", "nmap", AT, {"vendor": "x"}))
    assert first == hashing.thing_key(Observation("c", "nmap", AT, {"vendor": "x"}))
    assert first != hashing.thing_key(Observation("c", "nmap", AT, {"vendor": "y"}))


def test_a_search_term_stands_for_every_kind_it_could_be() -> None:
    assert hashing.term_tokens("0050.56AA.BB01") == [
        ("mac", "005056aabb01"),
        ("serial", "0050.56aa.bb01"),
        ("uuid", "0050.56aa.bb01"),
        ("asset_tag", "0050.56aa.bb01"),
        ("directory_id", "0050.56aa.bb01"),
        ("mdm_id", "0050.56aa.bb01"),
        ("name", "0050.56aa.bb01"),
    ]
    assert hashing.term_tokens("   ") == []
