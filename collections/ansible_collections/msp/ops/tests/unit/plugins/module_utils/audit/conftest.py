# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Outputs of real tools, recorded elsewhere and not shipped: what reads them skips where they are not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = next(parent for parent in Path(__file__).resolve().parents if (parent / "pyproject.toml").exists())


@pytest.fixture
def recorded() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        place = Path(os.environ.get("MSP_RECORDED_DATA") or REPOSITORY.parent / "shared" / "data") / name
        if not place.exists():
            pytest.skip(f"the recorded output {name} is not on this machine (MSP_RECORDED_DATA names its directory)")
        return place

    return find
