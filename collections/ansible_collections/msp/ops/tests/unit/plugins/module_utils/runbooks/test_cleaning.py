# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing outside of the policy is ever chosen, and what was chosen is deleted only while it is still the same file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.runbooks import cleaning
from ansible_collections.msp.ops.plugins.module_utils.runbooks.cleaning import (
    AREAS,
    DAY,
    KINDS,
    Area,
    Around,
    File,
    Rules,
)

NOW = 1_800_000_000.0
LOGS, TMP, VAR_TMP = AREAS
EVERYTHING = Rules(KINDS, 30, 10)
AROUND = Around(NOW, 7, frozenset(), frozenset())
OLD = NOW - 90 * DAY
TOPS = ("/var/log/", "/tmp/", "/var/tmp/")  # noqa: S108 - what may be cleaned
ELSEWHERE = Area("/home", "temporary")


def file(area: Area = LOGS, *below: str, **changes: float) -> File:
    times = {"modified": OLD, "changed": OLD, "read": OLD}
    return File(area, below or ("app.log.1",), 7, 4711, 1, 1000, 4096, **times)._replace(**changes)  # type: ignore[arg-type]


TIMES = st.floats(0, 2 * NOW)
NAMES = st.one_of(
    st.text(min_size=1, max_size=8), st.sampled_from(["app.log", "app.log.1", "x.gz", "..", "", "a/b", "x.old"])
)
FILES = st.builds(
    File,
    area=st.sampled_from([*AREAS, ELSEWHERE, LOGS._replace(top="/"), TMP._replace(idle_owner=False)]),
    below=st.lists(NAMES, max_size=3).map(tuple),
    device=st.sampled_from([7, 8]),
    inode=st.integers(1, 3),
    links=st.sampled_from([1, 2]),
    owner=st.sampled_from([0, 1000]),
    size=st.integers(0, 10),
    modified=TIMES,
    changed=TIMES,
    read=TIMES,
)


@pytest.mark.thorough
@given(
    st.lists(FILES, max_size=6),
    st.builds(Rules, st.lists(st.sampled_from(KINDS)).map(tuple), st.integers(7, 60), st.integers(2, 60)),
    st.sets(st.tuples(st.sampled_from([7, 8]), st.integers(1, 3))),
    st.sets(st.sampled_from([0, 1000])),
)
def test_what_is_chosen_is_within_the_policy_whatever_there_is(
    files: list[File], rules: Rules, in_use: set[tuple[int, int]], busy: set[int]
) -> None:
    for one in cleaning.chosen(files, rules, Around(NOW, 7, in_use, busy)):
        assert one.area in AREAS and one.area.kind in rules.kinds
        assert one.path == os.path.normpath(one.path) and one.path.startswith(TOPS)
        assert (one.device, one.links) == (7, 1) and (7, one.inode) not in in_use
        days = rules.log_days if one.area is LOGS else rules.temporary_days
        assert one.modified <= NOW - days * DAY
        if one.area is LOGS:
            assert one.below[-1] not in ("app.log",) and one.below[0] not in ("journal", "audit")
        else:
            assert one.owner not in busy and max(one.read, one.changed) <= NOW - days * DAY


@pytest.mark.parametrize(
    "name",
    ["app.log.1", "app.log.12.gz", "app.log-20260101", "app.log-20260101.xz", "x.old", "app.3.log.gz", "syslog.9"],
)
def test_what_rotation_put_away_may_go(name: str) -> None:
    assert cleaning.chosen([file(LOGS, name)], EVERYTHING, AROUND)


@pytest.mark.parametrize("name", ["app.log", "wtmp", "app.gz", "data.sql", ".1", "app.log.12345", "backup-2026", "1"])
def test_what_it_did_not_is_left(name: str) -> None:
    assert cleaning.chosen([file(LOGS, name)], EVERYTHING, AROUND) == []


@pytest.mark.parametrize(
    "one",
    [
        file(LOGS, "journal", "a.log.1"),
        file(LOGS, "audit", "audit.log.1"),
        file(TMP, "systemd-private-1-x.service-2", "tmp", "f"),
        file(TMP, ".X11-unix", "X0"),
        file(TMP, "f", changed=NOW),
        file(TMP, "f", read=NOW),
        file(TMP, "f", modified=NOW),
        file(LOGS, "a.log.1", modified=NOW - 29 * DAY),
        file(LOGS, "a.log.1", links=2),
        file(LOGS, "a.log.1", device=8),
    ],
)
def test_what_somebody_may_want_is_left(one: File) -> None:
    assert cleaning.chosen([one], EVERYTHING, AROUND) == []


def test_what_is_open_or_whose_owner_is_there_is_left() -> None:
    log, temporary = file(LOGS, "a.log.1"), file(TMP, "f")
    assert cleaning.chosen([log, temporary], EVERYTHING, AROUND) == [log, temporary]
    assert cleaning.chosen([log, temporary], EVERYTHING, AROUND._replace(in_use={(7, 4711)})) == []
    # Logs are root's, who always has a process.
    assert cleaning.chosen([log, temporary], EVERYTHING, AROUND._replace(busy_users={1000})) == [log]


# -- on a real disk ------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "var/log/app").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/keep.log.1").write_text("mine")
    yield tmp_path


def found(root: Path) -> dict[str, File]:
    return {"/".join(one.below): one for one in cleaning.there(LOGS, root.stat().st_dev, str(root))}


def test_links_are_neither_followed_nor_deleted(root: Path) -> None:
    (root / "var/log/app/a.log.1").write_text("old")
    (root / "var/log/b.log.1").symlink_to(root / "secret/keep.log.1")
    (root / "var/log/way").symlink_to(root / "secret")
    os.mkfifo(root / "var/log/pipe.log.1")

    assert list(found(root)) == ["app/a.log.1"]


def test_a_chosen_file_is_gone_and_nothing_else(root: Path) -> None:
    (root / "var/log/app/a.log.1").write_text("old")
    (root / "var/log/app/b.log.1").write_text("old")

    assert cleaning.delete(found(root)["app/a.log.1"], str(root))

    assert list(found(root)) == ["app/b.log.1"]


def test_a_directory_that_became_a_link_leads_nowhere(root: Path) -> None:
    """Between the choice and the deletion somebody moves the directory, and lays a link to another one in its place."""
    (root / "var/log/app/keep.log.1").write_text("old")
    one = found(root)["app/keep.log.1"]
    (root / "var/log/app").rename(root / "var/log/moved")
    (root / "var/log/app").symlink_to(root / "secret")

    assert cleaning.delete(one, str(root)) is False

    assert (root / "secret/keep.log.1").read_text() == "mine"


@pytest.mark.parametrize("how", ["replaced", "linked", "written"])
def test_another_file_of_that_name_stays(root: Path, how: str) -> None:
    path = root / "var/log/a.log.1"
    path.write_text("old")
    one = found(root)["a.log.1"]
    if how == "written":
        path.write_text("somebody needs it after all")
        os.utime(path, (time.time() + 5, time.time() + 5))
    else:
        (root / "other").write_text("new")
        path.unlink()
        path.symlink_to(root / "other") if how == "linked" else (root / "other").rename(path)

    assert cleaning.delete(one, str(root)) is False

    assert path.is_symlink() or path.read_text()


def test_an_area_that_is_itself_a_link_is_left(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.log.1").write_text("x")
    (tmp_path / "var").mkdir()
    (tmp_path / "var/log").symlink_to(tmp_path / "real")

    assert found(tmp_path) == {}
