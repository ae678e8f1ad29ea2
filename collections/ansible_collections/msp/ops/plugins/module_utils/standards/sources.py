# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a repository's address is an allowed one, and files of apt and dnf with some repositories switched off.

Pure: from text to text. Nothing is taken out of a file but what lets apt and dnf take unsigned packages: a repository
is switched off where it stands, so that a person can see what was there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from ansible_collections.msp.ops.plugins.module_utils.standards import repositories
from ansible_collections.msp.ops.plugins.module_utils.standards.repositories import Repository

OFF = "# switched off by msp.ops: "
# What lets apt take packages that nobody signed, as an option of a line and as a field of a paragraph.
_TRUSTING = ("trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure")
_OPTIONS = re.compile(r"^(\s*deb(?:-src)?\s+)\[([^\]]*)\]\s*")

Judge = Callable[[Repository], bool]
Main = dict


def matches(uri: str, patterns: Iterable[str]) -> bool:
    """Whether an address is one of those. A pattern's * for the host stays within the host."""
    full = repositories.without_secret(uri).rstrip("/") + "/"
    return any(_pattern(pattern).fullmatch(full) for pattern in patterns)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    scheme, slashes, rest = text.partition("://")
    host, slash, path = rest.partition("/") if slashes else ("", "", text)
    start = re.escape(scheme) + slashes + _starred(host, "[^/]*") + slash if slashes else ""
    return re.compile(start + _starred(path, ".*"))


def _starred(text: str, anything: str) -> str:
    return anything.join(re.escape(part) for part in text.split("*"))


def without(text: str, file: str, unwanted: Judge, main: Main) -> str:
    """The text with every unwanted repository switched off. A paragraph keeps the addresses that are wanted.

    main: the settings of dnf.conf. Raises what repositories.parse() raises for a text that is none.
    """
    if file.endswith(".list"):
        return "".join(_line_off(line, file, unwanted) for line in text.splitlines(keepends=True))
    if file.endswith(".sources"):
        return _paragraphs(text, lambda lines: _paragraph_off(lines, file, unwanted))
    return _sections(text, lambda lines: _section_off(lines, file, unwanted, main))


def strict(text: str, file: str, main: Main) -> str:
    """The text without what lets apt and dnf take unsigned packages of a repository that is on."""
    if file.endswith(".list"):
        return "".join(_line_strict(line, file) for line in text.splitlines(keepends=True))
    if file.endswith(".sources"):
        return _paragraphs(text, lambda lines: _paragraph_strict(lines, file))
    return _sections(text, lambda lines: _section_strict(lines, file, main))


# -- apt's lines --------------------------------------------------------------------------------------------------


def _line_off(line: str, file: str, unwanted: Judge) -> str:
    return OFF + line if any(unwanted(one) for one in repositories.parse_one_line(line, file)) else line


def _line_strict(line: str, file: str) -> str:
    options = _OPTIONS.match(line)
    if options is None or all(one.verified for one in repositories.parse_one_line(line, file)):
        return line
    kept = [word for word in options.group(2).split() if word.partition("=")[0].lower() not in _TRUSTING]
    # Brackets with nothing in them are an error to apt.
    return options.group(1) + ("[%s] " % " ".join(kept) if kept else "") + line[options.end() :]


# -- apt's paragraphs (deb822) ------------------------------------------------------------------------------------


def _paragraphs(text: str, change: Callable[[list[str]], list[str]]) -> str:
    made: list[str] = []
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            paragraph.append(line)
        else:
            made += [*change(paragraph), line]
            paragraph = []
    return "\n".join(made[:-1]) + "\n" if text else text


def _paragraph_off(lines: list[str], file: str, unwanted: Judge) -> list[str]:
    named = _on(lines, file)
    bad = {one.uri for one in named if unwanted(one)}
    if not bad:
        return lines
    good = [uri for uri in _value(lines, "uris").split() if repositories.without_secret(uri) not in bad]
    return (
        _with_field(lines, "uris", "URIs: " + " ".join(good)) if good else _with_field(lines, "enabled", "Enabled: no")
    )


def _paragraph_strict(lines: list[str], file: str) -> list[str]:
    if all(one.verified for one in _on(lines, file)):
        return lines
    for name in _TRUSTING:
        lines = _with_field(lines, name, None)
    return lines


def _on(lines: list[str], file: str) -> list[Repository]:
    return [one for one in repositories.parse_deb822("\n".join(lines), file) if one.enabled]


def _value(lines: list[str], name: str) -> str:
    """The value of a field, with the lines that go on with it."""
    found: list[str] = []
    for line, field in _named(lines):
        if field == name:
            found.append(line.partition(":")[2] if line[0] not in " \t" else line)
    return " ".join(found)


def _with_field(lines: list[str], name: str, text: str | None) -> list[str]:
    """The paragraph with this line for a field, or without the field; a field that it has not is put at its end."""
    made: list[str] = []
    done = text is None
    for line, field in _named(lines):
        if field != name:
            made.append(line)
        elif not done and text is not None:
            made.append(text)
            done = True
    return made if done or text is None else [*made, text]


def _named(lines: list[str]) -> list[tuple[str, str]]:
    """Each line with the field in lower case that it belongs to, "" for a comment."""
    found = []
    field = ""
    for line in lines:
        if line.startswith("#"):
            found.append((line, ""))
            continue
        if line[0] not in " \t":
            field = line.partition(":")[0].strip().lower()
        found.append((line, field))
    return found


# -- dnf's sections -----------------------------------------------------------------------------------------------


def _sections(text: str, change: Callable[[list[str]], list[str]]) -> str:
    made: list[str] = []
    section: list[str] = []
    for line in [*text.splitlines(), "[end]"]:
        if line.startswith("["):
            made += change(section) if section and section[0].startswith("[") else section
            section = []
        section.append(line)
    return "\n".join(made) + "\n" if text else text


def _section_off(lines: list[str], file: str, unwanted: Judge, main: Main) -> list[str]:
    """dnf takes a package from any of a section's addresses, so one that is unwanted switches off all."""
    named = [one for one in repositories.parse_yum("\n".join(lines), file, main) if one.enabled]
    return _with_setting(lines, "enabled", "0") if any(unwanted(one) for one in named) else lines


def _section_strict(lines: list[str], file: str, main: Main) -> list[str]:
    named = [one for one in repositories.parse_yum("\n".join(lines), file, main) if one.enabled]
    return lines if all(one.verified for one in named) else _with_setting(lines, "gpgcheck", "1")


def _with_setting(lines: list[str], name: str, value: str) -> list[str]:
    head, *rest = lines
    kept = [line for line in rest if line.partition("=")[0].strip().lower() != name]
    return [head, "%s=%s" % (name, value), *kept]
