# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accounts of this host's own files that the directory should replace: which still open it, and which may be locked.

None is, before somebody of the directory was seen to log in here; nor one that is used, nor one by which this
measurement came. Where that cannot be told, an account is taken to be used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards import accounts, becoming, directory
from ansible_collections.msp.ops.plugins.module_utils.standards.files import expand
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader

# How far back a login of somebody of the directory proves something.
DAYS = 30
MOST_LINES = 20000
# From the beginning of what was written: anybody may have himself called so, and a program write that name down.
_SAYS = re.compile(r"pam_unix\(\S+:session\): session opened for user ([^\s(]+)\(uid=(\d+)\) by ")
# Who writes that line: programs of root, as the journal itself knows them, whatever a line says of its writer.
_PROGRAMS = ("sshd", "sshd-session", "login", "gdm-session-wor", "lightdm", "sddm-helper", "xrdp-sesman")
_UNITS = ("/etc/systemd/system/*.service", "/etc/systemd/system/*/*.service", "/etc/systemd/system/*/*.conf")
_AT = ("/var/spool/cron/atjobs/*", "/var/spool/at/*")


class Login(NamedTuple):
    name: str
    uid: int


def parse_logins(text: str) -> list[Login]:
    """Of the journal's lines of JSON. One that is no text, or in another form, tells of no login."""
    found: dict[Login, None] = {}
    for line in text.splitlines():
        row = json.loads(line)
        said = row.get("MESSAGE") if isinstance(row, dict) else None
        match = _SAYS.match(said) if isinstance(said, str) else None
        if match is not None:
            found[Login(match.group(1), int(match.group(2)))] = None
    return list(found)


def _seen(reader: Reader) -> list[Login]:
    """Who logged in, as PAM had the journal write it."""
    answer = reader.answer(
        "journalctl",
        *("--quiet", "--no-pager", "--since=-%dd" % DAYS, "--lines=%d" % MOST_LINES),
        *("--output=json", "--output-fields=MESSAGE"),
        "_UID=0",
        *("_COMM=%s" % name for name in _PROGRAMS),
    )
    return parse_logins(answer.out)


def proven(reader: Reader) -> list[str]:
    """People of the directory who were seen to log in here, and are there still."""
    local = {user.name for user in accounts.parse_users(reader.host.text("/etc/passwd"))}
    found = []
    for login in reader.once(_seen):
        if login.name in local:
            continue
        entry = directory.of_directory(reader, "passwd", login.name).split(":")
        if len(entry) > 2 and entry[2] == str(login.uid):
            found.append(login.name)
    return sorted(set(found))


def measure(reader: Reader, names: tuple[str, ...] = (), keep: tuple[str, ...] = ()) -> dict:
    """open are those that somebody can still log in as, lockable what of them may be locked, by that nobody loses
    anything; left says of the others why not."""
    files = reader.once(accounts.read)
    there = {user.name: user for user in files.users}
    over = _over(reader)
    listed = [name for name in dict.fromkeys(names) if name in there and name not in over]
    people = proven(reader) if listed else []
    jobs = becoming.read(reader.host) if listed else becoming.Jobs([], [])
    came = directory.came_by(reader) if listed else []
    # Out of its cache SSSD says of a name that was not asked for before that the directory has it not.
    away = directory.online(reader)["offline"] if listed else []
    silent = ["the directory %s does not answer, so nobody knows whom it has" % one for one in away]
    why = {name: [*_reasons(reader, there[name], keep, came, people=people, jobs=jobs), *silent] for name in listed}
    found = {
        "open": listed,
        "lockable": [name for name in listed if not why[name]],
        "left": ["%s: %s" % (name, ", ".join(reasons)) for name, reasons in why.items() if reasons],
        "proven": people,
    }
    if not found["left"]:
        return found
    return {**found, "within_reach": {"open": found["lockable"]}, "out_of_reach": {"open": found["left"]}}


def _over(reader: Reader) -> set[str]:
    """Accounts whose last day is past: neither a password nor a key opens those."""
    secrets = accounts.parse_secrets(reader.host.text("/etc/shadow"))
    return {name for name, one in secrets.items() if one.expires is not None and one.expires < reader.today}


def _reasons(
    reader: Reader,
    user: accounts.User,
    keep: tuple[str, ...],
    came: list[str],
    *,
    people: list[str],
    jobs: becoming.Jobs,
) -> Iterator[str]:
    """Why an account is not locked by a role."""
    if user.uid == 0:
        yield "it is root"
    if user.name in keep:
        yield "it is kept, as was agreed"
    if user.name in came:
        yield "this measurement came by it"
    if directory.of_directory(reader, "passwd", user.name):
        # NSS takes the host's own first: locked, it would shut out the person as well.
        yield "the directory has the same name, so it must be renamed first"
    if not people:
        yield "nobody of the directory was seen to log in during %d days" % DAYS
    yield from accounts.uses(reader.host, user, _running(reader.host), jobs)
    yield from _starts(reader.host, user)


def _running(host: Host) -> frozenset[int]:
    """Whose processes there are at all: a person's work need not be a shell."""
    found = set()
    for number in host.names("/proc"):
        line = host.line("/proc/%s/status" % number) if number.isdigit() else None
        match = re.search(r"^Uid:\s*(\d+)\s+(\d+)", line or "", re.MULTILINE)
        if match is not None:
            found |= {int(match.group(1)), int(match.group(2))}
    return frozenset(found)


def _starts(host: Host, user: accounts.User) -> Iterator[str]:
    """What runs as the account without anybody who logs in."""
    if host.exists("/var/lib/systemd/linger/" + user.name):
        yield "services of its own that linger"
    for path, _exact in expand(host, _UNITS):
        if re.search(r"(?m)^\s*User\s*=\s*(?:%s|%d)\s*$" % (re.escape(user.name), user.uid), host.text(path)):
            yield "the unit " + path
    for path, _exact in expand(host, _AT):
        if re.search(r"^# atrun uid=%d\b" % user.uid, host.text(path), re.MULTILINE):
            yield "a job of at"
