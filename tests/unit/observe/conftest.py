"""Recordings of real discovery sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def samples(recorded: Callable[[str], Path]) -> Path:
    """The directory of recordings, or a skip where there is none."""
    return recorded("nmap").parent
