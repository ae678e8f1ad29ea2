# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A mirror of the distribution is told by its signature, and what a host cannot do without by its suite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import of_distribution, repositories
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader
from ansible_collections.msp.ops.plugins.module_utils.standards.repositories import Repository
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import (
    called,
    made_reader,
    printing,
)

RELEASE = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: Debian\nLabel: Debian\nSHA256:\n"
HOST = {
    "/etc/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "",
    "/var/lib/apt/lists/ftp.nl.debian.org_debian_dists_bookworm_InRelease": RELEASE,
    "/var/lib/apt/lists/apt.grafana.com_dists_stable_InRelease": RELEASE.replace("Debian", "grafana stable"),
}
GOOD = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 6ED0E7B82643E131 Debian\n[GNUPG:] VALIDSIG 4CB50190207B4758\n"
BAD = "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 6ED0E7B82643E131 Debian\n"
UNKNOWN = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 6ED0E7B82643E131 1 8 01\n[GNUPG:] NO_PUBKEY 6ED0E7B82643E131\n"
# One key is of a release that this keyring is too old for.
BOTH = UNKNOWN + GOOD


def host(root: Path, said: str = GOOD, files: Mapping[str, str] | None = None) -> Reader:
    return made_reader(root, {**HOST, **(files or {})}, {"gpgv": printing(said) + "\nexit 2"})


def only(line: str) -> Repository:
    (found,) = repositories.parse_one_line(line, "/etc/apt/sources.list")
    return found


MIRROR = only("deb http://ftp.nl.debian.org/debian bookworm main")


@pytest.mark.parametrize(
    ("said", "own"), [(GOOD, True), (BOTH, True), (BAD, False), (GOOD + BAD, False), (UNKNOWN, False), ("", False)]
)
def test_a_mirror_is_the_distributions_where_the_distribution_signed_its_release(
    tmp_path: Path, said: str, own: bool
) -> None:
    reader = host(tmp_path, said)

    assert of_distribution.is_own(reader, MIRROR) is own
    keyring = f"--keyring {tmp_path}/usr/share/keyrings/debian-archive-keyring.gpg"
    assert [line.partition(" /var")[0].startswith(f"gpgv --status-fd 1 {keyring}") for line in called(tmp_path)]


def test_where_apt_has_another_program_for_signatures_that_one_is_asked(tmp_path: Path) -> None:
    for ends, own in (("exit 0", True), ("exit 1", False)):
        root = tmp_path / ends.replace(" ", "")
        root.mkdir()
        assert of_distribution.is_own(made_reader(root, HOST, {"sqv": ends}), MIRROR) is own
        (line,) = called(root)
        assert line.startswith(f"sqv --keyring {root}/usr/share/keyrings/debian-archive-keyring.gpg --output ")
        assert line.endswith(f"--cleartext {root}/var/lib/apt/lists/ftp.nl.debian.org_debian_dists_bookworm_InRelease")


@pytest.mark.parametrize(
    "line",
    [
        "deb http://mirror.example.com/debian bookworm main",  # nothing was fetched from it
        "deb https://apt.grafana.com stable main",  # says itself that it is another's
        "deb http://ftp.nl.debian.org/debian trixie main",
        "deb http://ftp.nl.debian.org/debian ./",
    ],
)
def test_what_nobody_can_tell_is_not_the_distributions(tmp_path: Path, line: str) -> None:
    assert of_distribution.is_own(host(tmp_path), only(line)) is False


@pytest.mark.parametrize("lacking", ["/etc/os-release", "/usr/share/keyrings/debian-archive-keyring.gpg"])
def test_without_the_distributions_keys_nothing_is_proved(tmp_path: Path, lacking: str) -> None:
    files = {name: text for name, text in HOST.items() if name != lacking}

    assert of_distribution.is_own(made_reader(tmp_path, files, {"gpgv": printing(GOOD)}), MIRROR) is False


def rpm(name: str, key: str | None, *, verified: bool = True) -> Repository:
    return Repository("https://rhui.example.com/x", name, (), key, "/etc/yum.repos.d/x.repo", "rpm", verified)


KEY = "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-"


@pytest.mark.parametrize(
    ("one", "own"),
    [
        (rpm("rhui-baseos", KEY + "redhat-release"), True),
        (rpm("baseos", KEY + "Rocky-9"), True),
        (rpm("baseos", KEY + "AlmaLinux-9"), True),
        (rpm("baseos", KEY + "redhat-release", verified=False), False),
        (rpm("epel", KEY + "EPEL-9"), False),
        (rpm("baseos", KEY + "redhat-release https://evil.example.com/key"), False),
        (rpm("baseos", None), False),
    ],
)
def test_of_dnf_what_only_the_distributions_keys_may_sign_is_the_distributions(
    tmp_path: Path, one: Repository, own: bool
) -> None:
    assert of_distribution.is_own(host(tmp_path), one) is own


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("deb http://x.example.com/debian bookworm main contrib", {"bookworm main"}),
        ("deb http://x.example.com/debian stable main", {"bookworm main"}),
        ("deb http://x.example.com/debian bookworm contrib", set()),
        ("deb-src http://x.example.com/debian bookworm main", set()),
        ("deb http://x.example.com/debian-security bookworm-security main", {"security updates of bookworm"}),
        ("deb http://x.example.com/debian-security stable/updates main", {"security updates of bookworm"}),
        ("deb http://x.example.com/debian bookworm-backports main", set()),
        ("deb http://x.example.com/pgdg bookworm-pgdg main", set()),
        ("deb https://apt.grafana.com stable main", set()),
    ],
)
def test_the_parts_of_a_distribution_are_told_by_suite_and_component(
    tmp_path: Path, line: str, parts: set[str]
) -> None:
    assert of_distribution.parts(host(tmp_path), only(line)) == parts


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("rhel-9-for-x86_64-baseos-rpms", {"baseos"}),
        ("AppStream", {"appstream"}),
        ("rhel-9-for-x86_64-baseos-source-rpms", set()),
        ("baseos-debuginfo", set()),
        ("epel", set()),
    ],
)
def test_the_parts_of_the_rhel_family_are_told_by_their_names(tmp_path: Path, name: str, parts: set[str]) -> None:
    assert of_distribution.parts(host(tmp_path), rpm(name, None)) == parts
