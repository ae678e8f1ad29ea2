# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Report files: whole or not there, and not for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import files


def test_a_file_is_written_with_its_folder_and_is_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "bakery" / "page.html"
    files.write(path, b"new")
    files.write(path, b"newer")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"newer", 0o640)
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]


def test_what_cannot_be_written_leaves_nothing_half_done_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.mkdir()
    with pytest.raises(MspError) as caught:
        files.write(path, b"new")
    assert caught.value.code == "MSP-RPT-002" and str(tmp_path) in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_file_holds_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert not files.holds(path, b"new")
    files.write(path, b"new")
    assert files.holds(path, b"new") and not files.holds(path, b"other")
    with pytest.raises(MspError):
        files.holds(tmp_path, b"new")
