# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration of PAM: what a program's stack does, by way of every file that it includes.

A session that is opened to be measured would start a user's services, write logs and may make a home. So files are
read, and where a module's answer decides how a stack goes on, every way that it may go is followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Union

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable, joined

# The first one wins; the second is where some distributions put their own.
_PLACES = ("/etc/pam.d", "/usr/lib/pam.d")
_TYPES = frozenset(("auth", "account", "password", "session"))
_WORDS = ("required", "requisite", "sufficient", "optional")
_DEEPEST = 16
_LOGIN_DEFS = "/etc/login.defs"
# Modules that always give the same answer.
_SAME = {"pam_permit.so": "success", "pam_deny.so": "failure"}
NEXT, END, DIE = "next", "end", "die"


class Line(NamedTuple):
    """A module of a stack. control is a word, or what stands in brackets. through are the files that led to it."""

    control: str
    module: str
    arguments: tuple[str, ...]
    through: tuple[str, ...]


class Part(NamedTuple):
    """A substack: what ends it ends nothing else, and a jump takes it as one."""

    lines: tuple[Step, ...]


Step = Union[Line, Part]


def parse_line(text: str) -> tuple[str, str, list[str]] | None:
    """Type, control and the rest of a line; None for an empty one. An include of a whole file has the type @include."""
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    match = re.fullmatch(r"(-?@?\w+)\s+(\[(?:\\\]|[^\]])*\]|[^\s\[]\S*)\s*(.*)", text)
    if match is None:
        raise Unmeasurable("a line of PAM's configuration is in no known form: %s" % text[:100])
    kind, control, rest = match.groups()
    words = [
        word[1:-1].replace("\\]", "]") if word[0] == "[" and word[-1] == "]" else word
        for word in re.findall(r"\[(?:\\\]|[^\]])*\]|\S+", _uncommented(rest))
    ]
    return kind.lstrip("-").lower(), control, words


def _uncommented(text: str) -> str:
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0]


def there(host: Host, service: str) -> bool:
    return any(host.exists("%s/%s" % (place, service)) for place in _PLACES)


def stack(reader: Reader, service: str, kind: str) -> tuple[Step, ...]:
    """What is done for a service, where kind is session or password. Absent where PAM has no such service."""
    if not there(reader.host, service):
        raise Absent("PAM is not configured for %s on this host" % service)
    return tuple(_steps(reader.host, service, kind, ()))


def _steps(host: Host, name: str, kind: str, through: tuple[str, ...]) -> Iterator[Step]:
    if len(through) > _DEEPEST:
        raise Unmeasurable("PAM's configuration includes %s in too many others" % name)
    through = (*through, name.rsplit("/", 1)[-1])
    for row in joined(_text(host, name)):
        parsed = parse_line(row)
        if parsed is None:
            continue
        found, control, words = parsed
        if found == "@include":
            yield from _steps(host, control, kind, through)
        elif found not in _TYPES:
            raise Unmeasurable("a line of PAM's configuration is of no known type: %s" % row.strip()[:100])
        elif found == kind:
            if not words:
                raise Unmeasurable("a line of PAM's configuration names no module: %s" % row.strip()[:100])
            if control.lower() == "include":
                yield from _steps(host, words[0], kind, through)
            elif control.lower() == "substack":
                yield Part(tuple(_steps(host, words[0], kind, through)))
            else:
                yield Line(control.lower(), words[0].rsplit("/", 1)[-1], tuple(words[1:]), through)


def _text(host: Host, name: str) -> str:
    for place in (name,) if name.startswith("/") else ["%s/%s" % (one, name) for one in _PLACES]:
        if host.exists(place):
            return host.text(place)
    raise Unmeasurable("PAM's configuration includes %s, which is not there" % name)


def lines(steps: tuple[Step, ...]) -> Iterator[Line]:
    """Every module, those of substacks too."""
    for step in steps:
        if isinstance(step, Part):
            yield from lines(step.lines)
        else:
            yield step


def ways(line: Line) -> frozenset[str | int]:
    """How a stack may go on after a module: NEXT, END, DIE (it refuses), or the lines that it jumps over."""
    always = _SAME.get(line.module)
    if line.control in _WORDS:
        good: str | int = END if line.control == "sufficient" else NEXT
        bad: str | int = DIE if line.control == "requisite" else NEXT
        return frozenset({"success": (good,), "failure": (bad,)}.get(always or "", (good, bad)))
    if not line.control.startswith("["):
        raise Unmeasurable("PAM's configuration has a control that is not known: %s" % line.control[:100])
    actions = dict(word.split("=", 1) for word in line.control[1:-1].split() if "=" in word)
    other = _way(actions.get("default", "bad"))
    if always == "success":
        return frozenset((_way(actions["success"]) if "success" in actions else other,))
    found = {_way(action) for name, action in actions.items() if not (always and name == "success")}
    return frozenset(found | {other})


def _way(action: str) -> str | int:
    if action.isdigit():
        return int(action) or NEXT
    found = {"ignore": NEXT, "ok": NEXT, "bad": NEXT, "reset": NEXT, "done": END, "die": DIE}.get(action)
    if found is None:
        raise Unmeasurable("PAM's configuration has an action that is not known: %s" % action[:100])
    return found


def outcomes(steps: tuple[Step, ...], start: frozenset, does: Callable[[Line, Any], frozenset]) -> frozenset:
    """All that can be when the stack was gone through and the session was not refused.

    start is what may be before. does says what may be after a module, of one thing that was before.
    """
    waiting: list[set] = [set() for _step in range(len(steps) + 1)]
    waiting[0] |= start
    ended: set = set()
    for place, step in enumerate(steps):
        if isinstance(step, Part):
            waiting[place + 1] |= outcomes(step.lines, frozenset(waiting[place]), does)
            continue
        after = {state for before in waiting[place] for state in does(step, before)}
        for way in ways(step):
            if isinstance(way, int):
                waiting[min(place + 1 + way, len(steps))] |= after
            elif way == END:
                ended |= after
            elif way == NEXT:
                waiting[place + 1] |= after
    return frozenset(ended | waiting[-1])


def search_key(reader: Reader, path: str, name: str) -> str | None:
    """What PAM's modules read of such a file: the first line of a name counts, in either case."""
    if not reader.host.exists(path):
        return None
    for line in reader.host.text(path).splitlines():
        match = re.match(r"\s*([^\s=]+)[\s=]*(.*)", line.split("#")[0])
        if match is not None and match.group(1).lower() == name.lower():
            return match.group(2)
    return None


def login_defs(reader: Reader, name: str) -> str | None:
    return search_key(reader, _LOGIN_DEFS, name)
