# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where this host takes packages from, and apt's settings as apt has put them together. Asks no repository anything.

A line that apt would not understand is not measured: nobody can say which repository it is.
"""

from __future__ import annotations

import configparser
import os
import re
import tempfile
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

_APT, _YUM = "/etc/apt", "/etc/yum.repos.d"
_DNF = "/etc/dnf/dnf.conf"
# apt reads it after all others, also after those that a role writes; no role changes it.
APT_MAIN = "/etc/apt/apt.conf"
# The address of a disc has spaces in it.
_LINE = re.compile(r"(deb|deb-src)\s+(?:\[\s*([^\]]*?)\s*\]\s+)?(cdrom:\[[^\]]*\]\S*|\S+)\s+(\S+)\s*(.*)")
_YES, _NO = frozenset(("yes", "true", "1", "on", "with", "enable")), frozenset(("no", "false", "0", "off", "without"))
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
KEY_INSIDE = "in the file"


class Repository(NamedTuple):
    """verified is False where packages of it are taken without anybody's signature."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str | None
    file: str
    type: str
    verified: bool
    enabled: bool = True

    def as_dict(self) -> dict:
        return {
            "uri": self.uri,
            "suite": self.suite,
            "components": list(self.components),
            "signed_by": self.signed_by,
            "file": self.file,
            "type": self.type,
        }

    def __str__(self) -> str:
        return "%s (%s)" % (" ".join(word for word in (self.uri, self.suite) if word), self.file)


def without_secret(uri: str) -> str:
    """An address may have a name and password in it, which is nobody's business."""
    return re.sub(r"^([a-z0-9+.-]+://)[^/@]*@", r"\1", uri)


def parse_one_line(text: str, file: str) -> list[Repository]:
    """A file *.list: deb [option=value ...] address suite component..."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.partition("#")[0].strip()
        if not bare:
            continue
        match = _LINE.fullmatch(bare)
        if match is None:
            raise Unmeasurable("line %d of %s is no repository" % (number, file))
        kind, options, uri, suite, rest = match.groups()
        chosen = dict(one.partition("=")[::2] for one in (options or "").split())
        found.append(
            Repository(
                without_secret(uri),
                suite,
                tuple(rest.split()),
                chosen.get("signed-by") or None,
                file,
                kind,
                not _trusted(chosen),
            )
        )
    return found


def _trusted(chosen: dict[str, str]) -> bool:
    """Packages are taken though nobody's signature fits, or though there is none."""
    names = ("trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure")
    return any(chosen.get(name, "").lower() in _YES for name in names)


def parse_deb822(text: str, file: str) -> list[Repository]:
    """A file *.sources: one repository for each type, address and suite of a paragraph."""
    found = []
    for paragraph in _paragraphs(text):
        missing = [name for name in ("types", "uris", "suites") if not paragraph.get(name)]
        if missing:
            raise Unmeasurable("a paragraph of %s has no %s" % (file, ", ".join(missing)))
        signed_by = paragraph.get("signed-by", "").strip() or None
        if signed_by and "\n" in signed_by:
            signed_by = KEY_INSIDE
        found += [
            Repository(
                without_secret(uri),
                suite,
                tuple(paragraph.get("components", "").split()),
                signed_by,
                file,
                kind,
                not _trusted(paragraph),
                paragraph.get("enabled", "yes").strip().lower() not in _NO,
            )
            for kind in paragraph["types"].split()
            for uri in paragraph["uris"].split()
            for suite in paragraph["suites"].split()
        ]
    return found


def _paragraphs(text: str) -> list[dict[str, str]]:
    """Fields in lower case. A line that begins with a space goes on with the field before it; # begins a comment."""
    found: list[dict[str, str]] = [{}]
    last = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            found.append({})
        elif line[0] in " \t":
            found[-1][last] = "%s\n%s" % (found[-1].get(last, ""), line.strip())
        else:
            name, _colon, value = line.partition(":")
            last = name.strip().lower()
            found[-1][last] = value.strip()
    return [paragraph for paragraph in found if paragraph]


