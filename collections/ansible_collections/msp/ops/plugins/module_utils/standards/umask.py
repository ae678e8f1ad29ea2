# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""With which umask a session begins, of everybody and by each program that opens one.

In force is what pam_umask sets in the session stack of such a program, then what the shells' files for everybody set.
Where nothing sets it, a session has what its program was started with, and that is not told here but called wrong.
What people write in files of their own homes is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import accounts as audit_accounts
from ansible_collections.msp.ops.plugins.module_utils.audit import operating_system
from ansible_collections.msp.ops.plugins.module_utils.standards import accounts, files, pam, ssh_server
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable, joined

# Who opens sessions: logins, jobs by the clock, and a user's own services.
SERVICES = (
    *("sshd", "login", "remote", "su", "su-l", "cron", "crond", "atd", "systemd-user"),
    *("gdm-password", "lightdm", "sddm", "xrdp-sesman"),
)
# What every shell reads before a person's own files.
_SHELL_FILES = (
    *("/etc/profile", "/etc/profile.d/*.sh", "/etc/bash.bashrc", "/etc/bashrc"),
    *("/etc/zsh/zshenv", "/etc/zsh/zprofile", "/etc/zsh/zshrc", "/etc/zshenv", "/etc/zprofile", "/etc/zshrc"),
    *("/etc/csh.cshrc", "/etc/csh.login", "/etc/profile.d/*.csh"),
)
_SETS = re.compile(r"(?:^|[;&|({]|\b(?:then|else|do)\b)\s*umask\s+(?!-[pS]*\s*(?:$|[;&|)}]))([^\s;&|)}]+)")
# Red Hat's own: only where it is 0, which is told of before.
_ONLY_WITHOUT = re.compile(r"\[\s+[`\"$(]*umask[`\")]*\s+-eq\s+0+\s+\]\s*&&\s*umask\s+\d+\s*$")
_DEFAULT_LOGIN = "/etc/default/login"
# What pam-auth-update(8) manages: with this in both, it can add a module to them.
_MANAGED = ("common-session", "common-session-noninteractive")
_TYPES = ("auth", "account", "password", "session", "session-noninteractive")
_PRIMARY, _BETWEEN, _ADDITIONAL, _AFTER = (
    '# here are the per-package modules (the "Primary" block)',
    "# here's the fallback if no module succeeds",
    '# and here are more per-package modules (the "Additional" block)',
    "# end of pam-auth-update config",
)
NOTHING, LOGIN_DEFS, ARGUMENT = "nothing", "login.defs", "an argument"


class Mask(NamedTuple):
    """value is None where nothing has set it."""

    value: int | None
    source: str


_UNSET = Mask(None, NOTHING)


def strict(value: int | None, private: bool) -> bool:
    """Nothing for everybody, and for the group nothing to write. A group that is one person's alone may do all."""
    least = 0o007 if private else 0o027
    return value is not None and value & least == least


def octal(text: str) -> int | None:
    """As pam_umask reads a value; None for what it passes over."""
    match = re.match(r"\s*\+?([0-7]+)", text)
    return int(match.group(1), 8) & 0o777 if match else None


def widened(value: int | None) -> int | None:
    """With the option usergroups the group may do what the owner may."""
    return None if value is None else (value & ~0o070) | ((value >> 3) & 0o070)


def after(reader: Reader, line: pam.Line, before: Mask, named: bool) -> frozenset[Mask]:
    """What pam_umask makes of it. named: the account's group has its name, and it is not root."""
    if line.module != "pam_umask.so":
        return frozenset((before,))
    given = [word[len("umask=") :] for word in line.arguments if word.lower().startswith("umask=")]
    source, text = (ARGUMENT, given[-1]) if given else (LOGIN_DEFS, reader.once(_configured))
    value = None if text is None else octal(text)
    found = Mask(value, source) if value is not None or before.value is None else before
    if not named:
        return frozenset((found,))
    wide = found._replace(value=widened(found.value))
    chosen = [word.lower() for word in line.arguments if word.lower() in ("usergroups", "nousergroups")]
    # Ubuntu's has USERGROUPS_ENAB decide where the umask is of login.defs.
    enabled = source == LOGIN_DEFS and (pam.login_defs(reader, "USERGROUPS_ENAB") or "").strip().lower() == "yes"
    if chosen and chosen[-1] == "nousergroups" and not enabled:
        return frozenset((found,))
    if not chosen and reader.once(_not_by_itself):
        return frozenset((found,))
    return frozenset((found, wide))


