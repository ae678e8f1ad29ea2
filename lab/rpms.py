"""Small repositories of made RPM packages with errata, inside a container that has dnf, rpm and createrepo-c.

    with dnf_host("msp-test-dnf", image.DEBIAN_13_DNF) as host:
        host.publish("updates", [Rpm("lab-shop", "1.1")], [Notice("LAB-SA-2026:0001", "security", "Critical", (...))])
        host.configure({"updates": {}})
        podman.run("exec", host.container, "dnf", "makecache")

lab/repository.py is the same for Debian packages. The container serves its repositories to itself over HTTP on its own
loopback address, so that packages are downloaded as from a mirror. Nothing is signed, and the repositories say so.
Everything is built inside the container: this machine needs no rpm. Never touches a container that it did not start.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from lab import podman
from lab.image import Recipe

PLACE = "/srv/lab-rpms"
PORT = 47080
COLLECTIONS = Path(__file__).resolve().parent.parent / "collections"
# Where a container finds the collection, read-only: what travels to hosts is run there with the host's own Python.
ON_HOST = "/srv/collections"


@dataclass(frozen=True)
class Rpm:
    """One version of one package. weight is how many bytes it installs, fails a script of it that does: pre, post.

    files are its contents by absolute path; configs those of them that are configuration, by how an edited one is
    treated: "noreplace" (it stays), "" (the new one replaces it). copies are files of the host that builds it, by the
    path at which the package has them. scripts are shell scripts by name (pre, post, preun, postun): whoever uses them
    needs a package that provides /bin/sh (SHELL).
    """

    name: str
    version: str
    release: str = "1"
    epoch: str = ""
    architecture: str = "noarch"
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    weight: int = 0
    fails: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def evr(self) -> str:
        """As dnf prints it: the epoch only where there is one."""
        return f"{self.epoch + ':' if self.epoch else ''}{self.version}-{self.release}"

    @property
    def nevra(self) -> str:
        return f"{self.name}-{self.epoch or '0'}:{self.version}-{self.release}.{self.architecture}"

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-{self.release}.{self.architecture}.rpm"

    def spec(self) -> str:
        """What rpmbuild makes it from. A package that is not noarch is of the machine's own architecture."""
        content = f"/usr/share/{self.name}/content"
        lines = [
            f"Name: {self.name}",
            f"Version: {self.version}",
            f"Release: {self.release}",
            *([f"Epoch: {self.epoch}"] if self.epoch else []),
            "Summary: made for a test",
            "License: none",
            *(["BuildArch: noarch"] if self.architecture == "noarch" else []),
            # What a copied program needs is on the host, and in no package of rpm's.
            "AutoReqProv: no",
            *(f"Requires: {name}" for name in self.requires),
            *(f"Provides: {name}" for name in self.provides),
            *(f"Obsoletes: {name}" for name in self.obsoletes),
            "%description",
            "made for a test",
            "%install",
            f"mkdir -p %{{buildroot}}/usr/share/{self.name}",
            f"head -c {self.weight} /dev/urandom >%{{buildroot}}{content}",
            *self._install(),
            # rpm's own Lua needs no shell, which no package here provides.
            *([f"%{self.fails} -p <lua>", 'error("made to fail")'] if self.fails else []),
            *(line for name, text in self.scripts.items() for line in (f"%{name}", text.replace("%", "%%"))),
            "%files",
            content,
            *(f"%config({how}) {path}" if how else f"%config {path}" for path, how in self.configs.items()),
            *(path for path in (*self.files, *self.copies) if path not in self.configs),
        ]
        return "\n".join(lines) + "\n"

    def _install(self) -> Iterator[str]:
        for path, text in self.files.items():
            encoded = base64.b64encode(text.encode()).decode()
            yield f"mkdir -p %{{buildroot}}{path.rpartition('/')[0]}"
            yield f"echo '{encoded}' | base64 --decode >%{{buildroot}}{path}"
        for path, source in self.copies.items():
            yield f"mkdir -p %{{buildroot}}{path.rpartition('/')[0]}"
            yield f"cp {source} %{{buildroot}}{path}"


SHELL = Rpm("lab-shell", "1.0", provides=("/bin/sh",))


