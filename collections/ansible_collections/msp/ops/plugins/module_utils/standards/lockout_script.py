# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program with which a host brings back by itself what lockout_guard saved, and the unit that runs it at a boot.

Pure: from what was saved to text. It is a shell's script, for nothing else is sure to run on a host that a change
broke. Every name in it is quoted. It decides one thing, by one rename that only one of two can make: whether somebody
has proven a login before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import SEARCH_PATH

# Files in the guard's directory. The first three say where the guard stands; only one of them is there.
TOKEN, REVERTING, DONE = "armed", "reverting", "reverted"
SAID, FAILED, AT = "said", "failed", "at"
SCRIPT = "back.sh"
RULES = "tables.nft"
# The argument with which the script goes on with what was cut off, too.
AGAIN = "again"
ABSENT, FILE, DIRECTORY, LINK = "absent", "file", "directory", "link"
SECONDS_A_COMMAND = 90


class SavedPath(NamedTuple):
    """copy: its name in the guard's directory."""

    path: str
    kind: str
    copy: str = ""


class SavedUnit(NamedTuple):
    """there: whether systemd knows the unit; enabled is what it says of its file."""

    name: str
    active: bool
    enabled: str
    there: bool = True


class SavedSysctl(NamedTuple):
    name: str
    file: str
    value: str


class Saved(NamedTuple):
    """A host's state of what is guarded. tables: their names, where the guard's directory has RULES."""

    paths: tuple[SavedPath, ...] = ()
    units: tuple[SavedUnit, ...] = ()
    sysctls: tuple[SavedSysctl, ...] = ()
    tables: tuple[str, ...] = ()
    validate: tuple[tuple[str, ...], ...] = ()


_HEAD = """\
#!/bin/sh
# Written by msp.ops.lockout_guard. Brings back what was saved, unless a login was proven before; once.
set -u
PATH=%(search)s LC_ALL=C
export PATH LC_ALL
umask 077
cd %(place)s || exit 0
# One at a time: the timer, a boot and a person may all want it. Who waited finds it done.
exec 9>working
flock 9 || exit 1
if ! mv %(token)s %(reverting)s 2>/dev/null; then
    test "${1-}" = %(again)s && test -e %(reverting)s || exit 0
fi
: >%(said)s
: >%(failed)s
valid=yes

# try WHAT COMMAND...: what did not work is told, with the command's last words. attempt: what worked is told too.
try() {
    what=$1
    shift
    words=$("$@" </dev/null 2>&1) && return 0
    printf '%%s: %%s\\n' "$what" "$(printf '%%s' "$words" | tail -n 1 | cut -c 1-300)" >>%(failed)s
    return 1
}
attempt() {
    try "$@" && printf '%%s\\n' "$1" >>%(said)s
}
same_file() {
    test -f "$2" && ! test -h "$2" && cmp -s -- "$1" "$2" &&
        test "$(stat -c '%%f %%u %%g' -- "$1")" = "$(stat -c '%%f %%u %%g' -- "$2")"
}
same_link() {
    test -h "$2" && test "$(readlink -- "$1")" = "$(readlink -- "$2")"
}
# Beside it and then in its place in one step, so that never half of it is there.
put_file() {
    mkdir -p -- "${2%%/*}/" && cp -a -T -- "$1" "$2.msp-guard" || return 1
    if test -d "$2" && ! test -h "$2"; then rm -rf -- "$2" || return 1; fi
    mv -f -T -- "$2.msp-guard" "$2"
}
put_directory() {
    rm -rf -- "$2.msp-guard" "$2.msp-gone" && cp -a -T -- "$1" "$2.msp-guard" || return 1
    if test -e "$2" || test -h "$2"; then mv -T -- "$2" "$2.msp-gone" || return 1; fi
    mv -T -- "$2.msp-guard" "$2" && rm -rf -- "$2.msp-gone"
}
put_value() {
    printf '%%s\\n' "$1" >"$2"
}
property() {
    systemctl show --property="$1" --value -- "$2"
}
put_enabled() {
    case $1 in
    masked) systemctl --quiet mask -- "$2" ;;
    enabled) systemctl --quiet unmask -- "$2" && systemctl --quiet enable -- "$2" ;;
    disabled) systemctl --quiet unmask -- "$2" && systemctl --quiet disable -- "$2" ;;
    esac
}
run_again() {
    # What failed often in a short time is refused a start until that is forgotten.
    systemctl reset-failed -- "$1" 2>/dev/null
    timeout %(seconds)d systemctl reload-or-restart -- "$1"
}
"""


