# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What operating system runs, and until when its maker supports it.

Support ends on the last day with security updates that cost nothing extra: Debian's long-term support (same archive,
no subscription), Ubuntu's standard support, or Ubuntu Pro's where that is switched on. No date is ever guessed.
"""

from __future__ import annotations

import datetime
import json
import os

from ansible_collections.msp.ops.plugins.module_utils.audit import support_ends
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

_RED_HAT = ("rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn", "scientific", "oracle")


def parse_os_release(text: str) -> dict[str, str]:
    """os-release(5): KEY=value lines, quoted as in a shell; nothing is expanded."""
    found = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if not separator or not key or key.startswith("#"):
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        for character in '\\"$`':
            value = value.replace("\\" + character, character)
        found[key] = value
    return found


def family(release: dict[str, str]) -> str:
    """debian, redhat, suse, or the system's own id where it is of no family we know."""
    likes = [release.get("ID", "linux")] + release.get("ID_LIKE", "").split()
    for like in likes:
        if like in ("debian", "ubuntu"):
            return "debian"
        if like in _RED_HAT:
            return "redhat"
        if like in ("suse", "sles", "opensuse"):
            return "suse"
    return likes[0]


def platform(host: Host) -> str:
    """ "debian-12", "ubuntu-24.04"; a release without a number has its codename. "" where the host does not say."""
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        if host.exists(name):
            release = parse_os_release(host.text(name))
            number = release.get("VERSION_ID") or release.get("VERSION_CODENAME") or ""
            return "-".join(word for word in (release.get("ID", "linux"), number) if word)
    return ""


def parse_distro_info(text: str) -> dict[str, dict[str, str]]:
    """debian.csv or ubuntu.csv of distro-info-data: version without " LTS" to its columns (dates as ISO text)."""
    lines = [line.split(",") for line in text.splitlines() if line]
    if not lines:
        return {}
    # A row may be shorter than the header. (strict= came with Python 3.10.)
    rows = [dict(zip(lines[0], line)) for line in lines[1:]]  # noqa: B905
    return {row["version"].split(" ")[0]: row for row in rows if row.get("version")}


def distro_info_end(distribution: str, row: dict[str, str], pro: bool) -> tuple[str | None, str]:
    """The end of support in one row of distro-info-data, and which of its columns says so."""
    columns = {"debian": ("eol-lts", "eol"), "ubuntu": ("eol-esm", "eol") if pro else ("eol",)}[distribution]
    for column in columns:
        if row.get(column):
            return row[column], column
    return None, ""


def support_end(
    release: dict[str, str], host_rows: dict[str, dict[str, str]], host_rows_date: str | None, pro: bool = False
) -> tuple[str | None, str | None]:
    """The date and its source. The maker's word in os-release comes first, then the newer of two distro-info tables."""
    if _is_date(release.get("SUPPORT_END", "")):
        return release["SUPPORT_END"], "os-release of the host"
    name, version = release.get("ID", ""), release.get("VERSION_ID", "")
    if release.get("NAME") == "CentOS Stream":
        name = "centos-stream"
    if name in ("debian", "ubuntu"):
        newer = host_rows_date is not None and host_rows_date > support_ends.DISTRO_INFO_DATE
        for rows, source in (
            (host_rows if newer else {}, "distro-info-data of the host, %s" % host_rows_date),
            (support_ends.DISTRO_INFO[name], "distro-info-data %s" % support_ends.DISTRO_INFO_VERSION),
            (host_rows, "distro-info-data of the host, %s" % host_rows_date),
        ):
            date, column = distro_info_end(name, rows.get(version, {}), pro)
            if date:
                return date, "%s (%s)" % (source, column)
    major = version.split(".")[0]
    if major in support_ends.OTHERS.get(name, {}):
        return support_ends.OTHERS[name][major], support_ends.OTHERS_SOURCE[name]
    return None, None


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def collect(host: Host) -> dict:
    release: dict[str, str] = {}
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        if host.exists(name):
            release = parse_os_release(host.text(name))
            break
    else:
        host.unknown("os", "there is no os-release file")
    rows, date = _host_table(host, release.get("ID", ""))
    end, source = support_end(release, rows, date, pro=_ubuntu_pro(host))
    if end is None:
        host.unknown("os.support_end", "no table knows %s %s" % (release.get("ID"), release.get("VERSION_ID")))
    machine = os.uname()
    version = release.get("VERSION_ID")
    if release.get("ID") == "debian" and host.line("/etc/debian_version"):
        # The point release, which says more than os-release's "12".
        version = host.line("/etc/debian_version") if version else None
    return {
        "family": family(release),
        "id": release.get("ID", "linux"),
        "name": release.get("PRETTY_NAME") or release.get("NAME"),
        "version": version,
        "codename": release.get("VERSION_CODENAME") or None,
        "kernel": machine.release,
        "architecture": machine.machine,
        "support_end": end,
        "support_end_source": source,
    }


def _host_table(host: Host, distribution: str) -> tuple[dict[str, dict[str, str]], str | None]:
    name = "/usr/share/distro-info/%s.csv" % distribution
    seconds = host.modified(name) if distribution in ("debian", "ubuntu") else None
    if seconds is None:
        return {}, None
    modified = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return parse_distro_info(host.text(name)), modified.date().isoformat()


def _ubuntu_pro(host: Host) -> bool:
    """Is expanded security maintenance switched on? The status file is the subscription client's own."""
    try:
        services = json.loads(host.text("/var/lib/ubuntu-advantage/status.json")).get("services", [])
        return any(s.get("name") == "esm-infra" and s.get("status") == "enabled" for s in services)
    except (OSError, ValueError, AttributeError):
        return False