@dataclass(frozen=True)
class Notice:
    """One advisory. severity "" leaves the element out, "None" is what vendors print for one that they did not rate."""

    identity: str
    kind: str
    severity: str
    packages: tuple[Rpm, ...]
    cves: tuple[str, ...] = ()
    reboot: bool = False

    def xml(self) -> str:
        references = "".join(f'<reference href="" id={quoteattr(cve)} type="cve" title=""/>' for cve in self.cves)
        severity = f"<severity>{escape(self.severity)}</severity>" if self.severity else ""
        return (
            f'<update from="packages@example.com" status="final" type={quoteattr(self.kind)} version="1">'
            f"<id>{escape(self.identity)}</id><title>{escape(self.identity)}</title>"
            f'<issued date="2026-03-02 10:00:00"/><updated date="2026-03-02 10:00:00"/>{severity}'
            f"<description>made for a test</description><references>{references}</references>"
            f'<pkglist><collection short="lab"><name>lab</name>{"".join(map(self._package, self.packages))}'
            "</collection></pkglist></update>"
        )

    def _package(self, rpm: Rpm) -> str:
        reboot = "<reboot_suggested>True</reboot_suggested>" if self.reboot else ""
        return (
            f"<package name={quoteattr(rpm.name)} version={quoteattr(rpm.version)} release={quoteattr(rpm.release)}"
            f' epoch={quoteattr(rpm.epoch or "0")} arch={quoteattr(rpm.architecture)} src="">'
            f"<filename>{escape(rpm.file_name)}</filename>{reboot}</package>"
        )


def updateinfo(notices: Sequence[Notice]) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<updates>{"".join(notice.xml() for notice in notices)}</updates>\n'


def stream(name: str, number: str, rpms: Sequence[Rpm], *, default: bool = False) -> str:
    """One stream of a module, as a YAML document of modules.yaml; default: it is the one that hosts get unasked."""
    artifacts = "".join(f"      - {rpm.nevra}\n" for rpm in rpms)
    text = (
        "---\ndocument: modulemd\nversion: 2\ndata:\n"
        f'  name: {name}\n  stream: "{number}"\n  version: 1\n  context: lab\n  arch: x86_64\n'
        "  summary: made for a test\n  description: made for a test\n  license:\n    module: [none]\n"
        f"  artifacts:\n    rpms:\n{artifacts}...\n"
    )
    if default:
        text += f'---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: {name}\n  stream: "{number}"\n...\n'
    return text


# One specification at a time: a noarch package makes those after it in the same run noarch too. What two runs would
# both make at their start is there before them, so that neither gets in the other's way.
_BUILD = """\
set -e
for place in BUILD BUILDROOT RPMS SOURCES SPECS SRPMS; do mkdir -p {place}/top/$place; done
mkdir -p {place}/made
rpm --initdb
cd {place}/specs && ls {specs} | xargs -n 1 -P 2 rpmbuild --quiet -bb --define "_topdir {place}/top" \
    --define "_rpmdir {place}/made" --define "_rpmfilename %{{NAME}}-%{{VERSION}}-%{{RELEASE}}.%{{ARCH}}.rpm" \
    --define "debug_package %{{nil}}" --define "_build_id_links none" --define "__os_install_post %{{nil}}"
"""
_PUBLISH = """\
set -e
rm -rf {repository} && mkdir -p {repository}
for file in {files}; do cp {place}/made/$file {repository}/; done
createrepo_c --quiet {repository}
for kind in updateinfo modules; do
    for file in $kind.xml $kind.yaml; do
        [ ! -e {place}/$file ] || modifyrepo_c --mdtype=$kind {place}/$file {repository}/repodata >/dev/null
        rm -f {place}/$file
    done
done
"""


_WRITE = """\
import json, pathlib, sys
for name, text in json.load(sys.stdin).items():
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
"""


_WAIT = """\
import socket, time
end = time.monotonic() + 60
while socket.socket().connect_ex(("127.0.0.1", {port})):
    assert time.monotonic() < end, "the mirror does not come up"
    time.sleep(0.05)
"""


# Debian's rpm keeps a database for every user but root; Red Hat's, which this stands for, has one. And rpm 4.20 has a
# plugin that gives scripts a room of their own, which a container may not.
ONE_DATABASE = {"/etc/rpm/macros.lab": "%_dbpath /var/lib/rpm\n%__transaction_unshare %{nil}\n"}
SERVE = ("python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", PLACE, str(PORT))
_MIRROR = f"[Service]\nExecStart=/usr/bin/{' '.join(SERVE)}\n[Install]\nWantedBy=multi-user.target\n"
_CONVERT = """
set -e
: > /var/lib/dpkg/status
rm -f /etc/os-release
printf 'ID=lablinux\\nVERSION_ID=9\\nPRETTY_NAME="Lab Linux 9"\\n' > /etc/os-release
systemctl daemon-reload
systemctl enable --quiet --now lab-mirror.service
"""


