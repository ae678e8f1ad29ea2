# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is next for a volume: never a step by which the last key in escrow that opens it could go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.encryption import header
from ansible_collections.msp.ops.plugins.module_utils.encryption.header import PROVEN, SETTING, Header, Recovery, Slot
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import Volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.encryption import stepping
from ansible_collections.msp.ops.plugins.plugin_utils.encryption.stepping import ADD, CLEAR, FORM, MARK, NOTHING, SETTLE
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Standing

VOLUME = Volume("data", "/dev/disk/by-id/virtio-data", "/srv/data", memory=64)
VERSIONS = ("20261101T000000.000000Z-00000000", "20261102T000000.000000Z-00000000", "20261103T000000.000000Z-00000000")
OLD, NEW, LATEST = VERSIONS


def head(*recovery: Recovery, **more: Any) -> Header:
    slots = [
        Slot(0, "argon2id", 64, "host"),
        *(Slot(one.slot, "argon2id", 64, one.salt) for one in recovery if one.salt),
    ]
    plain = {"subsystem": header.MADE, "cipher": "aes-xts-plain64", "bits": 512, "host_key": (0,)}
    return Header(2, slots=tuple(slots), recovery=recovery, **{**plain, **more})


def proven(slot: int, version: str) -> Recovery:
    return Recovery(slot, version, slot, PROVEN, f"s{slot}")


def seen(luks: Header | None, **more: Any) -> dict[str, Any]:
    plain = {
        "there": True,
        "real": "/dev/vdb",
        "content": [],
        "content_id": "2f6e0b1c",
        "key_fault": "",
        "busy": [],
        "taken": [],
        "other_mapping": None,
    }
    mounted = {"mapped": True, "mounted": ["/srv/data"], "crypttab": True, "fstab": True, "key_file": True}
    return {**plain, **mounted, "luks": None if luks is None else header.as_dict(luks), **more}


def step(
    luks: Header | None,
    current: str | None,
    *later: str,
    due: bool = False,
    held: str = "",
    lost: Sequence[str] = (),
    **more: Any,
) -> stepping.Step:
    """held: one more that the escrow has."""
    known = stepping.Known(Standing(current, later), due, {current or "", held, *later} - {""}, lost)
    return stepping.next_step(VOLUME, seen(luks, **more), known, settle=True)


def test_each_step_follows_from_what_is_seen() -> None:
    closed: dict[str, Any] = {"mapped": False, "mounted": []}
    assert step(None, None, **closed).do == FORM
    assert step(head(proven(31, OLD)), None, OLD) == stepping.Step(MARK, OLD)
    assert step(head(proven(31, OLD)), OLD).do == NOTHING
    assert step(head(proven(31, OLD)), OLD, due=True).do == ADD
    assert step(head(proven(31, OLD)), OLD, **closed).do == SETTLE
    assert step(head(proven(31, OLD), Recovery(30, NEW, 30, SETTING, "s30")), OLD, NEW) == stepping.Step(CLEAR)
    assert step(head(proven(31, OLD), proven(30, NEW)), OLD, NEW) == stepping.Step(MARK, NEW)
    assert step(head(proven(31, OLD), proven(30, NEW)), NEW, held=OLD) == stepping.Step(CLEAR, NEW)


@pytest.mark.parametrize(("on_host", "current"), [(OLD, None), (OLD, NEW), (LATEST, NEW)])
def test_an_escrow_that_lacks_what_the_header_names_is_another_one_until_a_person_says_that_it_is_lost(
    on_host: str, current: str | None
) -> None:
    with pytest.raises(MspError, match=f"MSP-ENC-015.*{on_host}"):
        step(head(proven(31, on_host)), current)
    with pytest.raises(MspError, match="MSP-ENC-015"):
        step(head(proven(31, on_host)), current, lost=[VERSIONS[0] if on_host != VERSIONS[0] else VERSIONS[-1]])
    assert step(head(proven(31, on_host)), current, lost=[on_host]).do == ADD


