# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What msp.ops.rollout hands on of what the hosts answered: also of one that is in no inventory any more."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.action.rollout import ActionModule
from ansible_collections.msp.ops.plugins.plugin_utils.desk import rollouts
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Setting, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import Work

TICK = Tick(
    "me",
    1,
    dt.datetime(2026, 11, 26, tzinfo=dt.UTC),
    tuple(Work(name, "r1", "look", {}) for name in ("pc01.office", "pc02.office", "sold.office")),
)
MSP = {"customer": "office", "asset": {"key": "device:1"}}


class HostVars(dict[str, Any]):
    """As ansible-core's: of a host that is in no inventory it gives something that can't be asked anything."""

    def __missing__(self, name: str) -> object:
        return object()


def test_who_is_in_no_inventory_any_more_has_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: dict[str, Any] = {}

    def round_of(_store: Any, _netbox: Any, setting: Setting, tick: Tick, answers: dict[str, Any]) -> str:
        heard.update(setting=setting, tick=tick, answers=answers)
        return "the round"

    monkeypatch.setattr(rollouts, "round_of", round_of)
    known = HostVars({"pc01.office": {"found": {"state": "working"}}, "pc02.office": {}})
    known._inventory = SimpleNamespace(hosts={"pc01.office": SimpleNamespace(vars={"msp": MSP})})  # type: ignore[attr-defined]
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(check_mode=False)
    arguments = {
        **{"customer": "office", "hosts": ["pc01.office"], "tick": TICK.as_dict(), "answers": "found"},
        **{"wait": 60, "last": False, "by": "timer", "reason": "", "again": [], "language": "en"},
    }

    found = action._round(None, None, arguments, {"hostvars": known})  # type: ignore[arg-type]

    assert str(found) == "the round"
    assert heard["tick"] == TICK
    assert heard["setting"].hosts == {"device:1": "pc01.office"}
    assert heard["answers"] == {"pc01.office": {"state": "working"}, "pc02.office": None}