def _not_by_itself(reader: Reader) -> bool:
    """Whether pam_umask has usergroups without being told is compiled in: not in Debian 12, but in Debian 13."""
    return operating_system.platform(reader.host) in ("debian-11", "debian-12")


def _configured(reader: Reader) -> str | None:
    found = pam.login_defs(reader, "UMASK")
    return pam.search_key(reader, _DEFAULT_LOGIN, "UMASK") if found is None else found


def masks(reader: Reader, steps: tuple[pam.Step, ...], named: bool) -> frozenset[Mask]:
    def does(line: pam.Line, before: Mask) -> frozenset[Mask]:
        return after(reader, line, before, named)

    return pam.outcomes(steps, frozenset((_UNSET,)), does)


# -- whose the group is --------------------------------------------------------------------------------------------


class Person(NamedTuple):
    """named: the group has the name of the account. private: and nobody else is in it."""

    name: str
    gecos: str
    named: bool
    private: bool


def people(users: str, groups: str) -> list[Person]:
    """Accounts that somebody can work with."""
    rows = [line.split(":") for line in users.splitlines() if line.strip()]
    members = audit_accounts.parse_group(groups)
    every = accounts.parse_users(users)
    found = []
    for user, row in zip(every, rows):  # noqa: B905 - Python 3.9
        if not user.works():
            continue
        group = [name for name, (number, _people) in members.items() if number == user.gid]
        named = user.uid != 0 and user.name in group
        others = {one.name for one in every if one.gid == user.gid} | {
            one for name in group for one in members[name][1]
        }
        found.append(Person(user.name, row[4], named, named and others <= {user.name}))
    return found


def of_gecos(person: Person) -> list[int]:
    """What pam_umask takes out of the words that an account has of its owner."""
    words = [word.strip() for word in person.gecos.split(",")]
    found = [octal(word[len("umask=") :]) for word in words if word.lower().startswith("umask=")]
    return [value for value in found if value is not None]


# -- what the shells' files set --------------------------------------------------------------------------------------


def of_shells(reader: Reader) -> Iterator[str]:
    """Commands that make the umask weaker than it is to be, or that cannot be read."""
    for path, _exact in files.expand(reader.host, _SHELL_FILES):
        for row in joined(reader.host.text(path)):
            line = re.split(r"(?:^|\s)#", row, maxsplit=1)[0].strip()
            if _ONLY_WITHOUT.search(line):
                continue
            for match in _SETS.finditer(line):
                word = match.group(1).strip("\"'")
                if not (re.fullmatch(r"[0-7]{1,4}", word) and strict(int(word, 8), False)):
                    yield "%s: umask %s" % (path, word[:40])


# -- all of it -----------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """One thing that is wrong; settable: the role can put it right."""

    text: str
    settable: bool