def test_an_older_copy_of_the_escrow_takes_out_no_key_that_it_lacks() -> None:
    """A run ended before it took the old one out; the next has an escrow of before it."""
    both = head(proven(31, OLD), proven(30, NEW))
    with pytest.raises(MspError, match=f"MSP-ENC-015.*{NEW}"):
        step(both, OLD)
    with pytest.raises(MspError, match=f"MSP-ENC-015.*{OLD}"):
        step(both, NEW)
    assert step(both, OLD, lost=[NEW]).do == ADD
    # Of several that are lacking each has to be named: the other one may be in force by the right escrow.
    with pytest.raises(MspError, match=f"MSP-ENC-015.*{OLD}"):
        step(both, LATEST, lost=[NEW])
    assert step(both, LATEST, lost=[NEW, OLD]).do in (ADD, CLEAR)


def test_a_machine_that_was_put_back_from_an_old_copy_is_given_a_new_key() -> None:
    assert step(head(proven(31, OLD)), NEW, held=OLD).do == ADD


def test_a_volume_that_was_begun_is_made_anew_only_where_nothing_on_the_host_opens_it() -> None:
    begun: dict[str, Any] = {"subsystem": header.MAKING}
    closed: dict[str, Any] = {"mapped": False, "mounted": []}
    assert step(head(proven(31, OLD), host_key=(), **begun), OLD, **closed).do == FORM
    assert step(head(proven(31, OLD), **begun), OLD, **closed).do == SETTLE
    assert step(head(proven(31, OLD), host_key=(), **begun), OLD, mapped=True, mounted=[]).do == SETTLE
    # The same without our word that it was never finished is somebody's volume.
    assert step(head(proven(31, OLD), host_key=()), OLD, **closed).do == SETTLE


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("MSP-ENC-002", {"there": False}),
        ("MSP-ENC-003", {"content": ["ext4"]}),
        ("MSP-ENC-004", {"busy": ["mounted on /srv"], "content": ["ext4"]}),
        ("MSP-ENC-004", {"taken": ["something else is mounted on /srv/data"]}),
    ],
)
def test_what_somebody_has_or_uses_is_refused(code: str, more: dict[str, Any]) -> None:
    with pytest.raises(MspError) as caught:
        step(None, None, **{"mapped": False, "mounted": [], **more})
    assert caught.value.code == code


def test_a_backup_lets_data_go_and_nothing_lets_a_disk_go_that_is_used() -> None:
    volume = VOLUME._replace(backup="2f6e0b1c restic")
    known = stepping.Known(Standing(None, ()), due=False)
    facts = seen(None, mapped=False, mounted=[], content=["ext4"])
    assert stepping.next_step(volume, facts, known, settle=True).do == FORM
    # Of something else, of nothing in particular, or nowhere.
    for backup in ("11111111 restic", "restic", "2f6e0b1c", "2f6e0b1c  ", "none"):
        with pytest.raises(MspError, match=r"MSP-ENC-003.*2f6e0b1c.*something else"):
            stepping.next_step(volume._replace(backup=backup), facts, known, settle=True)
    with pytest.raises(MspError) as caught:
        stepping.next_step(volume, {**facts, "busy": ["in use"]}, known, settle=True)
    assert caught.value.code == "MSP-ENC-004"


RECOVERY = st.builds(
    lambda slot, version, state, filled: Recovery(slot, version, slot, state, f"s{slot}" if filled else ""),
    st.integers(1, 31),
    st.sampled_from(VERSIONS),
    st.sampled_from([SETTING, PROVEN]),
    st.booleans(),
)


@given(
    st.lists(RECOVERY, max_size=4, unique_by=lambda one: one.slot),
    st.sampled_from([None, *VERSIONS]),
    st.sets(st.sampled_from(VERSIONS)),
    st.booleans(),
)
def test_a_key_in_escrow_that_was_proved_never_goes_before_a_newer_one_is_marked(
    rows: list[Recovery], current: str | None, later: set[str], due: bool
) -> None:
    newer = tuple(sorted((one for one in later if current is None or one > current), reverse=True))
    luks = head(*rows)

    try:
        found = step(luks, current, *newer, due=due)
    except MspError as error:
        assert error.code == "MSP-ENC-015"
        assert {one.version for one in luks.proven} - {current, *newer}
        return

    reliable = {one.version for one in luks.proven} & {current, *newer}
    assert found.do != FORM
    if found.do == MARK:
        assert found.version in {one.version for one in luks.proven} and found.version in newer
    if found.do == CLEAR:
        assert (found.version == current and current in reliable) or (found.version == "" and luks.in_doubt)
    if found.do == NOTHING:
        assert [one.version for one in luks.proven] == [current] and not luks.in_doubt and not due
