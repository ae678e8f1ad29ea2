# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program with which a host brings back by itself what lockout_guard saved.

Pure: from what was saved to text. It is a shell's script, for nothing else is sure to run on a host that a change
broke. Every name in it is quoted. It decides one thing, by one rename that only one of two can make: whether somebody
has proven a login before it. From then on each round brings back whatever differs from what was saved.

    armed --> reverting <--> reverted --> ended
      |                                             of these files one is there; `reverting` that nobody is at work on
      +-----> disarmed (by the proof)               was cut off, and the next round does all of it again
"""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import SEARCH_PATH
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_plan import ALL_TABLES
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_units import AT_BOOT, TIMER

# Files in the guard's directory that say where the guard stands.
TOKEN, REVERTING, DONE, ENDED, DISARMED = "armed", "reverting", "reverted", "ended", "disarmed"
# What was brought back in all rounds, what did not work in the last, when something was brought back; how many rounds.
SAID, FAILED, AT, ROUNDS = "said", "failed", "at", "rounds"
# Held by who is at work on the host: a round of the script, or a call that puts the guard away.
WORKING = "working"
SCRIPT = "back.sh"
# What nft reads to bring tables back, and what it lists where they are as they were.
RULES, LISTING = "tables.nft", "tables.list"
# The argument with which a person ends the rounds.
END = "end"
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
# Written by msp.ops.lockout_guard. Brings back what was saved, unless a login was proven before; in rounds, until a run
# was told of it. To end the rounds by hand: sh %(script)s %(end)s
set -u
PATH=%(search)s LC_ALL=C
export PATH LC_ALL
umask 077
cd %(place)s || exit 0
# One at a time: the timer, a boot, a run and a person may all want it.
exec 9>%(working)s
flock 9 || exit 1
over() {
    rm -f -- %(drop)s
    systemctl stop %(timer)s 2>/dev/null
}
if test "${1-}" = %(end)s; then
    mv %(done)s %(ended)s || test -e %(ended)s || exit 1
fi
# What was cut off in the middle of its end is ended here.
if test -e %(disarmed)s || test -e %(ended)s; then
    over
    exit 0
fi
first=no
if ! mv %(done)s %(reverting)s 2>/dev/null; then
    mv %(token)s %(reverting)s 2>/dev/null || test -e %(reverting)s || exit 0
    first=yes
fi
# What did not all work is done again, also where nothing differs any more: a server may not have read it yet.
test -s %(failed)s && first=yes
differs=$first
brought=no
valid=yes
: >>%(said)s
: >%(failed)s
rounds=$(cat %(rounds)s 2>/dev/null)
rounds=$((${rounds:-0} + 1))
printf '%%s\\n' "$rounds" >%(rounds)s.new && mv %(rounds)s.new %(rounds)s
if test "${1-}" = %(boot)s && ! systemctl --quiet is-active %(timer)s; then
    %(start)s
fi

# try WHAT COMMAND...: what did not work is told, with the command's last words. attempt: what worked is told too.
fail() {
    printf '%%s\\n' "$1" | tee -a %(failed)s
}
try() {
    what=$1
    shift
    words=$("$@" </dev/null 2>&1) && return 0
    fail "$what: $(printf '%%s' "$words" | tail -n 1 | cut -c 1-300)"
    return 1
}
attempt() {
    differs=yes
    try "$@" || return 1
    brought=yes
    printf '%%s\\n' "$1"
    grep -qxF -e "$1" %(said)s || printf '%%s\\n' "$1" >>%(said)s
}
same_file() {
    test -f "$2" && ! test -h "$2" && cmp -s -- "$1" "$2" &&
        test "$(stat -c '%%f %%u %%g' -- "$1")" = "$(stat -c '%%f %%u %%g' -- "$2")"
}
same_link() {
    test -h "$2" && test "$(readlink -- "$1")" = "$(readlink -- "$2")"
}
# Each name with its kind, rights, owner and what it leads to.
names() {
    (cd "$1" && find . -printf '%%P %%y %%m %%U %%G %%l\\0' | sort -z)
}
same_directory() {
    test -d "$2" && ! test -h "$2" && diff -rq --no-dereference -- "$1" "$2" >/dev/null 2>&1 &&
        names "$1" >names.saved && names "$2" >names.now && cmp -s names.saved names.now
}
# What a round left that was cut off.
clear_halves() {
    rm -rf -- "$1.msp-guard" "$1.msp-gone"
}
# Beside it and then in its place in one step, so that never half of it is there.
put_file() {
    mkdir -p -- "${2%%/*}/" && cp -a -T -- "$1" "$2.msp-guard" || return 1
    if test -d "$2" && ! test -h "$2"; then rm -rf -- "$2" || return 1; fi
    mv -f -T -- "$2.msp-guard" "$2"
}
put_directory() {
    mkdir -p -- "${2%%/*}/" && cp -a -T -- "$1" "$2.msp-guard" || return 1
    if test -e "$2" || test -h "$2"; then mv -T -- "$2" "$2.msp-gone" || return 1; fi
    mv -T -- "$2.msp-guard" "$2" && rm -rf -- "$2.msp-gone"
}
put_value() {
    printf '%%s\\n' "$1" >"$2"
}
property() {
    systemctl show --property="$1" --value -- "$2"
}
runs() {
    case $(property ActiveState "$1") in active | activating | reloading) ;; *) return 1 ;; esac
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

_FOOT = """\
if test "$brought" = yes || ! test -s %(at)s; then
    date -u +%%Y-%%m-%%dT%%H:%%M:%%S+00:00 >%(at)s.new && mv %(at)s.new %(at)s
