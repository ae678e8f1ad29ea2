# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The repositories that a standard gives a host: their files as they have to be, and what of them is not there.

Pure: no file is read or written. Each has its own key in a file of its own; apt trusts that key for nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards.repositories import Repository, without_secret

APT = "apt"
KEYS = ("uri", "suites", "components", "key")
HEAD = "# Written by msp.ops (msp_software_set). What is changed here is changed back.\n"
# Where a suite has the host's own release in it: one setting serves hosts of several releases.
CODENAME = "{codename}"


class Wanted(NamedTuple):
    """A repository that a host has to have. key is the public key itself, in ASCII armour. suites and components are
    apt's; a suite that ends in a slash is a directory, and has no components.
    """

    name: str
    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    key: str


class File(NamedTuple):
    path: str
    content: str


def wanted(given: Mapping[str, Mapping[str, str]], codename: str, manager: str) -> list[Wanted]:
    """The parameter `repositories` of the control, each checked. MSP-STD-101 for one that cannot be meant."""
    return [_wanted(str(name), given[name], codename, manager) for name in sorted(given)]


def _wanted(name: str, given: Mapping[str, str], codename: str, manager: str) -> Wanted:
    def wrong(found: str) -> MspError:
        return MspError(
            "MSP-STD-101",
            "the repository %s to have a uri, a key in ASCII armour and, for apt, suites" % name,
            found,
            "correct it in the parameters of repositories-configured",
        )

    if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name):
        raise wrong("a name that cannot name a file")
    for key in sorted(given):
        if key not in KEYS:
            raise wrong("the unknown key %s" % key)
    uri = str(given.get("uri", ""))
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*:[^\s\[\]]+", uri) or without_secret(uri) != uri:
        raise wrong("a uri with a password in it" if without_secret(uri) != uri else "the uri %r" % uri)
    key = str(given.get("key", "")).strip()
    if not key.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----") or "-----END PGP PUBLIC KEY BLOCK-----" not in key:
        raise wrong("no public key")
    suites = str(given.get("suites", "")).replace(CODENAME, codename).split()
    components = str(given.get("components", "")).split()
    if any(not re.fullmatch(r"[A-Za-z0-9./_~+-]+", word) for word in suites + components):
        raise wrong("the suites %s and components %s" % (suites, components))
    if manager == APT and (not suites or all(one.endswith("/") for one in suites) == bool(components)):
        raise wrong("suites and components that do not go together" if suites else "no suites")
    return Wanted(name, uri, tuple(suites), tuple(components), key + "\n")


def key_file(one: Wanted, manager: str) -> str:
    return ("/etc/apt/keyrings/msp-%s.asc" if manager == APT else "/etc/pki/rpm-gpg/msp-%s.asc") % one.name


def files(one: Wanted, manager: str) -> list[File]:
    """The key first: a repository without its key cannot be checked."""
    key = key_file(one, manager)
    if manager == APT:
        lines = ["Types: deb", "URIs: " + one.uri, "Suites: " + " ".join(one.suites)]
        lines += ["Components: " + " ".join(one.components)] if one.components else []
        lines += ["Signed-By: " + key]
        return [File(key, one.key), File("/etc/apt/sources.list.d/msp-%s.sources" % one.name, _text(lines))]
    lines = ["[msp-%s]" % one.name, "name=" + one.name, "baseurl=" + one.uri, "enabled=1", "gpgcheck=1"]
    return [
        File(key, one.key),
        File("/etc/yum.repos.d/msp-%s.repo" % one.name, _text([*lines, "gpgkey=file://" + key])),
    ]


def _text(lines: list[str]) -> str:
    return HEAD + "\n".join(lines) + "\n"


def missing(asked: Iterable[Wanted], found: Iterable[Repository], keys: Mapping[str, str], manager: str) -> list[str]:
    """What is not as it has to be, in words. keys is what is in the files of keys, by path, as far as they are there.

    Held against everything that is switched on, in whatever file.
    """
    there = list(found)
    said = []
    for one in asked:
        key = key_file(one, manager)
        named = key if manager == APT else "file://" + key
        mine = [each for each in there if each.uri.rstrip("/") == one.uri.rstrip("/") and each.signed_by == named]
        lacking = [suite for suite in one.suites if not _carries(mine, suite, one.components)] if manager == APT else []
        if lacking or not mine:
            said.append(" ".join(["%s: %s" % (one.name, one.uri), *lacking, "is not switched on with its own key"]))
        elif keys.get(key, "").strip() != one.key.strip():
            said.append("%s: %s" % (one.name, "its key is another" if key in keys else "its key is not there"))
        elif not all(each.verified for each in mine):
            said.append("%s: its signatures are not checked" % one.name)
    return said


def _carries(found: list[Repository], suite: str, components: tuple[str, ...]) -> bool:
    return any(each.suite == suite and set(components) <= set(each.components) for each in found)
