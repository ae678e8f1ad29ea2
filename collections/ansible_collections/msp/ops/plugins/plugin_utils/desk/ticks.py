# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rounds of a tick are given, hand on to each other, and say. Pure: no I/O but the name of who runs this."""

from __future__ import annotations

import dataclasses
import datetime as dt
import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import Work
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout

LONGEST_WAIT = 6 * 3600


@dataclass(frozen=True, slots=True)
class Again:
    """What a person wants tried again: patterns of package names, who that is, and why."""

    packages: tuple[str, ...]
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What a round works with. customer is its slug. hosts are inventory names by asset key: those that the scope
    guard let in.

    wait: seconds that a host may take before this run leaves it at work. last: no more rounds follow. language: of the
    lines for a person. again: patterns of packages that a person wants tried again although they were given up, with
    who and why.
    """

    customer: str
    hosts: Mapping[str, str]
    wait: int
    last: bool = False
    check: bool = False
    by: str = ""
    language: str = "en"
    again: Again | None = None


def setting_of(customer: str, hosts: Mapping[str, str], arguments: Mapping[str, Any]) -> Setting:
    """The arguments of msp.ops.rollout as a setting."""
    wait = arguments["wait"]
    if not 60 <= wait <= LONGEST_WAIT:
        raise MspError("MSP-PAT-143", f"a wait of 60 to {LONGEST_WAIT} seconds", str(wait), "correct it")
    by, language = arguments["by"] or _login(), arguments["language"]
    return Setting(customer, hosts, wait, last=arguments["last"], by=by, language=language, again=_again(arguments))


def _again(arguments: Mapping[str, Any]) -> Again | None:
    packages, by, reason = arguments["again"], arguments["by"].strip(), arguments["reason"].strip()
    if not packages:
        return None
    if not by or not reason:
        raise MspError(
            "MSP-PAT-187",
            "the name of the person who wants packages tried again that were given up, and why",
            f"{', '.join(packages)} by {by or 'nobody'}: {reason or 'no reason'}",
            "say patch_by and patch_reason beside patch_again",
        )
    return Again(tuple(packages), by, reason)


def _login() -> str:
    """Who runs this; a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@dataclass(frozen=True, slots=True)
class Tick:
    """What one round hands on to the next of the same run, as plain values (as_dict).

    fence: number of the lease under which the run began. at: when the work was given, by the store's clock. acted:
    rollouts whose hosts this run gave a batch to do; it gives them no other. running: hosts by rollout that said that
    they are at work.
    """

    holder: str
    fence: int
    at: dt.datetime
    work: tuple[Work, ...] = ()
    acted: tuple[str, ...] = ()
    running: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "holder": self.holder,
            "fence": self.fence,
            "at": self.at.isoformat(),
            "work": [dataclasses.asdict(one) for one in self.work],
            "acted": list(self.acted),
            "running": {name: list(hosts) for name, hosts in self.running.items()},
        }

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Tick:
        """The tick that a round returned. MSP-PAT-140 for anything else."""
        try:
            return cls(
                str(said["holder"]),
                int(said["fence"]),
                dt.datetime.fromisoformat(said["at"]).astimezone(dt.UTC),
                tuple(Work(**one) for one in said["work"]),
                tuple(map(str, said["acted"])),
                {str(name): tuple(map(str, hosts)) for name, hosts in said["running"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MspError(
                "MSP-PAT-140",
                "the tick that the round before returned",
                f"{type(error).__name__}: {error}",
                "hand on RESULT.tick as it is; a run begins without one",
            ) from error


@dataclass(frozen=True, slots=True)
class Said:
    """What a round says of one rollout: the steps it took (each in words), how far it is, and the same as lines.

    stuck: why nothing can be done with it before a person acts; empty where it goes on.
    """

    rollout: Rollout
    steps: tuple[str, ...]
    told: Mapping[str, Any]
    lines: tuple[str, ...]
    stuck: str = ""

    @property
    def halted(self) -> bool:
        return self.rollout.side == states.HALTED or bool(self.stuck)


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of a round: what every rollout says, what the hosts are to do, whether anything was written.

    refused has the plans with which no rollout is begun, each with why.
    """

    said: tuple[Said, ...]
    tick: Tick
    changed: bool
    notes: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)

    def diff(self) -> dict[str, str]:
        """The steps that were (or would be) taken, a line each."""
        steps = [f"{one.rollout.id}: {step}" for one in self.said for step in one.steps]
        return {"before": "", "after": "".join(f"{step}\n" for step in steps)}

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.rollout."""
        return {
            "changed": self.changed,
            "tick": self.tick.as_dict(),
            "tasks": {one.host: dict(one.arguments) for one in self.tick.work},
            "rollouts": [{**one.told, "steps": list(one.steps)} for one in self.said],
            "summary": [line for one in self.said for line in one.lines] + [*self.notes, *self.refused.values()],
            "halted": [one.rollout.id for one in self.said if one.halted] + [f"plan {name}" for name in self.refused],
        }
