# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd's units, and its settings with everything dropped in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import units
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import (
    called,
    made_reader,
    printing,
)

RUNNING = {"/run/systemd/system/x": ""}
# systemctl of systemd 252.
SHOWN = """LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled

LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=

LoadState=masked
ActiveState=inactive
SubState=dead
UnitFileState=masked
"""
NAMES = ("ssh.service", "telnet.socket", "ctrl-alt-del.target")


def test_all_units_are_asked_for_once(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, RUNNING, {"systemctl": printing(SHOWN)})

    found = {name: units.unit(reader, name, NAMES) for name in NAMES}

    assert found == {
        "ssh.service": {"exists": True, "load": "loaded", "active": "active", "enabled": "enabled", "sub": "running"},
        "telnet.socket": {"exists": False, "load": "not-found", "active": "inactive", "enabled": "", "sub": "dead"},
        "ctrl-alt-del.target": {
            "exists": True, "load": "masked", "active": "inactive", "enabled": "masked", "sub": "dead",
        },
    }  # fmt: skip
    assert called(tmp_path) == [
        "systemctl show --no-pager --property=LoadState,ActiveState,SubState,UnitFileState -- " + " ".join(NAMES)
    ]


def test_an_answer_about_fewer_units_is_none(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, RUNNING, {"systemctl": printing(SHOWN)})

    with pytest.raises(Unmeasurable, match="3 units when asked for 1"):
        units.unit(reader, "ssh.service")


def test_an_answer_without_a_state_is_none(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, RUNNING, {"systemctl": printing("LoadState=loaded\nSubState=dead")})

    with pytest.raises(Unmeasurable, match=r"ActiveState, UnitFileState of ssh\.service"):
        units.unit(reader, "ssh.service")


def test_where_systemd_does_not_run_there_are_no_units(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        units.unit(made_reader(tmp_path, {}, {"systemctl": "exit 1"}), "ssh.service")


MAIN = "systemd/journald.conf"


def value(reader: Reader, name: str = "Storage", section: str = "Journal") -> dict:
    return units.setting(reader, MAIN, section, name)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"/etc/systemd/journald.conf": "[Journal]\n#Storage=volatile\n;Storage=none\n"}, None),
        ({"/etc/systemd/journald.conf": "[Journal]\nStorage = persistent \n"}, "persistent"),
        ({"/etc/systemd/journald.conf": "[Other]\nStorage=persistent\n"}, None),
        ({"/usr/lib/systemd/journald.conf": "[Journal]\nStorage=auto\n"}, "auto"),
        (
            {
                "/etc/systemd/journald.conf": "[Journal]\nStorage=auto\n",
                "/etc/systemd/journald.conf.d/10-a.conf": "[Journal]\nStorage=persistent\n",
                "/usr/lib/systemd/journald.conf.d/20-b.conf": "[Journal]\nStorage=volatile\n",
            },
            "volatile",
        ),
        (
            {
                "/etc/systemd/journald.conf.d/20-b.conf": "",
                "/usr/lib/systemd/journald.conf.d/20-b.conf": "[Journal]\nStorage=volatile\n",
            },
            None,
        ),
        (
            {
                "/etc/systemd/journald.conf": "[Journal]\nStorage=auto\n",
                "/usr/lib/systemd/journald.conf": "[Journal]\nStorage=none\n",
                "/run/systemd/journald.conf.d/x.conf": "[Journal]\nStorage=\n",
            },
            None,
        ),
    ],
)
def test_the_last_one_in_systemds_order_counts(tmp_path: Path, files: dict[str, str], expected: str | None) -> None:
    found = value(made_reader(tmp_path, {"/usr/lib/systemd/systemd": "", **files}))

    assert (found["value"], found["set"]) == (expected, expected is not None)


def test_lists_add_up_until_an_empty_one(tmp_path: Path) -> None:
    reader = made_reader(
        tmp_path,
        {
            "/usr/lib/systemd/systemd": "",
            "/etc/systemd/timesyncd.conf": "[Time]\nNTP=a.example.com\nNTP=\nNTP=b.example.com \\\n c.example.com\n",
            "/etc/systemd/timesyncd.conf.d/msp.conf": "[Time]\nNTP=d.example.com\n",
        },
    )

    found = units.setting(reader, "systemd/timesyncd.conf", "Time", "NTP")

    assert [one.split() for one in found["values"]] == [["b.example.com", "c.example.com"], ["d.example.com"]]


def test_a_link_to_nothing_takes_a_file_out(tmp_path: Path) -> None:
    reader = made_reader(
        tmp_path, {"/usr/lib/systemd/journald.conf.d/x.conf": "[Journal]\nStorage=none\n", "/etc/systemd/a": ""}
    )
    (tmp_path / "etc/systemd/journald.conf.d").mkdir()
    (tmp_path / "etc/systemd/journald.conf.d/x.conf").symlink_to("/dev/null")

    assert value(reader)["set"] is False


def test_without_systemd_there_are_no_settings_of_it(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        value(made_reader(tmp_path, {"/etc/systemd/journald.conf": "[Journal]\nStorage=auto\n"}))
