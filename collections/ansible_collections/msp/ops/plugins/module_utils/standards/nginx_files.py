# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx's configuration as nginx itself shows it (nginx -T): its settings with their blocks, and what of TLS to change.

Pure. A setting of a server replaces that of the block around it, so each that lets too much in is changed where it
stands; one that is as strict as the profile, or stricter, stays.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.msp.ops.plugins.module_utils.standards import openssl_ciphers
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import (
    CIPHERS,
    VERSIONS,
    Plan,
    Setting,
    added,
    replaced,
    unique,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import Profile

OURS = "/etc/nginx/conf.d/zz-msp-tls.conf"
_FILE = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
# A comment, a text in quotes, what ends a statement or a block, or a word.
_TOKEN = re.compile(
    r"""#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[;{}]|(?:\$\{|[^\s;{}"'\\]|\\.)(?:\$\{[^}]*\}|[^\s;{}\\]|\\.)*"""
)
_DEEPEST = 20
# What stands before a setting on its line: no comment, but for a # in quotes, and nothing that a longer name ends in.
_BEFORE = r"""^((?:[^#\n"']|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')*?(?<![\w$]))"""
_HTTP = ("http",)


def files(shown: str) -> dict[str, str]:
    """The texts of all files that nginx reads, by path, the first its own; of what nginx -T prints."""
    parts = _FILE.split(shown)
    return {path: text.lstrip("\n") for path, text in zip(parts[1::2], parts[2::2])}  # noqa: B905 - Python 3.9


def settings(texts: Mapping[str, str]) -> list[Setting]:
    """Every setting in its blocks, includes followed. A block is told by its word and its place: "server /etc/x 12"."""
    if not texts:
        return []
    main = next(iter(texts))
    return list(_of_file(main, texts, (), posixpath.dirname(main), 0))


def _of_file(path: str, texts: Mapping[str, str], outer: tuple[str, ...], base: str, depth: int) -> Iterator[Setting]:
    if depth > _DEEPEST:
        raise ValueError("nginx's files include each other too deep")
    for one in _statements(path, texts[path], outer):
        if one.name != "include" or not one.values:
            yield one
            continue
        pattern = posixpath.normpath(posixpath.join(base, one.values[0]))
        for other in sorted(texts):
            if other != path and _matches(other, pattern):
                yield from _of_file(other, texts, one.context, base, depth + 1)
        # For those that ask what is read where.
        yield one._replace(values=(pattern,))


def _matches(path: str, pattern: str) -> bool:
    """As a shell does: a star stands for no slash, and for no dot at the beginning of a name."""
    names, wanted = path.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(
        fnmatch.fnmatchcase(name, part) and not (name.startswith(".") and not part.startswith("."))
        for name, part in zip(names, wanted)  # noqa: B905 - Python 3.9
    )


def _statements(path: str, text: str, outer: tuple[str, ...]) -> Iterator[Setting]:
    context = outer
    words: list[str] = []
    start = 0
    for token in _TOKEN.finditer(text):
        found = token.group()
        if found.startswith("#"):
            continue
        if found == "{":
            name = words[0] if words else "?"
            # Two servers of one file are two.
            context = (*context, name if name in ("http", "mail", "stream") else "%s %s %d" % (name, path, start))
            words = []
        elif found == "}":
            context, words = context[:-1], []
        elif found == ";":
            if words:
                yield Setting(path, context, words[0], tuple(words[1:]), text[start : token.end()])
            words = []
        else:
            if not words:
                start = token.start()
            words.append(found[1:-1] if found[0] in "\"'" else found)


# -- which names and certificates ----------------------------------------------------------------------------------


def servers(rows: Iterable[Setting]) -> dict[tuple[str, ...], list[Setting]]:
    """The settings that stand in each server of http, by its blocks."""
    found: dict[tuple[str, ...], list[Setting]] = {}
    for one in rows:
        if one.context[:1] == _HTTP and one.context[-1].startswith("server "):
            found.setdefault(one.context, []).append(one)
    return found


def names(rows: Iterable[Setting]) -> dict[int, list[str]]:
    """By port the names that servers with TLS there have, as they are written."""
    found: dict[int, list[str]] = {}
    for within in servers(rows).values():
        called = [name for one in within if one.name == "server_name" for name in one.values]
        for one in within:
            port = _port(one.values[0]) if one.name == "listen" and one.values else None
            if port is not None and ("ssl" in one.values or "quic" in one.values or _switched_on(within)):
                known = found.setdefault(port, [])
                known.extend(name for name in called if name not in known)
    return found


def _switched_on(within: Iterable[Setting]) -> bool:
    return any(one.name == "ssl" and one.values == ("on",) for one in within)


def _port(address: str) -> int | None:
    """Of a listen; None for a socket in the file system."""
    if address.startswith("unix:"):
        return None
    text = address.rpartition(":")[2] if ":" in address.rpartition("]")[2] else address
    return int(text) if text.isdigit() else 80


def certificates(rows: Iterable[Setting], base: str) -> list[str]:
    """The files of certificates that are named, in their order; one that a variable names is no file's name."""
    found = [one.values[0] for one in rows if one.name == "ssl_certificate" and one.values]
    real = [name for name in found if "$" not in name and not name.startswith(("data:", "engine:"))]
    return list(dict.fromkeys(posixpath.join(base, name) for name in real))


# -- what is to be changed -----------------------------------------------------------------------------------------


def plan(texts: Mapping[str, str], wanted: Mapping[str, Profile]) -> Plan:
    """wanted has the profile for each part that is to be changed."""
    rows = settings(texts)
    asked: list[tuple[str, str, Profile]] = []
    if VERSIONS in wanted:
        asked.append(("ssl_protocols", " ".join(wanted[VERSIONS].versions), wanted[VERSIONS]))
    if CIPHERS in wanted and wanted[CIPHERS].ciphers:
        asked.append(("ssl_ciphers", wanted[CIPHERS].openssl, wanted[CIPHERS]))
    replacements = []
    left = _elsewhere(rows, [name for name, _value, _profile in asked])
    for name, value, profile in asked:
        for one in rows:
            if one.name != name or _fits(one, profile):
                continue
            if any("$" in word for word in one.values):
                left.append("%s: %s" % (one.path, one.name))
            else:
                replacements.append(replaced(one, _BEFORE, "%s %s;" % (name, value)))
    there = {one.name for one in rows if one.context == _HTTP}
    said = [(name, value) for name, value, _profile in asked] + _beside(wanted)
    lines = ["%s %s;" % (name, value) for name, value in said if name not in there]
    if not lines or not any(one.context[:1] == _HTTP for one in rows):
        return Plan(unique(replacements), {}, left)
    if any(one.name == "include" and one.context == _HTTP and _matches(OURS, one.values[0]) for one in rows):
        return Plan(unique(replacements), {OURS: added(texts.get(OURS), lines)}, left)
    text = "".join("\n    " + line for line in lines)
    inside = {"paths": [next(iter(texts))], "regexp": r"^([ \t]*http[ \t\n]*\{)", "replace": r"\g<1>" + text}
    return Plan(unique([*replacements, inside]), {}, left)


def _beside(wanted: Mapping[str, Profile]) -> list[tuple[str, str]]:
    """What goes with it where nobody said otherwise."""
    found = []
    if VERSIONS in wanted:
        found += [("ssl_session_cache", "shared:msp_tls:10m"), ("ssl_session_timeout", "1d")]
    if CIPHERS in wanted:
        found.append(("ssl_prefer_server_ciphers", "off"))
    return found


def _fits(one: Setting, profile: Profile) -> bool:
    if one.name == "ssl_protocols":
        return set(one.values) <= set(profile.versions)
    return len(one.values) == 1 and openssl_ciphers.within(one.values[0], profile)


def _elsewhere(rows: Iterable[Setting], names_of: Iterable[str]) -> list[str]:
    """Blocks of mail and stream with TLS of their own, where nothing is said and nothing is added."""
    found = []
    known = list(rows)
    for outer in ("mail", "stream"):
        within = [one for one in known if one.context[:1] == (outer,)]
        if any(one.name == "ssl_certificate" for one in within):
            found += ["%s: no %s" % (outer, name) for name in names_of if not any(one.name == name for one in within)]
    return found
