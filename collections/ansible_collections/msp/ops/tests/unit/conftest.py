# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every unit test gets: its own state directory, declared durable, so that no test sees a person's store."""

from __future__ import annotations

import itertools

import pytest

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's disk counts as durable only where it is declared; the tests' directories are.

    The state directory is named, and made by whoever uses it: few tests do, and there are thousands.
    """
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_STATE_HOME", str(base / "states" / str(next(_NUMBERS))))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(base))
    monkeypatch.delenv("MSP_STORE_URL", raising=False)
