# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of crypttab and fstab: each once, with no start that waits for ever; what belongs to others stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.encryption import tables
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import UNLOCKS, Volume

UUID = "836faf7c-6e9e-4ffd-bfcb-650bf2114b45"
VOLUME = Volume("data", "/dev/disk/by-id/virtio-data", "/srv/data")
OTHERS = "# data of nobody /srv/data\nUUID=1 / ext4 defaults 0 1\nbackup /dev/sdc /srv/backup ext4 defaults 0 2\n"


@pytest.mark.parametrize("unlock", UNLOCKS)
def test_a_volume_that_does_not_open_keeps_no_machine_from_starting(unlock: str) -> None:
    volume = VOLUME._replace(unlock=unlock)
    for line in (tables.crypttab_line(volume, UUID).text.split()[3], tables.fstab_line(volume).text.split()[3]):
        options = line.split(",")
        assert "nofail" in options
        # It is opened by a person, or given up on after a while; nobody is asked for a password meanwhile.
        assert "noauto" in options or any("device-timeout=" in one for one in options)
    headless = "headless=1" in tables.crypttab_line(volume, UUID).text
    assert headless is (unlock != "by-hand")


def test_what_unlocks_it_stands_in_its_line() -> None:
    fields = {unlock: tables.crypttab_line(VOLUME._replace(unlock=unlock), UUID).text.split() for unlock in UNLOCKS}
    assert [row[:3] for row in fields.values()] == [
        ["data", f"UUID={UUID}", "/etc/cryptsetup-keys.d/data.key"],
        ["data", f"UUID={UUID}", "none"],
    ]
    assert "noauto" in fields["by-hand"][3]


def test_a_line_takes_the_place_of_those_about_the_same_and_of_no_other() -> None:
    line = tables.fstab_line(VOLUME)
    old = f"{OTHERS}/dev/vdb /srv/data xfs defaults 0 0\n/dev/vdc /srv/data xfs defaults 0 0\n"

    found = tables.with_line(old, line)

    assert found == OTHERS + line.text + "\n"
    assert tables.has(found, line) and not tables.has(old, line) and not tables.has(found + line.text, line)


@given(st.lists(st.text(alphabet="ab/# \t", max_size=12)))
def test_a_second_time_changes_nothing_and_no_line_of_others_is_lost(rows: list[str]) -> None:
    line = tables.crypttab_line(VOLUME, UUID)
    text = "".join(f"{row}\n" for row in rows)

    once = tables.with_line(text, line)

    assert tables.has(once, line)
    assert tables.with_line(once, line) == once
    assert [row for row in once.splitlines() if row != line.text] == rows
