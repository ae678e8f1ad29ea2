# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the answers to a proof of a login mean, and how long the host is asked. Pure: it opens no connection.

No answer is no pass: a host is asked again until it says that the guard is disarmed, says that it has brought back what
was there before, or has been silent for longer than that could take.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

# First on the line, for ssh takes the first value that it is given: no master is used, and none is left.
OWN_CONNECTION = ("-o", "ControlMaster=no", "-o", "ControlPath=none")
SECONDS_BETWEEN = 2.0
_REVERTING = "reverting"


def own_connection(ssh_args: str | None) -> str:
    """ssh's arguments for a connection of its own."""
    return " ".join([shlex.join(OWN_CONNECTION), ssh_args or ""]).strip()


def silence(said: Mapping[str, Any]) -> str | None:
    """Why a result is no answer of the guard's; None when it is one.

    A login without the rights that the task needs comes back as a module that could not run.
    """
    if "error" in said or "state" in said:
        return None
    texts = [str(said.get(name) or "") for name in ("msg", "module_stderr", "module_stdout")]
    return in_a_line(" ".join(texts))


def is_over(said: Mapping[str, Any]) -> bool:
    """Whether an answer is the last word. A host that brings back now is asked again: it has more to tell then."""
    return bool(said.get("failed")) or said.get("state") != _REVERTING


def told(said: Mapping[str, Any], why: str) -> dict[str, Any]:
    """The last word of the host. Where it is an error, with why no login worked before: the host itself cannot know."""
    error = said.get("error")
    if not why or not said.get("failed") or not isinstance(error, Mapping):
        return dict(said)
    found = f"{error['found']}; the last login that was tried before said: {why}"
    whole = MspError(error["code"], error["expected"], found, error["action"])
    return {**said, "msg": str(whole), "error": whole.as_dict()}


def lost(host: str, seconds: float, why: str) -> MspError:
    return MspError(
        "MSP-STD-090",
        f"a login on {host} that works, after the change or after the host brought back what was there before",
        f"none within {seconds:.0f} seconds: {why or 'the host was bringing it back all the time'}",
        "log in by the console: what was saved is in /var/lib/msp-ops/guard, and journalctl -u msp-lockout-guard says "
        "what was brought back",
    )


def unarmed(host: str, why: str) -> MspError:
    """The guard may be armed or not, as the answer never came; then the host brings back what nobody changed."""
    return MspError(
        "MSP-STD-092",
        f"{host} to answer when its guard is armed",
        why,
        "run again when it can be reached; nothing was changed, and a guard that may be armed there ends by itself",
    )


def in_a_line(text: str) -> str:
    """A program's last words, short enough for a message."""
    return " ".join(text.split())[-300:]
