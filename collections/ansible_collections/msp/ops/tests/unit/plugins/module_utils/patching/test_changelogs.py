# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which holes each version closes, by the changelog in a package."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching import changelogs, shape
from ansible_collections.msp.ops.plugins.module_utils.patching.changelogs import Wanting

TEXT = """\
openssl (3.0.22-1~deb12u2) bookworm-security; urgency=medium

  * CVE-2026-0002 (a hole), cve-2026-0003.

 -- Example IT <packages@example.com>  Mon, 02 Mar 2026 10:00:00 +0000

openssl (3.0.22-1~deb12u1) bookworm; urgency=medium

  * Fix CVE-2026-0001.

openssl (3.0.22-1) unstable; urgency=medium

  * Fix CVE-2026-0004.

openssl (3.0.20-1~deb12u2) bookworm-security; urgency=medium

  * Fix CVE-2025-9999.
"""


def row(candidate: str = "3.0.22-1~deb12u2", security: bool | None = False) -> dict:
    versions = [shape.version(candidate, "Debian/bookworm", False)]
    found = shape.update("openssl", "amd64", "3.0.20-1~deb12u2", candidate, security=security, versions=versions)
    found.update(source="openssl", source_from="3.0.20-1~deb12u2", source_to="3.0.22-1~deb12u2")
    return found


def test_the_entries_above_the_installed_version_are_read_and_no_other() -> None:
    assert changelogs.parse(TEXT, "3.0.20-1~deb12u2") == [
        ("3.0.22-1~deb12u2", "bookworm-security", ["CVE-2026-0002", "CVE-2026-0003"]),
        ("3.0.22-1~deb12u1", "bookworm", ["CVE-2026-0001"]),
        ("3.0.22-1", "unstable", ["CVE-2026-0004"]),
    ]


def test_a_version_that_no_archive_has_any_more_is_told_by_the_changelog_and_can_make_it_a_security_update() -> None:
    found = row("3.0.22-1~deb12u3")
    changelogs.merge(found, changelogs.parse(TEXT, "3.0.20-1~deb12u2"), "3.0.22-1~deb12u3")

    assert [(one["version"], one["origin"], one["security"]) for one in found["versions"]] == [
        ("3.0.22-1~deb12u1", "changelog/bookworm", False),
        ("3.0.22-1~deb12u2", "changelog/bookworm-security", True),
        ("3.0.22-1~deb12u3", "Debian/bookworm", False),
    ]
    assert found["security"] is True
    # What a release got from a later one has a higher number than the candidate, which stands for it.
    assert found["versions"][-1]["cves"] == ["CVE-2026-0004"]
    assert found["cves"] == ["CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003", "CVE-2026-0004"]


def test_a_rebuild_has_the_entry_of_what_it_was_rebuilt_from() -> None:
    found = row("3.0.22-1~deb12u2+b1")
    changelogs.merge(found, changelogs.parse(TEXT, "3.0.22-1~deb12u1"), "3.0.22-1~deb12u2")

    assert [one["version"] for one in found["versions"]] == ["3.0.22-1~deb12u2+b1"]
    assert (found["versions"][0]["cves"], found["versions"][0]["changelog"]) == (
        ["CVE-2026-0002", "CVE-2026-0003"],
        True,
    )


def test_a_package_that_counts_otherwise_than_its_source_has_all_entries_at_its_candidate() -> None:
    found = row("1:9.4")
    changelogs.merge(found, changelogs.parse(TEXT, "3.0.20-1~deb12u2"), "3.0.22-1~deb12u2")

    assert [one["version"] for one in found["versions"]] == ["1:9.4"]
    assert len(found["cves"]) == 4


def test_nobody_can_tell_is_not_made_a_no_by_a_changelog() -> None:
    found = row(security=None)
    changelogs.merge(found, [], "3.0.22-1~deb12u2")

    assert found["security"] is None


def archive(*members: tuple[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for name, data in members:
            told = tarfile.TarInfo(name)
            told.size = len(data)
            made.addfile(told, io.BytesIO(data))
        link = tarfile.TarInfo("./usr/share/doc/linked/changelog.Debian.gz")
        link.type, link.linkname = tarfile.SYMTYPE, "../openssl/changelog.Debian.gz"
        made.addfile(link)
    stream.seek(0)
    return stream


def test_the_packagers_changelog_is_found_in_a_stream_and_anothers_is_not() -> None:
    members = (
        ("./usr/share/doc/other/changelog.Debian.gz", gzip.compress(b"other")),
        ("./usr/share/doc/openssl/changelog.gz", gzip.compress(b"upstream")),
        ("./usr/share/doc/openssl/changelog.Debian.gz", gzip.compress(b"debian")),
    )
    end = time.monotonic() + 60

    assert changelogs._find(archive(*members), "openssl", end) == "debian"
    assert changelogs._find(archive(*members[:2]), "openssl", end) == "upstream"
    assert changelogs._find(archive(*members), "linked", end) is None


def test_a_changelog_that_unpacks_to_very_much_is_read_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelogs, "MOST_BYTES_OF_A_CHANGELOG", 100_000)
    member = ("./usr/share/doc/openssl/changelog.Debian.gz", gzip.compress(b"x" * 10_000_000))

    found = changelogs._find(archive(member), "openssl", time.monotonic() + 60)

    assert found is not None
    assert len(found) == 100_000


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("MOST_SOURCES", 0, "more than 0 source packages have updates"),
        ("MOST_BYTES_A_PACKAGE", 10, "its smallest package has 2 MB"),
        ("MOST_BYTES", 10, "the changelogs before it took 0 MB already"),
        ("MOST_SECONDS", -1, "the time for changelogs is over"),
    ],
)
def test_what_is_over_a_bound_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int, why: str
) -> None:
    monkeypatch.setattr(changelogs, name, value)
    host = Host(str(tmp_path))

    changelogs.collect(host, [Wanting("openssl", row(), 2_000_000)])

    assert host.notes == {("changelog of openssl", why)}


def test_a_download_that_fails_is_said_with_apts_own_words(tmp_path: Path) -> None:
    program = tmp_path / "usr/bin/apt-get"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'E: Failed to fetch it' >&2\nexit 100\n")
    program.chmod(0o755)
    host = Host(str(tmp_path))
    host.privileged = False
    found = row()

    changelogs.collect(host, [Wanting("openssl", found, 2_000)])
    host.close()

    assert host.notes == {("changelog of openssl", "apt-get download ended with status 100: E: Failed to fetch it")}
    assert found["versions"][0]["changelog"] is False