class DnfHost:
    """A running container with its repositories."""

    def __init__(self, container: str) -> None:
        self.container = container
        self._built: set[str] = set()

    def run(self, *argv: str, check: bool = True, stdin: str | None = None) -> str:
        """What a program in the container prints; unless check is false, it must succeed."""
        answer = podman.attempt("exec", *(["-i"] if stdin is not None else []), self.container, *argv, stdin=stdin)
        if check and answer.returncode:
            raise AssertionError(f"{' '.join(argv)[:200]}: {answer.returncode}\n{answer.stdout}\n{answer.stderr}")
        return answer.stdout

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by absolute path, all in one go: each program that is started in a container takes its time."""
        self.run("python3", "-c", _WRITE, stdin=json.dumps(dict(files)))

    def build(self, rpms: Sequence[Rpm]) -> None:
        """Build what is not built yet, in one go."""
        todo = {rpm.file_name: rpm for rpm in rpms if rpm.file_name not in self._built}
        if not todo:
            return
        self.write({f"{PLACE}/specs/{name}.spec": rpm.spec() for name, rpm in todo.items()})
        specs = " ".join(f"{name}.spec" for name in todo)
        self.run("sh", "-c", _BUILD.format(place=PLACE, specs=specs))
        self._built.update(todo)

    def built(self, rpms: Sequence[Rpm]) -> None:
        """These are there already, built by another host."""
        self._built.update(rpm.file_name for rpm in rpms)

    def publish(
        self, name: str, rpms: Sequence[Rpm], notices: Sequence[Notice] | None = None, modules: str = ""
    ) -> None:
        """Let a repository hold these packages and no others. notices None: it has no updateinfo at all."""
        self.build(rpms)
        extra = {f"{PLACE}/updateinfo.xml": updateinfo(notices)} if notices is not None else {}
        if modules:
            extra[f"{PLACE}/modules.yaml"] = modules
        self.write(extra)
        files = " ".join(rpm.file_name for rpm in rpms)
        self.run("sh", "-c", _PUBLISH.format(place=PLACE, repository=f"{PLACE}/{name}", files=files))

    def configure(self, repositories: Mapping[str, Mapping[str, str]], main: Mapping[str, str] | None = None) -> None:
        """Write dnf's configuration: repositories with more options of each, and options of [main]."""
        text = ""
        for name, options in repositories.items():
            lines = {"name": name, "baseurl": f"http://127.0.0.1:{PORT}/{name}", "gpgcheck": "0", **options}
            text += f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())
        values = {"gpgcheck": "True", "installonly_limit": "3", "best": "True", "skip_if_unavailable": "False"}
        values.update({"module_platform_id": "platform:lab", **(main or {})})
        conf = "[main]\n" + "".join(f"{key}={value}\n" for key, value in values.items())
        # Debian has a plugin on that others install on request: it makes a repository of all that was downloaded.
        local = "[main]\nenabled = false\n"
        files = {"/etc/yum.repos.d/lab.repo": text, "/etc/dnf/dnf.conf": conf, "/etc/dnf/plugins/local.conf": local}
        self.write({**files, "/etc/dnf/vars/releasever": "1\n"})

    def convert(self) -> None:
        """Let a booted host of Debian's be one of rpm's: nothing in dpkg's database, and its mirror a service."""
        self.write({**ONE_DATABASE, f"{PLACE}/specs/none": "", "/etc/systemd/system/lab-mirror.service": _MIRROR})
        self.run("sh", "-c", _CONVERT)
        self.wait_for_mirror()

    def wait_for_mirror(self) -> None:
        self.run("python3", "-c", _WAIT.format(port=PORT))

    def python(self, program: str) -> str:
        """What a program prints that is run by the host's own Python with the collection on its path."""
        return self.run("env", f"PYTHONPATH={ON_HOST}", "PYTHONDONTWRITEBYTECODE=1", "python3", "-", stdin=program)


@contextmanager
def dnf_host(container: str, recipe: Recipe) -> Iterator[DnfHost]:
    """Start a container of an image that exists (lab.image.ensure), with its mirror; it is gone afterwards."""
    podman.attempt("rm", "--force", "--time", "0", container)
    podman.run(
        "run", "--detach", "--name", container, "--network", "none", "--volume", f"{COLLECTIONS}:{ON_HOST}:ro",
        recipe.tag, "sleep", "infinity",
    )  # fmt: skip
    try:
        host = DnfHost(container)
        host.write({**ONE_DATABASE, f"{PLACE}/specs/none": ""})
        podman.run("exec", "--detach", container, *SERVE)
        host.wait_for_mirror()
        yield host
    finally:
        podman.attempt("rm", "--force", "--time", "0", "--volumes", container)
