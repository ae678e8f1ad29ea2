# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be asked for as a volume, and what is refused before any disk is looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.encryption import volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors

GOOD = {"device": "/dev/disk/by-id/virtio-data", "mount": "/srv/data"}


def codes(given: dict[str, Any]) -> list[str]:
    with pytest.raises(MspErrors) as caught:
        volume.parse_all(given)
    return [error.code for error in caught.value.errors]


def test_a_volume_needs_a_device_and_a_mount_point_and_has_safe_defaults() -> None:
    (found,) = volume.parse_all({"data": GOOD})

    assert (found.name, found.unlock, found.cipher, found.key_size) == ("data", "key-file", "aes-xts-plain64", 512)
    assert (found.memory, found.time, found.backup, found.replaced) == (1048576, 2000, "", "")
    assert (found.key_path, found.mapped) == ("/etc/cryptsetup-keys.d/data.key", "/dev/mapper/data")


def test_numbers_may_be_numbers() -> None:
    (found,) = volume.parse_all({"data": {**GOOD, "memory": 65536, "time": "500", "key_size": 256}})

    assert (found.memory, found.time, found.key_size) == (65536, 500, 256)


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "/dev/sdb"},  # another disk after the next start
        {"device": "/dev/disk/by-uuid/1234"},  # a UUID of what is on it, which goes when it is encrypted
        {"device": "/dev/disk/by-id/../../sda"},
        {"device": "/dev/mapper/data"},
        {"mount": "/"},
        {"mount": "/etc"},
        {"mount": "/usr/local"},
        {"mount": "/srv/a b"},
        {"mount": "/srv/../etc"},
        {"mount": "srv"},
        {"options": "nodev,exec /etc"},
        {"filesystem": "ext4 -F"},
        {"unlock": "no"},
        {"cipher": "aes-ecb"},
        {"key_size": "128"},
        {"memory": "1024"},
        {"memory": True},
        {"time": "0"},
        {"backup": "a\nb"},
        {"bakcup": "restic"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    assert codes({"data": {**GOOD, **wrong}}) == ["MSP-ENC-001"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert codes({"Data": GOOD, "a": {"device": "/dev/sda"}, "b": GOOD, "c": GOOD, "d": "x"}) == ["MSP-ENC-001"] * 6


@pytest.mark.thorough
@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_that_comes_through_can_be_an_option_or_a_second_field(device: str, mount: str) -> None:
    try:
        found = volume.parse_all({"data": {"device": device, "mount": mount}})
    except MspErrors:
        return
    for text in (found[0].device, found[0].mount):
        assert text.startswith("/") and not set(text) & set(" \t\n\0#,\\") and "/../" not in text + "/"
