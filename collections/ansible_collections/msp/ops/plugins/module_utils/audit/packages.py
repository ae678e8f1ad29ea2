# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which packages are installed: dpkg's status file read directly, or rpm's database asked once.

The status file is parsed here because it is ten times faster than starting dpkg-query, and needs no library.
"""

from __future__ import annotations

import re

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

DPKG_STATUS = "/var/lib/dpkg/status"
_FIELD = re.compile(r"^(Package|Status|Architecture|Version|Source): (.*)$", re.MULTILINE)
# %|EPOCH?{...}| prints only where there is an epoch.
RPM_QUERY = (
    "rpm",
    "-qa",
    "--queryformat",
    "%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{ARCH}\t%{VENDOR}\t%{INSTALLTIME}\n",
)


class Installed:
    """One installed package. since is the time of installation where the package manager keeps it.

    source is the name and version of the source package that it was built from; dpkg only.
    """

    __slots__ = ("architecture", "held", "name", "since", "source", "vendor", "version")

    def __init__(
        self,
        name: str,
        version: str,
        architecture: str,
        *,
        held: bool = False,
        vendor: str | None = None,
        since: int | None = None,
        source: tuple[str, str] | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.architecture = architecture
        self.held = held
        self.vendor = vendor
        self.since = since
        self.source = source


def parse_dpkg_status(text: str) -> list[Installed]:
    """Packages whose files are on the disk (removed ones that left configuration are not)."""
    found = []
    for paragraph in text.split("\n\n"):
        fields = dict(_FIELD.findall(paragraph))
        states = fields.get("Status", "").split()
        if len(states) == 3 and states[2] not in ("config-files", "not-installed") and "Version" in fields:
            held = states[0] == "hold"
            name, version = fields["Package"], fields["Version"]
            source = parse_source(fields.get("Source", ""), name, version)
            found.append(Installed(name, version, fields.get("Architecture", ""), held=held, source=source))
    return found


def parse_source(text: str, name: str, version: str) -> tuple[str, str]:
    """The field Source, "NAME (VERSION)": what is left out is as in the binary package, without a rebuild's "+b1"."""
    words = text.split()
    own = re.sub(r"\+b\d+$", "", version)
    return (words[0] if words else name, words[1].strip("()") if len(words) > 1 else own)


def parse_rpm(text: str) -> list[Installed]:
    """The lines of RPM_QUERY. Imported signing keys are listed by rpm as packages, and are none."""
    found = []
    for line in text.splitlines():
        words = line.split("\t")
        if len(words) == 5 and words[0] != "gpg-pubkey":
            vendor = None if words[3] in ("(none)", "") else words[3]
            since = int(words[4]) if words[4].isdigit() else None
            found.append(Installed(words[0], words[1], words[2], vendor=vendor, since=since))
    return found


def native_architecture(installed: list[Installed]) -> str:
    """dpkg itself is always of the machine's own architecture."""
    return next((one.architecture for one in installed if one.name == "dpkg"), "")


def rows(installed: list[Installed], origins: dict[tuple[str, str], str]) -> list[dict]:
    """Sorted, with the origin of each (name, architecture) where it is known."""
    found = [
        {
            "name": one.name,
            "version": one.version,
            "architecture": one.architecture,
            "origin": origins.get((one.name, one.architecture), one.vendor),
        }
        for one in installed
    ]
    return sorted(found, key=lambda row: (row["name"], row["architecture"], row["version"]))


def collect(host: Host) -> tuple[str | None, list[Installed]]:
    """Which package manager ("dpkg" or "rpm"), and what it has installed."""
    if host.exists(DPKG_STATUS):
        installed = parse_dpkg_status(host.text(DPKG_STATUS))
        # A machine of the RHEL family may have dpkg as a tool, with an empty database.
        if installed:
            return "dpkg", installed
    answer = host.run(*RPM_QUERY, unprivileged=True)
    if answer.started and answer.status == 0:
        return "rpm", parse_rpm(answer.out)
    host.unknown("packages", "neither dpkg's status file nor an answer of rpm (rpm %s)" % answer.reason())
    return None, []