def measure(reader: Reader) -> dict:
    """weak is what leaves new files to others and the role can put right, by_hand what only a person can.

    missing are the programs whose sessions lack pam_umask, where the distribution's own tool can add it.
    """
    if not any(reader.host.exists(place) for place in ("/etc/pam.d", "/usr/lib/pam.d")):
        raise Absent("PAM is not on this host")
    services = [name for name in SERVICES if pam.there(reader.host, name)]
    if not services:
        raise Unmeasurable("PAM's configuration has no program that opens a session")
    everybody = people(reader.host.text("/etc/passwd"), reader.host.text("/etc/group"))
    wrong: dict[Found, list[str]] = {}
    missing: list[str] = []
    sessions: dict[str, str] = {}
    for service in services:
        steps = pam.stack(reader, service, "session")
        plain = masks(reader, steps, False)
        sessions[service] = ", ".join(sorted(_shown(mask) for mask in plain))
        if _UNSET in plain and _addable(reader, steps):
            missing.append(service)
        weak = [mask for mask in plain if not strict(mask.value, False)]
        for mask in weak:
            # What login.defs says is told once, below.
            if mask.source != LOGIN_DEFS:
                wrong.setdefault(Found(_shown(mask), mask == _UNSET and service in missing), []).append(service)
        # Weak for some only: where their group may write, and is not theirs alone.
        wide = [mask for mask in masks(reader, steps, True) - plain if not weak and not strict(mask.value, False)]
        for mask in wide:
            for one in everybody:
                if one.named and not one.private:
                    why = Found("%s for %s, whose group others are in" % (_shown(mask), one.name), False)
                    wrong.setdefault(why, []).append(service)
    found = [Found("%s: %s" % (", ".join(of), one.text), one.settable) for one, of in wrong.items()]
    found += [
        Found("%s: %04o by umask= in its GECOS field" % (one.name, value), False)
        for one in everybody
        for value in of_gecos(one)
        if not strict(value, one.private)
    ]
    configured = reader.once(_configured)
    if not strict(octal(configured or ""), False):
        found.append(Found("login.defs: %s" % ("UMASK " + configured[:40] if configured else "no UMASK"), True))
    found += [Found(text, False) for text in of_shells(reader)]
    if _without_pam(reader):
        found.append(Found("sshd: UsePAM no", False))
    return {
        "weak": sorted({one.text for one in found if one.settable}),
        "by_hand": sorted({one.text for one in found if not one.settable}),
        "missing": missing,
        "sessions": sessions,
    }


def _shown(mask: Mask) -> str:
    if mask.value is None:
        return "pam_umask is not in its sessions" if mask.source == NOTHING else "no UMASK is set"
    return "%04o" % mask.value + (" by umask= in PAM" if mask.source == ARGUMENT else "")


def _without_pam(reader: Reader) -> bool:
    if not reader.host.program("sshd"):
        return False
    return bool(ssh_server.measure(reader, "usepam")["value"] != "yes")


def _addable(reader: Reader, steps: tuple[pam.Step, ...]) -> bool:
    """Whether the stack has one of the files that pam-auth-update(8) writes, and nobody has changed those by hand."""
    uses = {name for line in pam.lines(steps) for name in line.through}
    return bool(uses & set(_MANAGED)) and bool(reader.once(_managed))


def _managed(reader: Reader) -> bool:
    return bool(reader.host.program("pam-auth-update")) and all(_as_written(reader, name) for name in _TYPES)


def _as_written(reader: Reader, name: str) -> bool:
    """By what pam-auth-update kept of its last run: options may differ, but it has to know every line."""
    kept, now = "/var/lib/pam/" + name, "/etc/pam.d/common-" + name
    if not reader.host.exists(kept) or not reader.host.exists(now):
        return False
    known = [_form(line) for line in reader.host.text(kept).splitlines() if not line.startswith("Module:")]
    rows = _own_rows(reader.host.text(now))
    if rows is None:
        return False
    for row in rows:
        form = _form(re.sub(r"^%s\s+" % name.split("-", maxsplit=1)[0], "", row))
        while known and known[0] != form:
            known.pop(0)
        if not known:
            return False
        known.pop(0)
    return True


def _own_rows(text: str) -> list[str] | None:
    """What stands between its marks; None where one of them is not there."""
    found: list[str] = []
    marks = [_PRIMARY, _BETWEEN, _ADDITIONAL, _AFTER]
    for row in text.splitlines():
        if marks and row.startswith(marks[0]):
            marks.pop(0)
        elif len(marks) in (1, 3):
            found.append(row)
    return None if marks else found


def _form(row: str) -> str:
    """Control and module, without how far a jump goes."""
    match = re.match(r"(\[[^]]+\]|\w+)\s+(\S+)", row)
    return "" if match is None else "%s %s" % (re.sub(r"=(?:\d+|end)\b", "=", match.group(1)), match.group(2))
