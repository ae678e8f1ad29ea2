# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs that a host runs are those that the role writes, and are scripts that a plain sh takes."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.local_admin import programs

FILES = Path(__file__).resolve().parents[9] / "roles" / "msp_local_admin" / "files"


@pytest.mark.parametrize("path", programs.PROGRAMS)
def test_a_program_is_known_by_its_digest(path: str) -> None:
    found = (FILES / Path(path).name).read_bytes()

    assert hashlib.sha256(found).hexdigest() == programs.DIGESTS[path]
    subprocess.run(["sh", "-n"], input=found, check=True)


def test_the_role_has_no_other_program() -> None:
    assert {path.name for path in FILES.iterdir()} == {Path(path).name for path in programs.PROGRAMS}
