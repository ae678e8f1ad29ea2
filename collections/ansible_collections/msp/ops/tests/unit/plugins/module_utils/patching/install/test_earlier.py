# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollout did on a host before: its first attempt says how the host was, its last ones what is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.patching.install import earlier
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import (
    BEFORE,
    REQUEST,
    STATUS,
    Attempt,
    Rollout,
)

PATCHED, FAILED, OWED = {"outcome": "patched"}, {"outcome": "failed"}, {"outcome": "reboot owed"}
BACK, REFUSED, NOTHING = {"outcome": "rolled back"}, {"outcome": "refused"}, {"outcome": "nothing"}
CUT_OFF = {"phase": "installing"}


def attempts(place: Path, *kept: tuple[dict[str, Any] | None, dict[str, Any] | None]) -> list[Attempt]:
    """before and status of each, oldest first. All of them ask for a and bring b along."""
    rollout = Rollout("r", str(place))
    for number, (before, status) in enumerate(kept):
        attempt = rollout.begin(f"{number}")
        asked = {"packages": [{"name": "a", "architecture": "all", "version": "2"}]}
        attempt.write(REQUEST, {"request": asked, "plan": {"installs": [{"package": "a:all"}, {"package": "b:all"}]}})
        for name, values in ((BEFORE, before), (STATUS, status)):
            if values is not None:
                attempt.write(name, values)
    return rollout.attempts()


@pytest.mark.parametrize(
    ("statuses", "left"),
    [
        ([], None),
        ([PATCHED], None),
        ([BACK], None),
        ([NOTHING], None),
        ([REFUSED], None),
        ([None], None),
        ([FAILED], "0"),
        ([OWED], "0"),
        ([CUT_OFF], "0"),
        ([FAILED, REFUSED], "0"),  # what was refused mended nothing
        ([CUT_OFF, NOTHING, None], "0"),
        ([FAILED, FAILED], "1"),
        ([FAILED, BACK], None),
        ([PATCHED, FAILED], "1"),
    ],
)
def test_what_is_left_open_is_the_last_that_did_anything_and_came_to_no_good_end(
    tmp_path: Path, statuses: list[dict[str, Any] | None], left: str | None
) -> None:
    found = earlier.left_open(attempts(tmp_path, *(({"packages": {}}, status) for status in statuses)))

    assert (found and found.name) == left


def test_the_first_that_wrote_it_down_says_how_the_host_was(tmp_path: Path) -> None:
    first, second = {"packages": {"a:all": "1"}}, {"packages": {"a:all": "2"}}

    assert earlier.first(attempts(tmp_path, (None, None), (first, FAILED), (second, FAILED))) == first
    assert earlier.first([]) is None


def test_only_what_the_rollout_moved_itself_is_set_back_to_what_it_was_before_the_first_attempt(tmp_path: Path) -> None:
    """a went up and down again, b came new, c is somebody else's. Of the second nobody wrote down what it moved."""
    up = ({"packages": {"a:all": "1", "c:all": "1"}}, {**FAILED, "after": {"a:all": "2", "b:all": "1", "c:all": "1"}})
    down = ({"packages": {"a:all": "2", "b:all": "1", "c:all": "2"}}, CUT_OFF)

    found = earlier.packages(attempts(tmp_path, up, down), {"a:all": "1.5", "b:all": "1", "c:all": "3"})

    assert found == {"a:all": "1", "c:all": "3"}


def test_what_moved_nothing_set_nothing_back(tmp_path: Path) -> None:
    (attempt,) = attempts(tmp_path, ({"packages": {"a:all": "1"}}, {**FAILED, "after": {"a:all": "1"}}))

    assert earlier.moved(attempt) == set()
    assert earlier.packages([attempt], {"a:all": "7"}) == {"a:all": "7"}
