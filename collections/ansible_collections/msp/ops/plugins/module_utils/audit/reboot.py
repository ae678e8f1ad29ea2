# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Must the host be rebooted, and why. null when nothing on the host can tell."""

from __future__ import annotations

import os
import re

from ansible_collections.msp.ops.plugins.module_utils.audit import virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packages import Installed

_NEEDRESTART = ("needrestart", "-b", "-k", "-r", "l")
# What a running system keeps in memory until it is rebooted, by Red Hat's own advice.
CORE = frozenset(("glibc", "systemd", "dbus", "dbus-daemon", "dbus-broker", "linux-firmware", "openssl-libs", "gnutls"))


def version_key(text: str) -> list[tuple[int, int, str]]:
    """Numbers compare as numbers: 6.1.0-9 is older than 6.1.0-10."""
    words = re.findall(r"\d+|[^\d.\-_]+", text)
    return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in words]


def flavour(release: str) -> str:
    """What is left of a kernel's name without its numbers: only kernels of one flavour are compared."""
    return re.sub(r"[\d.]+", "#", re.sub(r"\.?el\d+(_\d+)*", ".el", release))


def newest_kernel(running: str, names: list[str]) -> str | None:
    """The newest installed kernel of the running one's flavour; None when the running one is not among them."""
    installed = [name[len("vmlinuz-") :] for name in names if name.startswith("vmlinuz-")]
    if running not in installed:
        return None
    return max((one for one in installed if flavour(one) == flavour(running)), key=version_key)


def parse_needrestart(text: str) -> tuple[bool | None, str | None]:
    """`needrestart -b`: NEEDRESTART-KSTA 0 unknown, 1 current, 2 and 3 a newer kernel waits."""
    fields = dict(line.partition(": ")[::2] for line in text.splitlines())
    state = fields.get("NEEDRESTART-KSTA", "0").strip()
    if state in ("2", "3"):
        return True, "needrestart: kernel %s waits" % fields.get("NEEDRESTART-KEXP", "").strip()
    return (False, None) if state == "1" else (None, None)


def prepare(host: Host) -> None:
    if host.privileged:
        host.prepare(*_NEEDRESTART)


def collect(host: Host, kind: str | None, rpms: list[Installed], booted: float | None) -> dict:
    """kind is the type of virtualisation, rpms what rpm has installed, booted the time since when the host runs."""
    reasons = []
    measured = False
    for name in ("/run/reboot-required", "/var/run/reboot-required"):
        if host.exists(name):
            packages = (host.line(name + ".pkgs") or "").split()
            reasons.append(
                "asked for by " + ", ".join(sorted(set(packages))) if packages else "asked for by the system"
            )
            break
    if kind not in virtualisation.CONTAINERS:
        measured = _kernel(host, reasons, booted)
        answer = host.run(*_NEEDRESTART) if host.privileged else None
        if answer is not None and answer.status == 0:
            needed, why = parse_needrestart(answer.out)
            measured = measured or needed is not None
            reasons += [why] if why else []
    if rpms and booted is not None:
        measured = True
        late = sorted({one.name for one in rpms if one.name in CORE and (one.since or 0) > booted})
        reasons += ["%s was updated after the last boot" % name for name in late]
    if not measured and not reasons:
        host.unknown("reboot", "the host keeps no sign that a reboot is needed, and its kernel cannot be compared")
    return {"needed": True if reasons else (False if measured else None), "reasons": sorted(set(reasons))}


def _kernel(host: Host, reasons: list[str], booted: float | None) -> bool:
    running = os.uname().release
    newest = newest_kernel(running, host.names("/boot"))
    if newest is None:
        return False
    if newest != running:
        reasons.append("kernel %s is installed, %s runs" % (newest, running))
    else:
        image = host.path("/boot/vmlinuz-" + running)
        # The same name with new content: the inode changed when it was installed.
        if booted is not None and os.stat(image).st_ctime > booted:
            reasons.append("kernel %s was installed again after the last boot" % running)
    return True