def script(place: str, saved: Saved, *, drop: Iterable[str] = (), search: str = SEARCH_PATH) -> str:
    """The script. place: the guard's directory; drop: what goes when all is back, the unit of the boot."""
    names = {
        "search": quote(search),
        "place": quote(place),
        "token": TOKEN,
        "reverting": REVERTING,
        "said": SAID,
        "failed": FAILED,
        "again": AGAIN,
        "seconds": SECONDS_A_COMMAND,
    }
    lines = [_HEAD % names]
    # While its file is there a unit that is new knows how to be stopped, and what it set up is put away.
    lines += [_stop(one.name) for one in saved.units if not one.there]
    lines += [_path(one) for one in saved.paths]
    if any(one.path.startswith(("/etc/systemd/", "/usr/lib/systemd/", "/lib/systemd/")) for one in saved.paths):
        lines.append(_attempt("systemd's files read again", "systemctl", "daemon-reload"))
    lines += [_sysctl(one) for one in saved.sysctls]
    lines += [_validate(words) for words in saved.validate]
    lines += [_unit(one) for one in saved.units if one.there]
    if saved.tables:
        # After the units: what one of them does to the ruleset when it is reloaded or stopped is not the last word.
        lines.append(_attempt("tables %s" % ", ".join(saved.tables), "nft", "-f", RULES))
    lines.append("date -u +%%Y-%%m-%%dT%%H:%%M:%%S+00:00 >%s" % AT)
    lines += ["rm -f -- %s" % quote(path) for path in drop]
    lines.append("mv %s %s" % (REVERTING, DONE))
    lines.append("cat %s %s" % (SAID, FAILED))
    return "\n".join(lines) + "\n"


def _attempt(what: str, *words: str, call: str = "attempt") -> str:
    return "%s %s %s" % (call, quote(what), " ".join(quote(word) for word in words))


def _path(one: SavedPath) -> str:
    path, copy = quote(one.path), quote(one.copy)
    if one.kind == ABSENT:
        there = "test -e %s || test -h %s" % (path, path)
        return "if %s; then\n    %s\nfi" % (there, _attempt("file %s removed" % one.path, "rm", "-rf", "--", one.path))
    if one.kind == DIRECTORY:
        return _attempt("directory %s" % one.path, "put_directory", one.copy, one.path)
    same = "same_link" if one.kind == LINK else "same_file"
    return "%s %s %s || %s" % (same, copy, path, _attempt("file %s" % one.path, "put_file", one.copy, one.path))


def _sysctl(one: SavedSysctl) -> str:
    return 'test "$(cat %s)" = %s || %s' % (
        quote(one.file),
        quote(one.value),
        _attempt("sysctl %s" % one.name, "put_value", one.value, one.file),
    )


def _validate(words: tuple[str, ...]) -> str:
    told = "validated by %s" % " ".join(words)
    return "%s || valid=no" % _attempt(told, "timeout", str(SECONDS_A_COMMAND), *words, call="try")


def _unit(one: SavedUnit) -> str:
    lines = []
    if one.enabled in ("enabled", "disabled", "masked"):
        lines.append('test "$(property UnitFileState %s)" = %s ||' % (quote(one.name), one.enabled))
        told = "unit %s %s" % (one.name, one.enabled)
        lines.append("    " + _attempt(told, "put_enabled", one.enabled, one.name))
    if one.active:
        lines.append('if test "$valid" = yes; then')
        lines.append("    " + _attempt("unit %s reloaded" % one.name, "run_again", one.name))
        lines.append("else")
        told = "unit %s left as it is: the configuration that is back is not valid" % one.name
        lines.append("    printf '%%s\\n' %s >>%s" % (quote(told), FAILED))
        lines.append("fi")
    else:
        lines.append(_stop(one.name))
    return "\n".join(lines)


def _stop(name: str) -> str:
    stop = ("timeout", str(SECONDS_A_COMMAND), "systemctl", "stop", "--", name)
    return 'if test "$(property ActiveState %s)" = active; then\n    %s\nfi' % (
        quote(name),
        _attempt("unit %s stopped" % name, *stop),
    )


def boot_unit(path: str, after: Iterable[str]) -> str:
    """The unit of the boot that runs the script at path, after the units that it reloads."""
    return "\n".join(
        [
            "# Written by msp.ops.lockout_guard; gone when a login was proven.",
            "[Unit]",
            "Description=Bring back what was changed before a login was proven",
            "ConditionPathExists=%s" % path,
            *("After=%s" % name for name in after),
            "",
            "[Service]",
            "Type=oneshot",
            "ExecStart=/bin/sh %s %s" % (path, AGAIN),
            "",
        ]
    )


def rules(listings: dict[str, str | None], *, everything: str) -> str:
    """What nft reads to bring tables back: their listings by name, None for one that is not there.

    everything is the name that stands for the whole ruleset.
    """
    lines = []
    for name, listing in listings.items():
        if name == everything:
            lines.append("flush ruleset")
        else:
            # To delete what is not there is an error; to add what is there is none.
            lines += ["add table %s" % name, "delete table %s" % name]
        lines.append(listing or "")
    return "\n".join(lines) + "\n"
