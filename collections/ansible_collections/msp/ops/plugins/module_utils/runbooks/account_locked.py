# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook account_locked: an account that too many wrong passwords have locked (pam_faillock), let in again.

Only where it looks like somebody who mistyped. What an administrator locked, what has expired, root, and what looks like
an attack stay as they are, for a person. A password is neither read nor changed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, faillock, words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.faillock import Failure, Rules
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools

SPEC: dict[str, dict[str, Any]] = {
    "account": {"type": "str", "required": True},
    "most_failures": {"type": "int", "default": 20},
    "most_sources": {"type": "int", "default": 1},
    "quiet_seconds": {"type": "int", "default": 120},
}
_DAY = 86400
_NO_SHELLS = ("nologin", "false", "sync", "halt", "shutdown")


class Account(NamedTuple):
    """number is None where it is not of this host's own files. locked: its password is put out of use (passwd -l).

    expired: since when, in days since 1970, the account is over; aged: since when its password is.
    """

    name: str
    number: int | None
    shell: str = ""
    locked: bool = False
    expired: int | None = None
    aged: int | None = None


def act(tools: Tools, given: dict[str, Any]) -> Answer:
    now = time.time()
    rule = faillock.of_host(tools.host)
    account = read(tools.host, given["account"], int(now // _DAY))
    failures = faillock.failures(tools.host, rule, account.name) if rule else []
    before = measured(failures, rule, now)
    found = tell(account, failures, rule, now)
    if why_not := on_purpose(account):
        return answer.gave_up(found, before, why_not)
    if rule is None or not faillock.locked(failures, rule, now):
        return answer.nothing_to_do(found, before)
    if why_not := looks_like_an_attack(failures, given, now):
        return answer.gave_up(found, before, why_not)
    if tools.check:
        return answer.would_mend(
            found, before, ["forget the wrong logins of %s, so that it is let in again" % account.name]
        )
    done = tools.programs.run("faillock", "--dir", rule.directory, "--user", account.name, "--reset")
    then = faillock.failures(tools.host, rule, account.name)
    left = ""
    if faillock.locked(then, rule, time.time()):
        said = done.reason() if done.status else "%d more since" % len(then)
        left = "%s is still locked after its wrong logins were to be forgotten (%s)" % (account.name, words.plain(said))
    did = ["forgot the wrong logins of %s" % account.name] if done.status == 0 else []
    return answer.acted(found, did, before, measured(then, rule, time.time()), left)


def read(host: Host, name: str, today: int) -> Account:
    """Out of this host's own files: what a directory says of an account is that directory's."""
    row = _row(host, "/etc/passwd", name, 7)
    if row is None:
        return Account(name, None)
    secret = _row(host, "/etc/shadow", name, 9) or ["", "", "", "", "", "", "", "", ""]
    changed, most, over = (_day(secret[place]) for place in (2, 4, 7))
    aged = changed + most if changed is not None and most is not None and most < 99999 else None
    return Account(
        name,
        int(row[2]),
        row[6].rpartition("/")[2],
        secret[1].startswith(("!", "*")) and len(secret[1]) > 1,
        over if over is not None and over <= today else None,
        aged if aged is not None and aged < today else None,
    )


def _row(host: Host, file: str, name: str, fields: int) -> list[str] | None:
    for line in host.text(file).splitlines():
        words_of = line.split(":")
        if words_of[0] == name and len(words_of) == fields:
            return words_of
    return None


def _day(text: str) -> int | None:
    return int(text) if text.isdigit() else None


# -- decisions, pure -----------------------------------------------------------------------------------------------


def on_purpose(account: Account) -> str:
    """Why an account is out of use because somebody wanted that, or is none of a runbook's; "" where neither is so."""
    name = account.name
    if account.number is None:
        return "%s is no account of this host's own: if it is one of a directory, look at it there" % name
    if account.number == 0:
        return "%s may do everything on this host: a person looks at who tried to be it" % name
    if account.locked:
        return "the password of %s was locked by hand (passwd --lock): ask who did it, and why" % name
    if account.expired is not None:
        return "the account %s is over since %s: whoever made it wanted that" % (name, _date(account.expired))
    if account.shell in _NO_SHELLS:
        return "%s is an account that nobody logs in with (its shell is %s)" % (name, words.plain(account.shell, 40))
    return ""


def looks_like_an_attack(failures: Sequence[Failure], given: dict[str, Any], now: float) -> str:
    """Why the wrong logins are not those of one who mistyped; "" where they may be."""
    sources = sorted({one.source for one in failures})
    if len(failures) > given["most_failures"]:
        return "%d wrong logins are more than somebody who mistypes makes, from %s" % (len(failures), _named(sources))
    if len(sources) > given["most_sources"]:
        return "the wrong logins come from %d places, which looks like an attack: %s" % (len(sources), _named(sources))
    if failures and failures[-1].at > now - given["quiet_seconds"]:
        ago = words.span(max(0.0, now - failures[-1].at))
        return "somebody still tries: the last wrong login was %s ago, from %s" % (ago, _named(sources))
    return ""


def tell(account: Account, failures: Sequence[Failure], rule: Rules | None, now: float) -> list[str]:
    if rule is None:
        return ["nothing on this host locks an account for wrong passwords (pam_faillock is not in use)"]
    if not failures:
        return ["no wrong login of %s is on record" % account.name]
    found = ["%s: %d wrong logins on record, and from %d on it is locked" % (account.name, len(failures), rule.deny)]
    for source in sorted({(one.kind, one.source) for one in failures}):
        mine = [one for one in failures if (one.kind, one.source) == source]
        ago = words.span(max(0.0, now - mine[-1].at))
        shape = "%d of them from the %s %s, the last one %s ago"
        found.append(shape % (len(mine), source[0], words.plain(source[1], 60) or "(none)", ago))
    if account.aged is not None:
        found.append("its password is too old since %s: it has to be changed at the next login" % _date(account.aged))
    return found


def _named(sources: Sequence[str]) -> str:
    return words.listed([words.plain(one, 60) for one in sources])


def _date(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * _DAY))


def measured(failures: Sequence[Failure], rule: Rules | None, now: float) -> dict[str, Any]:
    return {
        "failures": len(failures),
        "sources": len({one.source for one in failures}),
        "locked": rule is not None and faillock.locked(failures, rule, now),
        "seconds_since_last": int(now - failures[-1].at) if failures else None,
    }
