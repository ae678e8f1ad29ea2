# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apt would do, out of what its simulations print (recorded on Debian 12)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching import simulation

PRINTED = """\
NOTE: This is only a simulation!
Reading package lists...
The following packages have been kept back:
  lab-held
Inst libperl5.36 [5.36.0-7+deb12u3] (5.36.0-7+deb12u4 Debian-Security:12/oldstable-security [amd64]) [perl:amd64 ]
Inst libc6:i386 [2.36-9] (2.36-10 Debian:12.10/stable, Debian-Security:12/stable [i386]) []
Remv lab-eaten [1.0]
Inst lab-new (1.0 Lab:main/main [all])
Conf lab-new (1.0 Lab:main/main [all])
"""


def host_with(root: Path, script: str) -> Host:
    """A host whose apt-get is a script; $LAST is the last word of its command line."""
    program = root / "usr/bin/apt-get"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nfor LAST; do :; done\n" + script)
    program.chmod(0o755)
    host = Host(str(root))
    host.privileged = False
    return host


def test_upgraded_new_and_removed_packages_are_told_apart() -> None:
    found = simulation.parse(PRINTED)

    assert found.upgraded == {"libperl5.36": "5.36.0-7+deb12u4", "libc6:i386": "2.36-10"}
    assert found.installs == [{"name": "lab-new", "architecture": "all", "version": "1.0"}]
    assert found.removes == [{"name": "lab-eaten", "architecture": "", "version": "1.0"}]


def test_the_second_simulation_is_not_run_when_the_first_moves_all_that_waits(tmp_path: Path) -> None:
    host = host_with(tmp_path, '[ $LAST = upgrade ] || exit 1\necho "Inst a [1] (2 Lab:main/main [all])"\n')

    small, large, refuses = simulation.collect(host, {"a"})

    assert small is not None
    assert small is large
    assert (small.upgraded, refuses) == ({"a": "2"}, False)


def test_an_apt_that_refuses_to_work_says_so_and_one_that_breaks_is_noted(tmp_path: Path) -> None:
    refusing = host_with(tmp_path / "a", 'echo "E: Unmet dependencies. Try apt --fix-broken install" >&2\nexit 100\n')
    breaking = host_with(tmp_path / "b", 'echo "E: The value is invalid" >&2\nexit 100\n')

    assert simulation.collect(refusing, {"a"}) == (None, None, True)
    assert simulation.collect(breaking, {"a"}) == (None, None, False)
    assert breaking.notes == {("transaction", "apt-get --simulate ended with status 100: E: The value is invalid")}


def test_what_is_not_simulated_by_itself_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "MOST_ASKED", 1)
    host = host_with(tmp_path, 'echo "Inst lab-new (1.0 Lab:main/main [all])"\n')

    found = simulation.alone(host, [("a", "2"), ("b", "2")])

    assert [row["name"] for row in found["a"].installs] == ["lab-new"]
    assert host.notes == {("transaction of b", "more than 1 packages bring or remove others")}
