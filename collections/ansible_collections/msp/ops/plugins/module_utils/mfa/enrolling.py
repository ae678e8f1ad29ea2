# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives an account a second factor, on its host: the secret is made here, and leaves only sealed.

It is sealed with a pad of random bytes that the controller sends and uses once, so no output that is shown or kept
anywhere on the way has it. The file is what pam_google_authenticator reads with user=root.
"""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import re
import secrets
import subprocess
import time
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.mfa import confirming
from ansible_collections.msp.ops.plugins.module_utils.standards import second_factor
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader

CODE, SECURITY_KEY = "code", "security key"
STATES = ENROLLED, WITHDRAWN = "enrolled", "withdrawn"
SPEC: dict[str, dict[str, Any]] = {
    "account": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": ENROLLED},
    "method": {"type": "str", "choices": [CODE, SECURITY_KEY], "default": CODE},
    "again": {"type": "bool", "default": False},
    "code": {"type": "str", "no_log": True},
    "never": {"type": "list", "elements": "str", "default": []},
    "by": {"type": "str", "default": ""},
    "pad": {"type": "str", "no_log": True},
    # For the page, which the action plugin writes: nothing of it is done on the host.
    "directory": {"type": "path"},
    "language": {"type": "str", "choices": ["nl", "en"]},
}
# RFC 4226 asks for 128 bits at least and recommends 160; an app takes these as 32 letters and figures.
_SECRET_BYTES = 20
_RECOVERY_CODES = 8
# A code is good for its own half minute, the one before and the one after.
_OPTIONS = ("RATE_LIMIT 3 30", "WINDOW_SIZE 3", "DISALLOW_REUSE", "TOTP_AUTH")
# More than a secret and its recovery codes take.
PAD_BYTES = 512


class Wish(NamedTuple):
    account: str
    state: str
    method: str
    again: bool
    never: tuple[str, ...]
    by: str
    pad: bytes
    code: str = ""


def parse(parameters: dict[str, Any]) -> Wish:
    """The arguments of the module. Raises MspError for an account that can be none."""
    account = parameters["account"]
    if not second_factor.accounts_name(account):
        raise MspError(
            "MSP-MFA-010",
            "the name of an account",
            "%.70r" % (account,),
            "give it as the host knows it, as getent passwd prints it",
        )
    return Wish(
        account,
        parameters["state"],
        parameters["method"],
        parameters["again"],
        tuple(parameters["never"]),
        parameters["by"],
        bytes.fromhex(parameters["pad"] or ""),
        parameters["code"] or "",
    )


def act(wish: Wish, dry: bool, top: str = confirming.STATE, waiting: str = confirming.WAITING) -> dict[str, Any]:
    """What was done. With dry nothing is; top is the directory of the secrets, waiting of those not yet in force."""
    groups = _groups(wish.account)
    places = Places("%s/%s" % (top, wish.account), "%s/%s" % (waiting, wish.account))
    if wish.state == WITHDRAWN:
        # Also of an account that is gone.
        return _withdraw(wish, places, groups, dry)
    _check_account(wish)
    if wish.method == SECURITY_KEY:
        return _by_key(wish, groups, dry)
    return _confirm(wish, places, dry) if wish.code else _by_code(wish, places, dry)


class Places(NamedTuple):
    """Where the secret of an account is in force, and where it waits for its first code."""

    state: str
    waiting: str


def _check_account(wish: Wish) -> None:
    try:
        pwd.getpwnam(wish.account)
    except KeyError:
        raise MspError(
            "MSP-MFA-011", "an account of the host", "none with the name %s" % wish.account, "correct the name"
        ) from None
    if second_factor.rotated(Host(), wish.account):
        raise MspError(
            "MSP-MFA-012",
            "an account of a person",
            "%s, whose password is rotated and kept for emergencies: nobody would have the code" % wish.account,
            "give the name of a person's account",
        )
    # Who runs this is never asked for a code, and neither is break-glass: what they had would never be used.
    if wish.account in (*wish.never, os.environ.get("SUDO_USER", "")):
        raise MspError(
            "MSP-MFA-012",
            "an account of a person",
            "%s, which is never asked for a code" % wish.account,
            "give the name of a person's account",
        )


# -- a code ----------------------------------------------------------------------------------------------------------


def _by_code(wish: Wish, places: Places, dry: bool) -> dict[str, Any]:
    """It waits for its first code. What was in force before is in force until then."""
    there = os.path.lexists(places.state)
    waits = os.path.lexists(places.waiting)
    if (there or waits) and not wish.again:
        outcome = "waits for its first code" if waits else "has one already"
        return {"changed": False, "outcome": outcome, "method": CODE}
    if dry:
        return {"changed": True, "outcome": "would get a new one", "method": CODE}
    if len(wish.pad) < PAD_BYTES:
        raise MspError(
            "MSP-MFA-013", "a pad of %d random bytes" % PAD_BYTES, "%d" % len(wish.pad), "use playbooks/mfa_enrol.yml"
        )
    secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")
    codes = recovery_codes()
    confirming.write(places.waiting, state_text(secret, codes))
    _tell(wish, "was given a new second factor, a code, which waits for its first one")
    return {
        "changed": True,
        "outcome": "has a new one, in force by its first code" + ("; until then the old one is" if there else ""),
        "method": CODE,
        "sealed": sealed(wish.pad, {"secret": secret, "codes": codes}),
    }


def _confirm(wish: Wish, places: Places, dry: bool) -> dict[str, Any]:
    """The first code: with it the secret is in force."""
    if not os.path.lexists(places.waiting):
        if os.path.lexists(places.state) and not wish.again:
            return {"changed": False, "outcome": "has one already", "method": CODE}
        raise _none_waits(wish.account)
    if dry:
        return {"changed": True, "outcome": "would be asked for its first code", "method": CODE}
    tops = (os.path.dirname(places.state), os.path.dirname(places.waiting))
    outcome, ahead = confirming.confirm(wish.account, wish.code, time.time(), *tops)
    if outcome == confirming.NONE:
        raise _none_waits(wish.account)
    if outcome != confirming.RIGHT:
        raise MspError(
            "MSP-MFA-021",
            "the code that the phone of %s shows now" % wish.account,
            "a code of a clock that is %d seconds %s this host's" % (abs(ahead), "ahead of" if ahead > 0 else "behind")
            if outcome == confirming.CLOCK
            else "another one",
            "put the clock right that is wrong, the phone's or the host's, and give the next code"
            if outcome == confirming.CLOCK
            else "see that the newest page was scanned, and the entry of this machine is read; give the next code",
        )
    _tell(wish, "gave the first code: the second factor is in force")
    return {"changed": True, "outcome": "gave the right code: it is in force", "method": CODE}


def _none_waits(account: str) -> MspError:
    return MspError(
        "MSP-MFA-020",
        "a second factor of %s that waits for its first code" % account,
        "none",
        "enrol the account first, without a code",
    )


def recovery_codes() -> list[str]:
    """Eight figures each, the first of them no 0, as the module of PAM takes them. No two alike."""
    found: set[str] = set()
    while len(found) < _RECOVERY_CODES:
        found.add(str(10**7 + secrets.randbelow(9 * 10**7)))
    return sorted(found, key=lambda _code: secrets.randbelow(10**9))


def state_text(secret: str, codes: list[str]) -> str:
    return "".join("%s\n" % line for line in (secret, *('" %s' % option for option in _OPTIONS), *codes))


def sealed(pad: bytes, words: dict[str, Any]) -> str:
    """The words as they leave the host: each byte with one of the pad that is used for nothing else."""
    plain = json.dumps(words).encode("ascii")
    if len(plain) > len(pad):
        raise ValueError("the pad is too short")
    return bytes(one ^ other for one, other in zip(plain, pad)).hex()  # noqa: B905 - Python 3.9


def opened(pad: bytes, text: str) -> dict[str, Any]:
    """What sealed() closed. Raises ValueError where it was another pad."""
    found = json.loads(bytes(one ^ other for one, other in zip(bytes.fromhex(text), pad)))  # noqa: B905
    if not isinstance(found, dict):
        raise ValueError("what was sealed is in another form")
    return found


# -- a security key --------------------------------------------------------------------------------------------------


def _by_key(wish: Wish, groups: set[str], dry: bool) -> dict[str, Any]:
    accounts = {one.person.name: one for one in second_factor.read(Reader(Host()))}
    kinds = {kind for kind, _key in accounts[wish.account].keys} if wish.account in accounts else set()
    if not any(kind.startswith("sk-") for kind in kinds):
        raise MspError(
            "MSP-MFA-014",
            "the public half of a security key (sk-ssh-ed25519) among the authorized keys of %s" % wish.account,
            ", ".join(sorted(kinds)) or "no key",
            "have the person make one (ssh-keygen -t ed25519-sk -O verify-required) and add it",
        )
    if second_factor.KEY_GROUP in groups:
        return {"changed": False, "outcome": "comes in with a security key already", "method": SECURITY_KEY}
    if not dry:
        _run("groupadd", "--force", "--system", second_factor.KEY_GROUP)
        _run("gpasswd", "--add", wish.account, second_factor.KEY_GROUP)
        _tell(wish, "comes in by ssh with a security key")
    return {"changed": True, "outcome": "comes in with a security key", "method": SECURITY_KEY}


# -- the end of it ---------------------------------------------------------------------------------------------------


def _withdraw(wish: Wish, places: Places, groups: set[str], dry: bool) -> dict[str, Any]:
    """Whatever the account has as a second factor is gone, and it is in no group of those who are asked."""
    files = [path for path in places if os.path.lexists(path)]
    ours = sorted(groups & {second_factor.CODE_GROUP, second_factor.KEY_GROUP})
    changed = bool(files) or bool(ours)
    if changed and not dry:
        for group in ours:
            _run("gpasswd", "--delete", wish.account, group)
        for path in files:
            os.unlink(path)
        _tell(wish, "has no second factor any more")
    outcome = "has none any more" if changed else "had none"
    if second_factor.everybody_is_asked(Host()):
        outcome += "; by ssh everybody is asked for one on this host, and who has none does not come in"
    return {"changed": changed, "outcome": outcome, "method": ""}


def _groups(account: str) -> set[str]:
    return {one.gr_name for one in grp.getgrall() if account in one.gr_mem}


def _run(*argv: str) -> None:
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip()
        raise MspError(
            "MSP-MFA-015",
            "%s to change the groups of an account" % argv[0],
            said or "status %d" % done.returncode,
            "see on the host what it means",
        )


def _tell(wish: Wish, what: str) -> None:
    """For the host's own log: who, when and by whom, never the secret."""
    by = " (by %s)" % re.sub(r"[^ -~]", "?", wish.by)[:100] if wish.by else ""
    confirming.tell("%s %s%s" % (wish.account, what, by))