def parse_yum(text: str, file: str, main: dict[str, str]) -> list[Repository]:
    """A file *.repo. main are the settings of dnf.conf, which hold where a repository says nothing."""
    parser = configparser.RawConfigParser(strict=False, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise Unmeasurable("%s: %s" % (file, str(error).splitlines()[0])) from error
    found = []
    for section in parser.sections():
        if section == "main":
            continue
        given = {**{"gpgcheck": main.get("gpgcheck", "0"), "enabled": "1"}, **dict(parser[section])}
        # dnf takes packages from all of them.
        addresses = " ".join(given[name] for name in ("baseurl", "metalink", "mirrorlist") if given.get(name))
        found.append(
            Repository(
                " ".join(without_secret(one) for one in addresses.replace(",", " ").split()),
                section,
                (),
                " ".join(given.get("gpgkey", "").split()) or None,
                file,
                "rpm",
                given["gpgcheck"].strip().lower() in _YES,
                given["enabled"].strip().lower() in _YES,
            )
        )
    return found


def parse_dnf_main(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise Unmeasurable("%s: %s" % (_DNF, str(error).splitlines()[0])) from error
    return dict(parser["main"]) if parser.has_section("main") else {}


def measure(reader: Reader) -> dict:
    """unsigned: packages are taken without a signature; keyless: any key that is trusted may sign for it."""
    found = reader.once(every)
    enabled = [one for one in found if one.enabled]
    return {
        "enabled": [one.as_dict() for one in enabled],
        "unsigned": [str(one) for one in enabled if not one.verified],
        "keyless": [str(one) for one in enabled if not one.signed_by],
        "disabled": len(found) - len(enabled),
    }


def every(reader: Reader) -> list[Repository]:
    """All repositories in the files of apt or dnf, also those that are switched off."""
    main = reader.once(dnf_main)
    found = [one for place in reader.once(files)[1] for one in parse(reader.host.text(place), place, main)]
    # Where nothing is named a key is None, which has no order.
    return sorted(found, key=repr)


def parse(text: str, file: str, main: dict[str, str]) -> list[Repository]:
    """A file by its ending. main are the settings of dnf.conf."""
    if file.endswith(".list"):
        return parse_one_line(text, file)
    return parse_deb822(text, file) if file.endswith(".sources") else parse_yum(text, file, main)


def files(reader: Reader) -> tuple[str, list[str]]:
    """Which of the two, "apt" or "dnf", and the files in which it looks for repositories."""
    host = reader.host
    if host.exists(_APT + "/sources.list.d") or host.exists(_APT + "/sources.list"):
        # apt passes over other names, of an editor's copies for instance.
        parts = [name for name in host.names(_APT + "/sources.list.d") if _NAME.fullmatch(name)]
        named = [_place(_APT + "/sources.list.d", name) for name in parts if name.endswith((".list", ".sources"))]
        main = _APT + "/sources.list"
        return "apt", ([main] if host.exists(main) else []) + named
    if host.exists(_YUM):
        named = [_place(_YUM, name) for name in host.names(_YUM) if name.endswith(".repo")]
        return "dnf", ([_DNF] if host.exists(_DNF) else []) + named
    raise Absent("neither apt nor dnf is on this host")


def dnf_main(reader: Reader) -> dict[str, str]:
    """The settings that hold where a repository of dnf's says nothing."""
    return parse_dnf_main(reader.host.text(_DNF)) if reader.host.exists(_DNF) else {}


def _place(directory: str, name: str) -> str:
    return "%s/%s" % (directory, name)


# -- apt's settings ------------------------------------------------------------------------------------------------


def parse_dump(text: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """`apt-config dump`: settings with one value, and lists, whose lines end in "::". Names are in lower case."""
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {}
    for name, value in re.findall(r'^(\S+) "(.*)";$', text, re.MULTILINE):
        lowered = name.lower()
        if lowered.endswith("::"):
            many.setdefault(lowered[:-2], []).append(value)
        else:
            single[lowered] = value
    return single, many


def prepare_apt(reader: Reader) -> None:
    reader.host.prepare("apt-config", "dump", unprivileged=True)


def apt_config(reader: Reader, name: str) -> dict:
    """What is set to nothing counts as not set, as it does for apt."""
    single, many = reader.once(dump)
    lowered = name.lower()
    return {"value": single.get(lowered) or None, "values": many.get(lowered, [])}


def dump(reader: Reader) -> tuple[dict[str, str], dict[str, list[str]]]:
    """apt's settings as apt has put them together, by parse_dump()."""
    return parse_dump(reader.answer("apt-config", "dump", unprivileged=True).out)


def dump_within_reach(reader: Reader) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The same without what apt.conf says. The command line comes too late to have apt pass over it."""
    if not reader.host.exists(APT_MAIN):
        found: tuple[dict[str, str], dict[str, list[str]]] = reader.once(dump)
        return found
    with tempfile.NamedTemporaryFile("w", prefix="msp-audit-", encoding="utf-8") as first:
        first.write('Dir::Etc::main "/dev/null";\n')
        first.flush()
        # Who asks has no rights of root's.
        os.chmod(first.name, 0o644)
        return parse_dump(reader.answer("env", "APT_CONFIG=" + first.name, "apt-config", "dump", unprivileged=True).out)
