"""Where the lab keeps things, and that it opens nobody's home for it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import paths
from lab.paths import LabPaths


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("environ", "root", "expected"),
    [
        ({"HOME": "/home/ann"}, False, "/home/ann/.cache/msp.ops"),
        ({"HOME": "/home/ann", "XDG_CACHE_HOME": "/fast"}, False, "/fast/msp.ops"),
        ({"HOME": "/root"}, True, "/var/cache/msp.ops"),
        ({"HOME": "/root", "XDG_CACHE_HOME": "/root/.cache"}, True, "/var/cache/msp.ops"),
        ({"HOME": "/root", "MSP_CACHE": "/srv/lab"}, True, "/srv/lab"),
        ({"HOME": "/home/ann", "MSP_CACHE": "/srv/lab"}, False, "/srv/lab"),
    ],
)
def test_the_cache_is_where_its_user_expects_it(environ: dict[str, str], root: bool, expected: str) -> None:
    assert paths.cache_dir(environ, root=root) == Path(expected)


@pytest.mark.parametrize("name", ["", "Demo", "a b", "../x", "a/b", "-x", "1st", "x" * 32, "a\n", ".."])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(MspError) as error:
        paths.lab_paths(name, tmp_path)

    assert error.value.code == "MSP-LAB-001"


@given(st.from_regex(paths.NAME, fullmatch=True))
def test_every_good_name_is_one_directory_below_labs(name: str) -> None:
    assert paths.lab_paths(name, Path("/c")).base.parent == Path("/c/labs")


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    base = tmp_path / ("x" * 100)

    with pytest.raises(MspError) as error:
        paths.lab_paths("demo", base)

    assert error.value.code == "MSP-LAB-002"
    assert not base.exists()


def test_what_is_secret_lies_behind_closed_directories(tmp_path: Path) -> None:
    lab = paths.lab_paths("demo", tmp_path)

    lab.make()

    assert {mode(path) for path in (lab.secrets, lab.redis, lab.netbox, lab.hosts, lab.logs)} == {0o700}
    assert mode(lab.base) == (0o711 if os.geteuid() == 0 else 0o700)


def test_making_the_directories_changes_the_mode_of_none_that_was_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o700)
    (home / ".cache").mkdir(mode=0o750)

    LabPaths("demo", home / ".cache" / "msp.ops" / "labs" / "demo").make()

    assert mode(home) == 0o700
    assert mode(home / ".cache") == 0o750


def test_a_closed_home_is_refused_not_opened(tmp_path: Path) -> None:
    home = tmp_path / "home"
    place = home / "cache"
    place.mkdir(parents=True)
    home.chmod(0o700)

    with pytest.raises(MspError) as error:
        paths.check_reachable(place)

    assert error.value.code == "MSP-LAB-003"
    assert mode(home) == 0o700


def test_a_private_file_is_never_readable_by_others_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)

    paths.write_private(path, "new")

    assert path.read_text() == "new"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_memory_is_a_directory_of_our_own_for_this_cache_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "MEMORY", tmp_path)
    monkeypatch.setenv("MSP_CACHE", str(tmp_path / "one"))
    one = paths.memory()
    assert one is not None and (one.parent, (one / "labs").is_dir()) == (tmp_path, True)
    assert paths.memory() == one
    monkeypatch.setenv("MSP_CACHE", str(tmp_path / "other"))
    other = paths.memory()
    assert other is not None and other != one
    shutil.rmtree(other)
    other.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    assert paths.memory() is None
    monkeypatch.setattr(paths, "MEMORY", tmp_path / "none")
    assert paths.memory() is None


@pytest.fixture
def lab_beside_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[LabPaths]:
    """A new lab, and a file system in memory that is no such thing, with room. Their paths are short, for sockets."""
    with tempfile.TemporaryDirectory() as place:
        memory = Path(place, "m")
        memory.mkdir()
        monkeypatch.setattr(paths, "MEMORY", memory)
        monkeypatch.setattr(paths, "ROOM", 0)
        monkeypatch.setenv("MSP_CACHE", f"{place}/c")
        lab = paths.lab_paths("demo")
        lab.make()
        yield lab


def test_data_in_memory_is_a_link_that_goes_with_the_lab(lab_beside_memory: LabPaths) -> None:
    lab = lab_beside_memory
    left = paths.lab_paths("demo", paths.memory()).postgres
    left.mkdir(parents=True)
    (left / "PG_VERSION").touch()  # of a lab of this name that is gone: its secrets were others

    lab.data_in_memory()

    assert lab.postgres.readlink() == left and not left.exists()
    assert mode(left.parent) == mode(lab.base)
    left.mkdir()
    (left / "PG_VERSION").touch()
    lab.data_in_memory()
    assert (lab.postgres / "PG_VERSION").exists()
    lab.remove()
    assert not left.parent.exists() and not lab.base.exists()


def test_data_that_was_in_memory_when_the_machine_was_started_anew_is_made_anew(lab_beside_memory: LabPaths) -> None:
    lab = lab_beside_memory
    lab.data_in_memory()
    place = lab.postgres.readlink()
    shutil.rmtree(place.parent)

    lab.data_in_memory()

    assert lab.postgres.readlink() == place and place.parent.is_dir()


@pytest.mark.parametrize("why", ["data on the disk", "no room", "no memory"])
def test_data_stays_on_the_disk(lab_beside_memory: LabPaths, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    lab = lab_beside_memory
    if why == "data on the disk":
        lab.postgres.mkdir()
    elif why == "no room":
        monkeypatch.setattr(paths, "ROOM", 1 << 60)
    else:
        monkeypatch.setattr(paths, "MEMORY", lab.base / "none")

    lab.data_in_memory()

    assert not lab.postgres.is_symlink()
