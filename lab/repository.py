"""A small repository of made packages, so that a test knows to the last one what is pending on a host.

    repository = Repository(tmp_path / "repository")
    repository.publish(MAIN, [Package("lab-shop", "1.0"), Package("lab-shop-data", "1.0")])
    repository.publish(SECURITY, [Package("lab-shop", "1.1", cves=("CVE-2026-0001",))])
    repository.copy_to(container)                        # /srv/lab-repository and its list of sources
    podman.run("exec", container, "apt-get", "update")   # with lab.podman

publish() replaces what a suite holds; copy_to() after it is a mirror that has moved on. serve() gives the same over
HTTP, for a mirror that can go away: write repository.sources(url) to the host yourself.

There are two suites: "main", with the label Lab, and "security", with the label Lab-Security, which is how a host tells
the one archive from the other. Nothing is signed, so the sources say trusted. It needs dpkg-deb, and never touches the
apt of the machine it runs on.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime, parsedate_to_datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab import podman

MAIN, SECURITY = SUITES = ("main", "security")
# As in Debian, the label tells the archives apart. A host calls them Lab/main and Lab-Security/security.
LABELS = {MAIN: "Lab", SECURITY: "Lab-Security"}
# Where a host has its copy, and the file that names it.
ON_HOST = "/srv/lab-repository"
SOURCES_FILE = "/etc/apt/sources.list.d/lab.list"


@dataclass(frozen=True)
class Package:
    """One version of one package.

    fields are more lines of its control file (Depends, Conflicts, Phased-Update-Percentage, Installed-Size, ...), files
    its contents by absolute path, scripts the maintainer's by name (postinst, prerm, ...), conffiles paths among files.
    entries are older versions of its changelog, newest first: (version, distribution, CVE names). cves are those that
    the entry of this version names. mode is that of every file.
    """

    name: str
    version: str
    architecture: str = "all"
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    conffiles: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    entries: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    distribution: str = "lab"
    changelog: bool = True
    mode: int = 0o644

    @property
    def file_name(self) -> str:
        # A file's name has no epoch, as in Debian.
        return f"{self.name}_{self.version.rpartition(':')[2]}_{self.architecture}.deb"

    def control(self) -> str:
        values = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": "Example IT <packages@example.com>",
            "Priority": "optional",
            "Section": "misc",
            **self.fields,
            "Description": "made for a test",
        }
        return "".join(f"{name}: {value}\n" for name, value in values.items())

    def changelog_text(self) -> str:
        newest = (self.version, self.distribution, self.cves)
        return "".join(self._entry(*entry) for entry in (newest, *self.entries))

    def _entry(self, version: str, distribution: str, cves: Sequence[str]) -> str:
        source = self.fields.get("Source", self.name).split(" ")[0]
        lines = [f"  * Fix {cve}." for cve in cves] or ["  * Other work."]
        signed = " -- Example IT <packages@example.com>  Mon, 02 Mar 2026 10:00:00 +0000"
        return "\n".join([f"{source} ({version}) {distribution}; urgency=medium", "", *lines, "", signed, "", ""])

    def contents(self) -> dict[str, bytes]:
        found = {path: text.encode() for path, text in self.files.items()}
        if self.changelog:
            packed = gzip.compress(self.changelog_text().encode(), mtime=0)
            found[f"/usr/share/doc/{self.name}/changelog.Debian.gz"] = packed
        return found


def build(package: Package, place: Path) -> Path:
    """The package as a file in a directory."""
    target = place / package.file_name
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made) / "tree"
        control = tree / "DEBIAN"
        control.mkdir(parents=True, mode=0o755)
        (control / "control").write_text(package.control(), encoding="utf-8")
        if package.conffiles:
            (control / "conffiles").write_text("".join(f"{path}\n" for path in package.conffiles), encoding="utf-8")
        for name, text in package.scripts.items():
            (control / name).write_text(text, encoding="utf-8")
            (control / name).chmod(0o755)
        for path, data in package.contents().items():
            file = tree / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            file.chmod(package.mode)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(target)],
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return target


@dataclass(frozen=True)
class Repository:
    """The repository in a directory: pool/SUITE has the packages, dists/SUITE the lists."""

    place: Path
    architecture: str = "amd64"

    def publish(self, suite: str, packages: Sequence[Package]) -> None:
        """Let a suite hold these packages and no others; the other suite is there too, if empty."""
        self._write(suite, packages)
        for other in SUITES:
            if not (self.place / "dists" / other).exists():
                self._write(other, [])

    def _write(self, suite: str, packages: Sequence[Package]) -> None:
        pool = self.place / "pool" / suite
        shutil.rmtree(pool, ignore_errors=True)
        pool.mkdir(parents=True)
        paragraphs = [self._paragraph(package, build(package, pool)) for package in packages]
        index = self.place / "dists" / suite / "main" / f"binary-{self.architecture}"
        index.mkdir(parents=True, exist_ok=True)
        (index / "Packages").write_text("\n".join(paragraphs), encoding="utf-8")
        self._release(suite)

    def _paragraph(self, package: Package, file: Path) -> str:
        data = file.read_bytes()
        lines = {
            "Filename": str(file.relative_to(self.place)),
            "Size": str(len(data)),
            "SHA256": hashlib.sha256(data).hexdigest(),
        }
        return package.control() + "".join(f"{name}: {value}\n" for name, value in lines.items())

    def _release(self, suite: str) -> None:
        top = self.place / "dists" / suite
        index = top / "main" / f"binary-{self.architecture}" / "Packages"
        data = index.read_bytes()
        date = self._date(top / "Release")
        lines = [
            "Origin: Lab",
            f"Label: {LABELS[suite]}",
            f"Suite: {suite}",
            f"Codename: {suite}",
            f"Date: {format_datetime(date, usegmt=True)}",
            f"Architectures: all {self.architecture}",
            "Components: main",
            "SHA256:",
            f" {hashlib.sha256(data).hexdigest()} {len(data)} {index.relative_to(top)}",
        ]
        (top / "Release").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for file in (index, top / "Release"):
            os.utime(file, (date.timestamp(), date.timestamp()))

    def _date(self, release: Path) -> dt.datetime:
        """Now, but always later than the last: apt takes a list with the same date for the same list.

        Where it reads files itself, the time of the file counts, in whole seconds.
        """
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        if release.exists():
            last = next(line for line in release.read_text(encoding="utf-8").splitlines() if line.startswith("Date: "))
            now = max(now, parsedate_to_datetime(last.removeprefix("Date: ")) + dt.timedelta(seconds=1))
        return now

    def sources(self, address: str = f"file:{ON_HOST}", suites: Sequence[str] = SUITES) -> str:
        """The lines of a list of sources; address is where a host finds the repository."""
        return "".join(f"deb [trusted=yes] {address} {suite} main\n" for suite in suites)

    def copy_to(self, container: str, suites: Sequence[str] = SUITES) -> None:
        """Put the repository and a list of sources that names it into a running container; apt there is not run."""
        with tempfile.TemporaryDirectory() as made:
            tree = Path(made) / "tree"
            shutil.copytree(self.place, tree / ON_HOST.lstrip("/"))
            file = tree / SOURCES_FILE.lstrip("/")
            file.parent.mkdir(parents=True)
            file.write_text(self.sources(suites=suites), encoding="ascii")
            # apt fetches as a user of its own, who must get through.
            for path in (tree, *tree.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            podman.run("exec", container, "rm", "-rf", ON_HOST)
            podman.run("cp", f"{tree}/.", f"{container}:/")

    @contextmanager
    def serve(self, address: str) -> Iterator[str]:
        """Serve it over HTTP on one address of this machine while the block runs; gives the URL."""
        handler = partial(_Quiet, directory=str(self.place))
        server = ThreadingHTTPServer((address, 0), handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def send_head(self) -> Any:
        """The whole file always: what was published twice in one second would be "not modified" otherwise."""
        del self.headers["If-Modified-Since"]
        return super().send_head()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is its own."""
