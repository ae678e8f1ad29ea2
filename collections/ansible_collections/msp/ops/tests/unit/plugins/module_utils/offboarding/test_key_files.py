# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of keys are replaced in place and nowhere else, whoever changes the way to them meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.offboarding import key_files

ME = (os.getuid(),)


def found(path: Path) -> key_files.KeyFile:
    file = key_files.read(str(path))
    assert file is not None
    return file


def test_a_replaced_file_keeps_its_owner_and_rights_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "authorized_keys"
    path.write_bytes(b"one\ntwo\n")
    path.chmod(0o640)

    key_files.replace(found(path), b"two\n")

    assert path.read_bytes() == b"two\n"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["authorized_keys"]


def test_a_link_stays_a_link_and_what_it_leads_to_is_changed(tmp_path: Path) -> None:
    path, real = tmp_path / "authorized_keys", tmp_path / "dotfiles"
    real.write_bytes(b"one\n")
    path.symlink_to(real)

    assert key_files.obstacle(found(path), ME) == ""
    key_files.replace(found(path), b"")

    assert path.is_symlink() and real.read_bytes() == b""


def test_a_link_of_somebody_else_than_the_files_owner_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "home" / "keys", tmp_path / "shadow"
    real.write_bytes(b"one\n")
    path.parent.mkdir()
    path.symlink_to(real)
    # Whoever runs this owns both, so the file is told to be another's.
    file = found(path)
    about = os.stat_result((*file.about[:4], file.about.st_uid + 1, *file.about[5:]))

    assert "is a link of somebody who does not own" in key_files.obstacle(file._replace(about=about), ())


def test_a_file_that_somebody_changes_meanwhile_keeps_the_change(tmp_path: Path) -> None:
    path = tmp_path / "authorized_keys"
    path.write_bytes(b"one\n")
    file = found(path)
    path.write_bytes(b"one\nhis\n")

    with pytest.raises(MspError) as caught:
        key_files.replace(file, b"")

    assert caught.value.code == "MSP-OFF-008"
    assert path.read_bytes() == b"one\nhis\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_directory_that_becomes_a_link_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    home, victim = tmp_path / "home", tmp_path / "etc"
    for place in (home, victim):
        place.mkdir()
        (place / "keys").write_bytes(b"one\n")
    file = found(home / "keys")
    home.rename(tmp_path / "moved")
    home.symlink_to(victim)

    with pytest.raises(OSError):
        key_files.replace(file, b"")

    assert (victim / "keys").read_bytes() == b"one\n"
    assert len(list(victim.iterdir())) == 1


def test_what_is_no_plain_file_is_none_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")

    for name in ("pipe", "nowhere", "missing", "missing/keys", ""):
        assert key_files.read(str(tmp_path / name)) is None


def test_a_file_that_is_mounted_is_an_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, mounts = tmp_path / "authorized keys", tmp_path / "mountinfo"
    path.write_bytes(b"one\n")
    place = str(path).replace(" ", "\\040")
    mounts.write_text(f"36 35 98:0 /mnt1 {place} rw,noatime master:1 - ext3 /dev/root rw\n")
    monkeypatch.setattr(key_files, "_MOUNTS", str(mounts))

    assert "is mounted there" in key_files.obstacle(found(path), ME)
