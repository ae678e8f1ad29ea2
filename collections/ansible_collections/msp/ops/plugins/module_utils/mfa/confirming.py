# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A second factor comes into force by its first code: that proves the phone, and that both clocks agree.

Until then it waits in a directory of its own, and nobody is asked for it. The whole file is a program of the host too
(/usr/lib/msp-ops/mfa-confirm): by a socket of systemd a person gives the first code without anybody's help. Who that is
the kernel says. For that it imports nothing but the standard library.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import hmac
import os
import pwd
import secrets
import socket
import struct
import sys
import syslog
import time
from collections.abc import Iterator

# A file for each account, for root alone: in force, and waiting for its first code.
STATE, WAITING = "/var/lib/msp-ops/mfa", "/var/lib/msp-ops/mfa-waiting"
SOCKET = "/run/msp-mfa-confirm.sock"
RIGHT, WRONG, CLOCK, NONE = OUTCOMES = ("right", "wrong", "clock", "none")
# What pam_google_authenticator takes by default with WINDOW_SIZE 3: the half minute of now, and one on each side.
_STEP, _EITHER_SIDE = 30, 1
# A right code of another time, up to a quarter of an hour from now, is told as that.
_FAR = 30
_SECONDS_AFTER_A_WRONG_ONE = 2
_MOST_BYTES = 100


def code_at(secret: str, step: int) -> str:
    """RFC 6238 with SHA-1 and six figures. secret in base32, step the number of half minutes since 1970."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    (number,) = struct.unpack(">I", digest[digest[-1] & 15 :][:4])
    return "%06d" % ((number & 0x7FFFFFFF) % 10**6)


def steps_off(secret: str, code: str, now: float) -> int | None:
    """By how many half minutes the code is ahead of this clock; None where it is right at no time near now."""
    here = int(now) // _STEP
    for off in sorted(range(-min(_FAR, here), _FAR + 1), key=abs):
        if hmac.compare_digest(code_at(secret, here + off).encode(), code.encode("utf-8", "replace")):
            return off
    return None


def confirm(account: str, code: str, now: float, state: str = STATE, waiting: str = WAITING) -> tuple[str, int]:
    """The outcome, and for CLOCK by how many seconds the code's clock is ahead. With RIGHT it is in force.

    The code is used up by this: pam_google_authenticator refuses it as one that was used.
    """
    with _locked(waiting):
        path = os.path.join(waiting, account)
        try:
            with open(path, encoding="ascii") as file:
                text = file.read()
        except FileNotFoundError:
            return NONE, 0
        secret = text.splitlines()[0]
        off = steps_off(secret, code.replace(" ", ""), now)
        if off is None:
            return WRONG, 0
        if abs(off) > _EITHER_SIDE:
            return CLOCK, off * _STEP
        used = "%d" % (int(now) // _STEP + off)
        write(os.path.join(state, account), text.replace('" DISALLOW_REUSE\n', '" DISALLOW_REUSE %s\n' % used))
        os.unlink(path)
        return RIGHT, 0


@contextlib.contextmanager
def _locked(waiting: str) -> Iterator[None]:
    """Of two that give a code at once the second finds what the first left."""
    try:
        handle = os.open(waiting, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write(path: str, text: str) -> None:
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


def tell(text: str) -> None:
    """For the host's own log: who, when and by whom, never a secret."""
    syslog.openlog("msp-mfa", 0, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, text)
    syslog.closelog()


# -- the program -----------------------------------------------------------------------------------------------------


def serve(connection: socket.socket, state: str = STATE, waiting: str = WAITING) -> None:
    """Answer one person: the outcome and a number, in a line. Whose account it is the kernel says, not the person."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    account = pwd.getpwuid(struct.unpack("3i", peer)[1]).pw_name
    code = connection.recv(_MOST_BYTES).decode("ascii", "replace").strip()
    outcome, ahead = confirm(account, code, time.time(), state, waiting)
    if outcome == RIGHT:
        tell("%s gave the first code: the second factor is in force (by %s)" % (account, account))
    elif outcome != NONE:
        tell("%s gave a first code that is not right" % account)
        time.sleep(_SECONDS_AFTER_A_WRONG_ONE)
    connection.sendall(("%s %d\n" % (outcome, ahead)).encode("ascii"))


_ASK = {"en": "The code that the app shows now: ", "nl": "De code die de app nu toont: "}
_UNCHECKED = {
    "en": "It could not be checked. Call whoever gave you the page.",
    "nl": "Het kon niet worden nagekeken. Bel wie u de pagina gaf.",
}
_SAID = {
    RIGHT: {
        "en": "That is right. From the next change of this machine on you are asked for a code.",
        "nl": "Dat klopt. Vanaf de volgende wijziging van deze machine wordt u om een code gevraagd.",
    },
    WRONG: {
        "en": "That is not the code. Did you scan the newest page, and choose the entry of this machine? Try again.",
        "nl": "Dat is de code niet. Hebt u de nieuwste pagina gescand, en staat de app op deze machine?"
        " Probeer opnieuw.",
    },
    CLOCK: {
        "en": "The code is right, but a clock is wrong: that of the phone is %d seconds away from the machine's."
        " Have the phone set its time by itself and try again, or call whoever gave you the page.",
        "nl": "De code klopt, maar een klok niet: die van de telefoon staat %d seconden naast die van de machine."
        " Laat de telefoon zelf de tijd instellen en probeer opnieuw, of bel wie u de pagina gaf.",
    },
    NONE: {
        "en": "Nothing of yours waits for a first code on this machine.",
        "nl": "Op deze machine wacht niets van u op een eerste code.",
    },
}


def ask(place: str = SOCKET) -> int:
    """What a person runs: asks for the code, has it checked, and says what became of it. The status is 0 if right."""
    language = "nl" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("nl") else "en"
    code = input(_ASK[language]).strip().encode("utf-8", "replace")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(place)
            connection.sendall(code[:_MOST_BYTES] + b"\n")
            outcome, number = connection.makefile().readline().split()
    except (OSError, ValueError):
        sys.stdout.write(_UNCHECKED[language] + "\n")
        return 2
    said = _SAID[outcome][language]
    sys.stdout.write((said % abs(int(number)) if outcome == CLOCK else said) + "\n")
    return 0 if outcome == RIGHT else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        with socket.socket(fileno=os.dup(0)) as asked:
            serve(asked)
    else:
        raise SystemExit(ask())
