# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a LUKS header says of the keys in it: which may be relied on, which are in doubt, which are nobody's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.encryption import header
from ansible_collections.msp.ops.plugins.module_utils.encryption.header import PROVEN, SETTING, Recovery, Slot

TEXT = "LUKS header information\nVersion:       \t2\nUUID:          \t836faf7c\nSubsystem:     \tmsp-ops\n"


def metadata(slots: dict[str, str], tokens: dict[str, Any]) -> str:
    """slots: by number their salt."""
    kdf = {"type": "argon2id", "memory": 65536}
    return json.dumps(
        {
            "keyslots": {number: {"key_size": 64, "kdf": {**kdf, "salt": salt}} for number, salt in slots.items()},
            "tokens": tokens,
            "segments": {"0": {"encryption": "aes-xts-plain64"}},
        }
    )


def recovery(slot: int, state: str = PROVEN, salt: str = "s", version: str = "v1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(header.recovery_token(Recovery(0, version, slot, state, salt)))
    return found


def test_a_header_says_how_it_is_encrypted_and_whose_each_slot_is() -> None:
    tokens = {
        "31": recovery(31),
        "30": {"type": header.HOST_KEY, "keyslots": ["0"]},
        "0": {"type": "systemd-tpm2", "keyslots": ["1"]},
    }

    found = header.read(TEXT, metadata({"0": "a", "1": "b", "2": "c", "31": "s"}, tokens))

    assert (found.version, found.cipher, found.bits, found.subsystem) == (2, "aes-xts-plain64", 512, "msp-ops")
    assert (found.host_key, found.strays) == ((0,), (2,))
    assert [(one.slot, one.version) for one in found.proven] == [(31, "v1")]
    assert (found.free_slot, found.free_token) == (30, 29)


@pytest.mark.parametrize(
    ("token", "slots"),
    [
        (recovery(31, SETTING), {}),
        (recovery(31, SETTING), {"31": "s"}),
        (recovery(31), {}),
        (recovery(31), {"31": "another"}),
        (recovery(31, PROVEN, ""), {"31": ""}),
    ],
)
def test_a_key_that_was_not_seen_to_open_this_very_slot_is_in_doubt(
    token: dict[str, Any], slots: dict[str, str]
) -> None:
    found = header.read(TEXT, metadata(slots, {"31": token}))

    assert found.proven == () and len(found.in_doubt) == 1


def test_a_token_names_its_slot_to_cryptsetup_only_once_that_is_filled() -> None:
    assert (recovery(31, SETTING)["keyslots"], recovery(31)["keyslots"]) == ([], ["31"])
    assert "salt" not in recovery(31, SETTING)


@pytest.mark.parametrize("odd", [{"version": "../x"}, {"slot": "99"}, {"slot": "x"}, {"version": ""}])
def test_a_token_that_is_not_ours_says_nothing(odd: dict[str, str]) -> None:
    found = header.read(TEXT, metadata({"31": "s"}, {"31": {**recovery(31), **odd}}))

    assert found.recovery == () and found.strays == (31,)


def test_the_older_header_is_told_and_what_is_none_is_an_error() -> None:
    assert header.read("LUKS header information\nVersion:       \t1\nUUID:   \tx\n", "").version == 1
    with pytest.raises(ValueError, match="no LUKS header"):
        header.read("Device x is not a valid LUKS device.", "")


SLOTS = st.dictionaries(st.integers(0, 31), st.sampled_from(["", "s", "t"]), max_size=6)
ROWS = st.lists(
    st.builds(
        Recovery,
        st.integers(0, 31),
        st.sampled_from(["v1", "v2"]),
        st.integers(0, 31),
        st.sampled_from([SETTING, PROVEN]),
        st.sampled_from(["", "s", "t"]),
    ),
    max_size=6,
)


@given(SLOTS, ROWS, st.sets(st.integers(0, 31), max_size=3))
def test_no_slot_is_taken_for_free_or_for_nobodys_that_a_token_names(
    slots: dict[int, str], rows: list[Recovery], host: set[int]
) -> None:
    filled = tuple(Slot(number, "argon2id", 65536, salt) for number, salt in sorted(slots.items()))
    found = header.Header(2, slots=filled, recovery=tuple(rows), host_key=tuple(host))

    assert set(found.proven) | set(found.in_doubt) == set(rows)
    assert all(slots.get(one.slot) == one.salt != "" for one in found.proven)
    assert found.free_slot not in slots and found.free_slot not in {one.slot for one in rows}
    assert set(found.strays) == set(slots) - host - {one.slot for one in rows}
    assert header.of_dict(json.loads(json.dumps(header.as_dict(found)))) == found
