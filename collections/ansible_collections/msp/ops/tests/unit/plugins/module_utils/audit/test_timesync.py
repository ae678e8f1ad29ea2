# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time synchronisation."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import timesync
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

TRACKING = "C0000201,192.0.2.1,3,1700000000.1,0.00001,-0.1,0.1,1.0,0.0,0.1,0.001,0.0001,64.2,{}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(TRACKING.format("Normal"), True), (TRACKING.format("Not synchronised"), False), ("506 Cannot talk\n", None)],
)
def test_chrony_says_whether_its_clock_is_right(text: str, expected: bool | None) -> None:
    assert timesync.parse_chrony(text) is expected


def made_host(root: Path, *processes: str) -> Host:
    for number, name in enumerate(processes, 1):
        (root / f"proc/{number}").mkdir(parents=True)
        (root / f"proc/{number}/comm").write_text(name + "\n")
    return Host(str(root))


def test_the_service_is_recognised_by_its_process(tmp_path: Path) -> None:
    assert timesync.collect(made_host(tmp_path, "systemd", "systemd-timesyn"), None)["service"] == "systemd-timesyncd"


def test_timesyncd_leaves_a_sign_when_the_clock_is_right(tmp_path: Path) -> None:
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    (tmp_path / "run/systemd/timesync/synchronized").write_text("")

    assert timesync.collect(made_host(tmp_path, "systemd-timesyn"), None)["synchronised"] is True


def test_nobody_knowing_is_null_and_said(tmp_path: Path) -> None:
    host = made_host(tmp_path, "init")

    assert timesync.collect(host, None) == {"synchronised": None, "service": None}
    assert [what for what, _why in host.notes] == ["time"]


def test_a_container_does_not_answer_for_the_clock_of_its_host(tmp_path: Path) -> None:
    host = made_host(tmp_path, "init")

    assert timesync.collect(host, "podman")["synchronised"] is None
    assert "clock of its host" in next(iter(host.notes))[1]
