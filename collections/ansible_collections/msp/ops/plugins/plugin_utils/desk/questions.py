# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One question of a rollout to one host, as arguments of msp.ops.patch_install. Pure: no I/O.

What may be asked was decided before (patching/deciding.py). Here it is put in words, with all that holds on that host.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import CHECK, LOOK, ROLLBACK, START, Work
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import NEVER, Check, Plan, plain
from ansible_collections.msp.ops.plugins.plugin_utils.patching.portion import Portion
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Host

# How long a host is waited for to be well after the work, where no check of the plan asks for longer.
CHECK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Questions:
    """What one host is asked for one rollout. wait: seconds that its end is waited for.

    plan and portion are what holds for this host; None where it has no plan any more, and then it is only looked at.
    """

    rollout: str
    host: Host
    wait: int
    plan: Plan | None = None
    portion: Portion | None = None

    def look(self, *, begin_by: dt.datetime, finish_only: bool) -> Work:
        """What became of the work. finish_only: what was begun may be ended, and nothing else be done.

        After begin_by it only tells: another run may have stopped the rollout meanwhile.
        """
        return self._work(LOOK, begin_by=begin_by.isoformat(), finish_only=finish_only)

    def check(self) -> Work:
        """Whether it is well."""
        return self._work(CHECK)

    def start(self, *, begin_by: dt.datetime, closes: dt.datetime, open_rollouts: Sequence[str]) -> Work:
        """Begin it, before begin_by. From closes on nothing reboots. What is kept of other rollouts may be pruned."""
        portion = self.portion or Portion(())
        return self._work(
            START,
            begin_by=begin_by.isoformat(),
            deadline=closes.isoformat(),
            open_rollouts=list(open_rollouts),
            unseen=list(portion.unseen),
            packages=[
                {"name": entry.name, "architecture": entry.architecture, "version": entry.version}
                for entry in portion.entries
            ],
        )

    def back(self, *, begin_by: dt.datetime, closes: dt.datetime | None) -> Work:
        """Go back. closes None: it is done outside of the windows, and then nothing reboots."""
        more = {"reboot": NEVER} if closes is None else {"deadline": closes.isoformat()}
        return self._work(ROLLBACK, begin_by=begin_by.isoformat(), **more)

    def _work(self, operation: str, **more: Any) -> Work:
        """With what every question says: which machine is meant, and what the plan wants of it."""
        found: dict[str, Any] = {"rollout": self.rollout, "action": operation, "wait": self.wait}
        if self.host.target.machine_id:
            found["machine_id"] = self.host.target.machine_id
        if self.portion is not None:
            found["excluded"] = list(self.portion.excluded)
        if self.plan is not None:
            found["reboot"] = self.plan.reboot
            found["checks_before"] = [plain(one) for one in self.plan.checks.before]
            found["checks_after"] = [plain(one) for one in self.plan.checks.after]
            found["check_seconds"] = check_seconds(self.plan.checks.after)
        return Work(self.host.name, self.rollout, operation, {**found, **more})


def check_seconds(checks: Sequence[Check]) -> int:
    """As long as the most patient check waits, and at least a minute: a service may start slowly."""
    timeouts = [getattr(one, "timeout", None) for one in checks]
    longest = max((one for one in timeouts if one is not None), default=dt.timedelta(0))
    return max(CHECK_SECONDS, int(longest.total_seconds()))
