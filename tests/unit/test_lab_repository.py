"""The repository of made packages: what a suite says of them is what is in them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from urllib.request import urlopen

import pytest

from lab.repository import MAIN, SECURITY, Package, Repository

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not on this machine")


def paragraph(repository: Repository, suite: str) -> dict[str, str]:
    text = (repository.place / "dists" / suite / "main" / "binary-amd64" / "Packages").read_text(encoding="utf-8")
    return dict(line.partition(": ")[::2] for line in text.splitlines())


def test_a_list_says_where_a_package_is_and_what_its_hash_is(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.publish(SECURITY, [Package("lab-shop", "1:1.1", fields={"Depends": "lab-shop-data"})])

    said = paragraph(repository, SECURITY)
    file = tmp_path / said["Filename"]

    assert (said["Package"], said["Version"], said["Depends"]) == ("lab-shop", "1:1.1", "lab-shop-data")
    assert said["SHA256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "Label: Lab-Security" in (tmp_path / "dists" / "security" / "Release").read_text(encoding="utf-8")
    assert "Label: Lab\n" in (tmp_path / "dists" / "main" / "Release").read_text(encoding="utf-8")


def test_a_package_has_its_files_its_scripts_and_a_changelog(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    package = Package(
        "lab-shop",
        "1.1",
        files={"/etc/lab-shop.conf": "open = yes\n"},
        conffiles=("/etc/lab-shop.conf",),
        scripts={"postinst": "#!/bin/sh\nexit 1\n"},
        cves=("CVE-2026-0001",),
    )
    repository.publish(MAIN, [package])

    out = tmp_path / "out"
    file = str(tmp_path / "pool" / "main" / package.file_name)
    subprocess.run(["dpkg-deb", "--raw-extract", file, str(out)], check=True)

    assert (out / "etc" / "lab-shop.conf").read_text(encoding="utf-8") == "open = yes\n"
    assert (out / "DEBIAN" / "conffiles").read_text(encoding="utf-8") == "/etc/lab-shop.conf\n"
    assert (out / "DEBIAN" / "postinst").stat().st_mode & 0o111
    assert "* Fix CVE-2026-0001." in package.changelog_text()
    assert (out / "usr" / "share" / "doc" / "lab-shop" / "changelog.Debian.gz").exists()


def test_what_is_published_again_replaces_what_was_there_and_is_later(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.publish(MAIN, [Package("lab-shop", "1.0")])
    release = tmp_path / "dists" / "main" / "Release"
    before, first = release.read_text(encoding="utf-8"), release.stat().st_mtime
    repository.publish(MAIN, [Package("lab-shop", "1.1")])
    after = release.read_text(encoding="utf-8")

    dates = [line for text in (before, after) for line in text.splitlines() if line.startswith("Date: ")]
    assert paragraph(repository, MAIN)["Version"] == "1.1"
    assert not (tmp_path / "pool" / "main" / "lab-shop_1.0_all.deb").exists()
    assert dates[0] != dates[1]
    assert release.stat().st_mtime >= first + 1  # what apt goes by where it reads the files itself


def test_the_same_is_served_over_http(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.publish(MAIN, [Package("lab-shop", "1.0")])

    with repository.serve("127.0.0.1") as url, urlopen(f"{url}/dists/main/Release") as answer:  # noqa: S310 - our own
        assert b"Label: Lab\n" in answer.read()
    assert repository.sources(url).startswith(f"deb [trusted=yes] {url} main main\n")