fi
if test "$brought" = yes || test -s %(failed)s; then
    echo "round $rounds of at most %(most)d, until a run of msp.ops is told; to end it before:" sh %(script)s %(end)s
fi
if test "$rounds" -lt %(most)d; then
    mv %(reverting)s %(done)s
else
    mv %(reverting)s %(ended)s
    over
fi
"""


class Rounds(NamedTuple):
    """When the script runs. most: how often; timer: the command that starts its timer at a boot; drop: the files that
    go when it has ended, those of the unit of the boot.
    """

    most: int
    timer: tuple[str, ...]
    drop: tuple[str, ...] = ()


def script(place: str, saved: Saved, when: Rounds, *, search: str = SEARCH_PATH) -> str:
    """The script. place: the guard's directory."""
    names = {
        "search": quote(search),
        "place": quote(place),
        "script": quote("%s/%s" % (place, SCRIPT)),
        "token": TOKEN,
        "reverting": REVERTING,
        "done": DONE,
        "ended": ENDED,
        "disarmed": DISARMED,
        "said": SAID,
        "failed": FAILED,
        "at": AT,
        "rounds": ROUNDS,
        "working": WORKING,
        "end": END,
        "boot": AT_BOOT,
        "timer": TIMER,
        "start": _words(when.timer),
        "drop": _words(when.drop),
        "most": when.most,
        "seconds": SECONDS_A_COMMAND,
    }
    there = [one for one in saved.units if one.there]
    lines = [_HEAD % names]
    # While its file is there a unit that is new knows how to be stopped, and what it set up is put away.
    lines += [_stop(one.name) for one in saved.units if not one.there]
    lines += [_path(one) for one in saved.paths]
    if any(one.path.startswith(("/etc/systemd/", "/usr/lib/systemd/", "/lib/systemd/")) for one in saved.paths):
        lines.append('test "$differs" = no || ' + _attempt("systemd's files read again", "systemctl", "daemon-reload"))
    lines += [_sysctl(one) for one in saved.sysctls]
    lines += ["runs %s || differs=yes" % quote(one.name) for one in there if one.active]
    lines += [_validate(words) for words in saved.validate]
    lines += [_unit(one) for one in there]
    if saved.tables:
        # After the units: what one of them does to the ruleset when it is reloaded or stopped is not the last word.
        lines.append(_tables(saved.tables))
    lines.append(_FOOT % names)
    return "\n".join(lines)


def _words(words: Iterable[str]) -> str:
    return " ".join(quote(word) for word in words)


def _attempt(what: str, *words: str, call: str = "attempt") -> str:
    return "%s %s %s" % (call, quote(what), _words(words))


def _path(one: SavedPath) -> str:
    return "clear_halves %s\n%s" % (quote(one.path), _put_back(one))


def _put_back(one: SavedPath) -> str:
    path, copy = quote(one.path), quote(one.copy)
    if one.kind == ABSENT:
        there = "test -e %s || test -h %s" % (path, path)
        return "if %s; then\n    %s\nfi" % (there, _attempt("file %s removed" % one.path, "rm", "-rf", "--", one.path))
    if one.kind == DIRECTORY:
        put = _attempt("directory %s" % one.path, "put_directory", one.copy, one.path)
        return "same_directory %s %s || %s" % (copy, path, put)
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
    check = _attempt(told, "timeout", str(SECONDS_A_COMMAND), *words, call="try")
    return 'test "$differs" = no || %s || valid=no' % check


def _unit(one: SavedUnit) -> str:
    lines = []
    if one.enabled in ("enabled", "disabled", "masked"):
        lines.append('test "$(property UnitFileState %s)" = %s ||' % (quote(one.name), one.enabled))
        told = "unit %s %s" % (one.name, one.enabled)
        lines.append("    " + _attempt(told, "put_enabled", one.enabled, one.name))
    if one.active:
        told = "unit %s left as it is: the configuration that is back is not valid" % one.name
        lines.append('if test "$differs$valid" = yesyes; then')
        lines.append("    " + _attempt("unit %s reloaded" % one.name, "run_again", one.name))
        lines.append('elif test "$differs" = yes; then')
        lines.append("    fail %s" % quote(told))
        lines.append("fi")
    else:
        lines.append(_stop(one.name))
    return "\n".join(lines)


def _tables(tables: Iterable[str]) -> str:
    lines = ["listing() {"]
    lines += ["    nft --stateless list %s 2>/dev/null" % _words(table_words(table)) for table in tables]
    lines += ["}", 'if test "$first" = yes || ! listing | cmp -s - %s; then' % LISTING]
    lines += ["    " + _attempt("tables %s" % ", ".join(tables), "nft", "-f", RULES), "fi"]
    return "\n".join(lines)


def table_words(table: str) -> tuple[str, ...]:
    """How nft is asked to list it."""
    return ("ruleset",) if table == ALL_TABLES else ("table", *table.split())


def _stop(name: str) -> str:
    stop = ("timeout", str(SECONDS_A_COMMAND), "systemctl", "stop", "--", name)
    return 'if test "$(property ActiveState %s)" = active; then\n    %s\nfi' % (
        quote(name),
        _attempt("unit %s stopped" % name, *stop),
    )


def rules(listings: dict[str, str | None]) -> str:
    """What nft reads to bring tables back: their listings by name, None for one that is not there."""
    lines = []
    for name, listing in listings.items():
        if name == ALL_TABLES:
            lines.append("flush ruleset")
        else:
            # To delete what is not there is an error; to add what is there is none.
            lines += ["add table %s" % name, "delete table %s" % name]
        lines.append(listing or "")
    return "\n".join(lines) + "\n"
