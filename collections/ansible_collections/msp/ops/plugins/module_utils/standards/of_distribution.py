# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which repositories are the distribution's own, whatever host serves them, and which of them a host cannot do without.

A mirror is told by what it serves: of apt a release file that the distribution signed, of dnf packages that only its
keys may sign. Reads what is on the host and asks no repository anything.
"""

from __future__ import annotations

import re

from ansible_collections.msp.ops.plugins.module_utils.audit import operating_system, updates
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader
from ansible_collections.msp.ops.plugins.module_utils.standards.repositories import Repository

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
# By the id of the distribution: who its release files say they are of, and the keys that it brings along for itself.
_ORIGINS = {"debian": "Debian", "ubuntu": "Ubuntu"}
_KEYRINGS = {
    "debian": ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"),
    "ubuntu": ("/usr/share/keyrings/ubuntu-archive-keyring.gpg",),
}
_RPM_KEYS = re.compile(
    r"file:/+etc/pki/rpm-gpg/RPM-GPG-KEY-"
    r"(redhat-release|rockyofficial|Rocky-[0-9]+|AlmaLinux(-[0-9]+)?|centosofficial|CentOS-Official|oracle|fedora(-[\w-]+)?)"
)
_STABLE = ("stable", "oldstable", "oldoldstable", "testing")


def os_release(reader: Reader) -> dict[str, str]:
    """What the host says it is; nothing, where it does not."""
    for name in _OS_RELEASE:
        if reader.host.exists(name):
            found: dict[str, str] = operating_system.parse_os_release(reader.host.text(name))
            return found
    return {}


def is_own(reader: Reader, one: Repository) -> bool:
    """Whether all that a repository serves is the distribution's, by its signature."""
    if one.type == "rpm":
        keys = (one.signed_by or "").split()
        return one.verified and bool(keys) and all(_RPM_KEYS.fullmatch(key) for key in keys)
    return bool(reader.once(_is_signed, one.uri, one.suite))


def _is_signed(reader: Reader, uri: str, suite: str) -> bool:
    host, name = reader.host, reader.once(os_release).get("ID", "")
    keyring = next((one for one in _KEYRINGS.get(name, ()) if host.exists(one)), None)
    release = _release_file(reader, uri, suite)
    if keyring is None or release is None:
        return False
    said = updates.parse_release(host.text(release)).get("Origin")
    return said == _ORIGINS[name] and _verified(reader, keyring, release)


def _release_file(reader: Reader, uri: str, suite: str) -> str | None:
    """What apt fetched last of it, with its signature inside."""
    names = updates.release_files("%s %s/main" % (uri, suite))
    places = ["%s/%s" % (updates.LISTS, one) for one in names if one.endswith("InRelease")]
    return next((one for one in places if reader.host.exists(one)), None)


def _verified(reader: Reader, keyring: str, release: str) -> bool:
    """By the program that apt itself uses on this host. One signature of the distribution is enough."""
    host = reader.host
    keys, file = host.path(keyring), host.path(release)
    if host.program("gpgv"):
        found = host.run("gpgv", "--status-fd", "1", "--keyring", keys, file, unprivileged=True)
        words = [line.split()[1] for line in found.out.splitlines() if line.startswith("[GNUPG:] ")]
        return "VALIDSIG" in words and "BADSIG" not in words
    output = "%s/%s" % (host.scratch(), file.rpartition("/")[2])
    return bool(
        host.run("sqv", "--keyring", keys, "--output", output, "--cleartext", file, unprivileged=True).status == 0
    )


# -- what a host cannot do without ---------------------------------------------------------------------------------


def parts(reader: Reader, one: Repository) -> set[str]:
    """The parts of the distribution that a repository brings: what no other's repository can stand in for."""
    if one.type == "rpm":
        return {part for part in ("baseos", "appstream") if part in one.suite.lower()} if _is_binary(one) else set()
    if one.type != "deb" or "main" not in one.components or reader.once(_is_of_others, one.uri, one.suite):
        return set()
    told = reader.once(os_release)
    codename = told.get("VERSION_CODENAME", "")
    names = {codename, told.get("UBUNTU_CODENAME", ""), *_STABLE} - {""}
    if one.suite in names:
        return {"%s main" % (codename or one.suite)}
    if one.suite.endswith(("-security", "/updates")) and re.split("[-/]", one.suite)[0] in names:
        return {"security updates of %s" % (codename or one.suite)}
    return set()


def _is_binary(one: Repository) -> bool:
    return not re.search(r"source|debug|-src", one.suite.lower())


def _is_of_others(reader: Reader, uri: str, suite: str) -> bool:
    """Its release file says another origin. Where there is none yet its name counts."""
    release = _release_file(reader, uri, suite)
    said = updates.parse_release(reader.host.text(release)).get("Origin") if release else None
    return said is not None and said not in _ORIGINS.values()
