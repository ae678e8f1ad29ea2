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
import syslog
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import second_factor
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader

CODE, SECURITY_KEY = "code", "security key"
STATES = ENROLLED, WITHDRAWN = "enrolled", "withdrawn"
SPEC: dict[str, dict[str, Any]] = {
    "account": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": ENROLLED},
    "method": {"type": "str", "choices": [CODE, SECURITY_KEY], "default": CODE},
    "again": {"type": "bool", "default": False},
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
    )


def act(wish: Wish, dry: bool, top: str = second_factor.STATE) -> dict[str, Any]:
    """What was done. With dry nothing is; top is the directory of the secrets."""
    groups = _groups(wish.account)
    path = "%s/%s" % (top, wish.account)
    if wish.state == WITHDRAWN:
        # Also of an account that is gone.
        return _withdraw(wish, path, groups, dry)
    _check_account(wish)
    if wish.method == SECURITY_KEY:
        return _by_key(wish, groups, dry)
    return _by_code(wish, path, dry)


def _check_account(wish: Wish) -> None:
    try:
        pwd.getpwnam(wish.account)
    except KeyError:
        raise MspError(
            "MSP-MFA-011", "an account of the host", "none with the name %s" % wish.account, "correct the name"
        ) from None
    # Who runs this is never asked for a code, and neither is break-glass: what they had would never be used.
    if wish.account in (*wish.never, os.environ.get("SUDO_USER", "")):
        raise MspError(
            "MSP-MFA-012",
            "an account of a person",
            "%s, which is never asked for a code" % wish.account,
            "give the name of a person's account",
        )


# -- a code ----------------------------------------------------------------------------------------------------------


def _by_code(wish: Wish, path: str, dry: bool) -> dict[str, Any]:
    there = os.path.lexists(path)
    if there and not wish.again:
        return {"changed": False, "outcome": "has one already", "method": CODE}
    if dry:
        return {"changed": True, "outcome": "would get a new one", "method": CODE}
    if len(wish.pad) < PAD_BYTES:
        raise MspError(
            "MSP-MFA-013", "a pad of %d random bytes" % PAD_BYTES, "%d" % len(wish.pad), "use playbooks/mfa_enrol.yml"
        )
    secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")
    codes = recovery_codes()
    _write(path, state_text(secret, codes))
    _tell(wish, "has a new second factor, a code" + " in the place of the old one" * there)
    return {
        "changed": True,
        "outcome": "has a new one, and the old one works no more" if there else "has one",
        "method": CODE,
        "sealed": sealed(wish.pad, {"secret": secret, "codes": codes}),
    }


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


def _write(path: str, text: str) -> None:
    """The whole file or none, for root alone from its first moment."""
    top = os.path.dirname(path)
    os.makedirs(top, mode=0o700, exist_ok=True)
    os.chmod(top, 0o700)
    new = "%s/.new-%s" % (top, secrets.token_hex(8))
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise


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


def _withdraw(wish: Wish, path: str, groups: set[str], dry: bool) -> dict[str, Any]:
    """Whatever the account has as a second factor is gone, and it is in no group of those who are asked."""
    there = os.path.lexists(path)
    ours = sorted(groups & {second_factor.CODE_GROUP, second_factor.KEY_GROUP})
    changed = there or bool(ours)
    if changed and not dry:
        for group in ours:
            _run("gpasswd", "--delete", wish.account, group)
        if there:
            os.unlink(path)
        _tell(wish, "has no second factor any more")
    return {"changed": changed, "outcome": "has none any more" if changed else "had none", "method": ""}


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
    syslog.openlog("msp-mfa", 0, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, "%s %s%s" % (wish.account, what, by))
    syslog.closelog()
