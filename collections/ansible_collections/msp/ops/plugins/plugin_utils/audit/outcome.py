# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of one attempt: ok, no_python or failed, and the error a person can act on. Pure: no I/O.

A host is never trusted: what it sent is checked for its shape before anything reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.packed import unpack
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit import schema

OK, NO_PYTHON, FAILED, UNREACHABLE = "ok", "no_python", "failed", "unreachable"
# No attempt was made, so none is recorded: nobody may read it as "looked for and not there".
NOT_ATTEMPTED = "not_attempted"
# In check mode an attempt is made and nothing is kept of it.
NOT_RECORDED = "not_recorded"

# What Ansible, a shell or an old Python say when there is no Python that can run the module.
_NO_PYTHON = re.compile(
    r"no python interpreters found"
    r"|interpreter[^\n]{0,80}(?:not found|no such file)"
    r"|\S*python[\d.]*: (?:command )?not found"
    r"|\S*python[\d.]*: no such file or directory"
    r"|ansible-core requires a minimum of python[^\n]{0,80}"
    r"|future feature annotations is not defined"
    r"|syntaxerror: invalid syntax",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Outcome:
    """One attempt. facts and volatile are set when outcome is ok; error is set when it is not."""

    outcome: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    volatile: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    error: MspError | None = None


def read(host: str, result: Mapping[str, Any]) -> Outcome:
    """The outcome in what the module returned for a host."""
    if not result.get("failed") and isinstance(result.get("packed"), str):
        return _unpacked(host, result["packed"])
    said = words_of(result)
    if reason := lacks_python(said):
        return Outcome(NO_PYTHON, error=no_python(host, reason))
    return Outcome(FAILED, error=failed(host, str(result.get("msg") or said)))


def words_of(result: Mapping[str, Any]) -> str:
    """All that a module that broke, or what ran in its place, has printed."""
    return " ".join(str(result.get(key) or "") for key in ("module_stderr", "module_stdout", "msg"))


def lacks_python(said: str) -> str | None:
    """The words that say that there is no Python that could run a module; None where there are none."""
    reason = _NO_PYTHON.search(said)
    return reason.group() if reason else None


def _unpacked(host: str, text: str) -> Outcome:
    try:
        found = unpack(text)
        schema.check(found)
    except ValueError as error:
        return Outcome(FAILED, error=malformed(host, str(error)))
    return Outcome(OK, found["facts"], found["volatile"], found["seconds"])


def not_ended(code: str, what: str, host: str, said: str, action: str) -> MspError:
    """what, of this host, broke off, and this is what was said of it. For everybody who asks hosts something."""
    return MspError(code, f"{what} of {host} to end", short(said), action)


def not_ended_in_time(code: str, what: str, host: str, seconds: float, action: str) -> MspError:
    return MspError(
        code, f"{what} of {host} to end within {seconds:.0f} seconds", "it did not, and was given up", action
    )


def of_no_shape(code: str, what: str, host: str, page: str, why: str) -> MspError:
    """what a host answered is not what it should be; a host is never trusted."""
    return MspError(
        code,
        f"{what} of {host} in the shape that {page} describes",
        short(why),
        "ask the host again; when it stays, look at what answers there in the place of Python",
    )


def no_python(host: str, said: str) -> MspError:
    return MspError(
        "MSP-AUD-001",
        f"Python 3.9 or newer on {host}",
        short(said),
        "install it (Debian, Ubuntu: the package python3; RHEL family: python3.11 or newer), or set "
        "ansible_python_interpreter for this host when it is in an unusual place",
    )


def failed(host: str, said: str) -> MspError:
    return not_ended(
        "MSP-AUD-002",
        "the audit",
        host,
        said,
        "run it again for this host alone (--limit) with -vvv; when the password or right to become root is lacking, "
        "give it, or audit without it (-e msp_audit_become=false)",
    )


def unreachable(host: str, said: str) -> MspError:
    return MspError(
        "MSP-AUD-003",
        f"{host} to answer",
        short(said),
        "see whether it is switched on and connected; when its address or port changed, correct them in NetBox",
    )


def no_address(host: str) -> MspError:
    return MspError(
        "MSP-AUD-007",
        f"a primary address of {host} in NetBox",
        "none, so it was not looked for",
        "set its primary address in NetBox; what no audit can log in to (phones) is seen by other sources",
    )


def lost(host: str, rejected: Sequence[str] = ()) -> MspError:
    """rejected: why the evidence store could not take some records of the run; this host's may be one of them."""
    expected = f"every host of the run to have a recorded attempt, {host} too"
    if rejected:
        return MspError(
            "MSP-AUD-006",
            expected,
            f"none since the run began; the store rejected {len(rejected)} record(s): {short(rejected[0])}",
            "look into rejected/ in the spool directory, where they are kept with their reasons, then audit it again",
        )
    return MspError(
        "MSP-AUD-006",
        expected,
        "none since the run began",
        "run the audit again for this host (--limit); its worker was killed, or another run stopped it",
    )


def undelivered(seconds: float) -> MspError:
    return MspError(
        "MSP-AUD-009",
        f"the spool to be in the evidence store within {seconds:.0f} seconds",
        "it is not: another run delivers now, or very much waits",
        "run ./msp store deliver and wait for its end, then the playbook again; nothing is lost",
    )


def hung(host: str, seconds: float) -> MspError:
    return not_ended_in_time(
        "MSP-AUD-010",
        "the audit",
        host,
        seconds,
        "log in to the host and see what hangs there (a file server that is gone, a failing disk), then audit again",
    )


def malformed(host: str, why: str) -> MspError:
    return of_no_shape("MSP-AUD-004", "a result", host, "docs/audit.md", why)


def short(said: str) -> str:
    """The last part of what was said, on one line: the reason stands at the end of a traceback."""
    line = " ".join(said.split())
    return ("... " + line[-300:] if len(line) > 300 else line) or "no reason given"
