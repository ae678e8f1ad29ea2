# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apache's configuration, the files that it says it reads: its settings with their blocks, and what of TLS to change.

Pure. A virtual host's setting replaces that of the server, so each that lets too much in is changed where it stands;
one that is as strict as the profile, or stricter, stays.
"""

from __future__ import annotations

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

# The first that is there; each is read after the module's own settings, and before or among the hosts.
PLACES = ("/etc/apache2/conf-enabled", "/etc/httpd/conf.d")
NAME = "zz-msp-tls.conf"
_KNOWN = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_INCLUDED = re.compile(r"^\s*\((?:\*|\d+)\) (/.+)$", re.MULTILINE)
_HOST = re.compile(r"^\s+port (\d+) namevhost (\S+) |^\S+:(\d+)\s+(\S+) \(/|^\s+alias (\S+)$", re.MULTILINE)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')


def included(shown: str) -> list[str]:
    """The files that Apache reads, of what -D DUMP_INCLUDES prints."""
    return list(dict.fromkeys(_INCLUDED.findall(shown)))


def names(shown: str, rows: Iterable[Setting]) -> dict[int, list[str]]:
    """By port the names of its hosts, of what -D DUMP_VHOSTS prints: those of its files, none that it made up."""
    written = {name for one in rows if one.name in ("servername", "serveralias") for name in one.values}
    written = {name.rpartition("://")[2].partition(":")[0] for name in written}
    found: dict[int, list[str]] = {}
    port = 0
    for number, named, other, alone, alias in _HOST.findall(shown):
        port = int(number or other or port)
        name = named or alone or alias
        known = found.setdefault(port, [])
        if name in written and name not in known:
            known.append(name)
    return found


def settings(texts: Mapping[str, str]) -> list[Setting]:
    return [one for path, text in texts.items() for one in _of_file(path, text)]


def _of_file(path: str, text: str) -> Iterator[Setting]:
    context: tuple[str, ...] = ()
    for raw in re.findall(r"(?:[^\n\\]|\\.|\\\n)*(?:\n|\Z)", text):
        line = raw.rstrip("\n").strip()
        words = _WORD.findall(line.replace("\\\n", " "))
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith("</"):
            context = context[:-1]
        elif words[0].startswith("<"):
            context = (*context, words[0][1:].rstrip(">").lower())
        else:
            values = tuple(word[1:-1] if word.startswith('"') else word for word in words[1:])
            yield Setting(path, context, words[0].lower(), values, line)


def certificates(rows: Iterable[Setting]) -> list[str]:
    found = [one.values[0] for one in rows if one.name == "sslcertificatefile" and one.values]
    return list(dict.fromkeys(name for name in found if name.startswith("/") and "${" not in name))


def versions(values: Iterable[str]) -> frozenset[str]:
    """What a list of SSLProtocol comes to: from left to right, all, one, one more (+) or one less (-)."""
    found: set[str] = set()
    for word in values:
        sign, name = (word[0], word[1:]) if word[:1] in "+-" else ("", word)
        meant = {one for one in _KNOWN if name.lower() in ("all", one.lower())}
        if sign == "-":
            found -= meant
        elif sign == "+" or name.lower() == "all":
            found |= meant
        else:
            # Without a sign each takes the place of what was said before; Apache warns of it.
            found = meant
    return frozenset(found)


def plan(texts: Mapping[str, str], wanted: Mapping[str, Profile], place: str | None) -> Plan:
    """wanted has the profile for each part that is to be changed; place is the directory for a file of ours."""
    rows = settings(texts)
    asked: list[tuple[str, str, Profile]] = []
    if VERSIONS in wanted:
        value = " ".join(("-all", *("+" + one for one in wanted[VERSIONS].versions)))
        asked.append(("SSLProtocol", value, wanted[VERSIONS]))
    if CIPHERS in wanted and wanted[CIPHERS].ciphers:
        asked.append(("SSLCipherSuite", wanted[CIPHERS].openssl, wanted[CIPHERS]))
    replacements = []
    left: list[str] = []
    lines: list[str] = []
    for name, value, profile in asked:
        mine = [one for one in rows if one.name == name.lower()]
        for one in mine:
            if _fits(one, profile):
                continue
            if any(block not in ("virtualhost", "ifmodule", "ifdefine", "ifversion") for block in one.context):
                left.append("%s: %s in <%s>" % (one.path, name, one.context[-1]))
            else:
                replacements.append(replaced(one, r"^([ \t]*)", "%s %s" % (name, value), r"[ \t]*$"))
        if not any("virtualhost" not in one.context for one in mine):
            lines.append("%s %s" % (name, value))
    if not lines:
        return Plan(unique(replacements), {}, left)
    if place is None:
        return Plan(unique(replacements), {}, [*left, *("no place for: %s" % line for line in lines)])
    ours = "%s/%s" % (place, NAME)
    return Plan(unique(replacements), {ours: added(texts.get(ours), lines)}, left)


def _fits(one: Setting, profile: Profile) -> bool:
    if one.name == "sslprotocol":
        return versions(one.values) <= set(profile.versions)
    if len(one.values) == 2 and one.values[0].lower() == "tlsv1.3":
        return set(one.values[1].split(":")) <= set(profile.suites)
    return openssl_ciphers.within(one.values[-1], profile) if one.values else False
