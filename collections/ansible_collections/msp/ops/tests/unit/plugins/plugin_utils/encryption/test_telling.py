# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host may answer, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import Volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.encryption import telling

VOLUME = Volume("data", "/dev/disk/by-id/virtio-data", "/srv/data")
SEEN: dict[str, Any] = {
    **{
        "there": True,
        "real": "/dev/vdb",
        "luks": None,
        "content": ["ext4"],
        "content_id": "2f6e0b1c",
        "key_fault": "",
        "busy": [],
        "taken": [],
        "mounted": [],
    },
    **{"mapped": False, "crypttab": False, "fstab": False, "key_file": False, "other_mapping": None},
}
ERROR = {"code": "MSP-ENC-003", "expected": "an empty disk", "found": "ext4", "action": "make a backup"}


def code(said: dict[str, Any]) -> str:
    with pytest.raises(MspError) as caught:
        telling.answered(said)
    return caught.value.code


def test_an_answer_is_taken_and_an_error_of_the_host_is_its_own() -> None:
    assert telling.answered({"seen": {"data": SEEN}}) == {"data": SEEN}
    assert code({"failed": True, "error": ERROR}) == "MSP-ENC-003"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"failed": True, "msg": "no python"},
        {"seen": "yes"},
        {"seen": {"data": {}}},
        {"seen": {"data": {**SEEN, "there": "yes"}}},
        {"seen": {"data": {**SEEN, "content": "ext4"}}},
        {"seen": {"data": {**SEEN, "luks": {"version": 2}}}},
        {"seen": {"data": {**SEEN, "luks": "LUKS"}}},
        {"error": {**ERROR, "code": 3}},
    ],
    ids=str,
)
def test_what_is_no_answer_is_an_error(said: dict[str, Any]) -> None:
    assert code(said) == "MSP-ENC-016"


def test_what_is_lost_is_said_before_what_is_done() -> None:
    told = telling.told([VOLUME], {"data": SEEN}, {"data": ["form"]})

    assert (told["changed"], told["lost"]) == (True, {"data": ["ext4"]})
    assert told["diff"]["after"].splitlines()[0] == "data: everything on the disk is lost: ext4"
    assert told["diff"]["before"] == "data: not encrypted\n"


def test_where_nothing_was_done_nothing_changed() -> None:
    assert telling.told([VOLUME], {"data": SEEN}, {"data": []})["changed"] is False
