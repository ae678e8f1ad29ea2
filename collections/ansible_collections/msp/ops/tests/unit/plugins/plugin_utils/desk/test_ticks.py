# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rounds of a tick are given and hand on."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import ticks
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Tick
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import Work

AT = dt.datetime(2026, 11, 26, 2, tzinfo=dt.UTC)
TICK = Tick("me", 7, AT, (Work("pc01.office", "r1", "start", {"wait": 60}),), ("r1",), {"r1": ("pc01.office",)})
PLAIN = TICK.as_dict()
ASKED = {"wait": 60, "last": False, "by": "", "reason": "", "again": [], "language": "en"}


def test_a_tick_comes_back_as_it_was_handed_on() -> None:
    assert Tick.of(json.loads(json.dumps(PLAIN))) == TICK


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"holder": "me"},
        {**PLAIN, "work": [{"host": "a"}]},
        {**PLAIN, "fence": "first"},
        {**PLAIN, "at": "yesterday"},
        {**PLAIN, "at": None},
        {**PLAIN, "running": ["r1"]},
    ],
)
def test_a_tick_that_is_none_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(MspError) as refused:
        Tick.of(said)

    assert refused.value.code == "MSP-PAT-140"


@pytest.mark.parametrize("wait", [0, 59, 21_601])
def test_a_wait_that_makes_no_sense_is_refused(wait: int) -> None:
    with pytest.raises(MspError) as refused:
        ticks.setting_of("bakkerij-jansen", {}, {**ASKED, "wait": wait})

    assert refused.value.code == "MSP-PAT-143"


@pytest.mark.parametrize(("by", "reason"), [("", "it was the network"), ("anna", " "), ("", "")])
def test_what_was_given_up_is_tried_again_only_for_a_person_with_a_reason(by: str, reason: str) -> None:
    with pytest.raises(MspError) as refused:
        ticks.setting_of("bakkerij-jansen", {}, {**ASKED, "again": ["nginx"], "by": by, "reason": reason})

    assert refused.value.code == "MSP-PAT-187"
    found = ticks.setting_of("bakkerij-jansen", {}, {**ASKED, "again": ["nginx"], "by": "anna", "reason": "a test"})
    assert found.again == ticks.Again(("nginx",), "anna", "a test")
    assert ticks.setting_of("bakkerij-jansen", {}, ASKED).again is None
