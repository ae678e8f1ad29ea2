# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is read of NetBox for the inventory; most of it is specified on a real NetBox."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.changes import Cursor
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register import snapshot

NOBODY = snapshot.Selection((), {})


class Unasked:
    """A NetBox that nobody may ask anything."""

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"NetBox was asked: {name}")


def test_without_a_customer_nothing_is_asked_the_first_time_nor_the_second() -> None:
    register: Any = Unasked()

    first = snapshot.read(register, NOBODY)
    second = snapshot.refresh(register, NOBODY, Snapshot(), Cursor())

    assert first.snapshot.machines == second.snapshot.machines == {}
