# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the clock kept right, and by which service. Asks the kernel; the clock is never touched."""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.audit import virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

SERVICES = {
    "chronyd": "chrony",
    "systemd-timesyn": "systemd-timesyncd",
    "systemd-timesyncd": "systemd-timesyncd",
    "ntpd": "ntpd",
    "ptp4l": "linuxptp",
    "ntpd-rs": "ntpd-rs",
}
# adjtimex(2): the status bit STA_UNSYNC, and the state TIME_ERROR that adjtimex returns with it.
_STA_UNSYNC = 0x0040


def parse_chrony(text: str) -> bool | None:
    """`chronyc -c tracking`: fields by comma, the last one is the leap status."""
    fields = text.strip().split(",")
    return fields[-1] != "Not synchronised" if len(fields) > 5 else None


def service_of(processes: list[str]) -> str | None:
    return next((SERVICES[name] for name in sorted(processes) if name in SERVICES), None)


def collect(host: Host, kind: str | None) -> dict:
    """kind is the type of virtualisation: a container has the clock of its host."""
    names = [host.line("/proc/%s/comm" % number) or "" for number in host.names("/proc") if number.isdigit()]
    service = service_of(names)
    if kind in virtualisation.CONTAINERS:
        host.unknown("time", "a container (%s) has the clock of its host" % kind)
        return {"synchronised": None, "service": service}
    synchronised = _kernel() if host.root == "/" else None
    if not synchronised and service == "chrony":
        # Without rtcsync chrony keeps the clock right but leaves the kernel's flag as it is.
        answer = host.run("chronyc", "-c", "tracking")
        synchronised = parse_chrony(answer.out) if answer.status == 0 else synchronised
    if not synchronised and host.exists("/run/systemd/timesync/synchronized"):
        synchronised = True
    if synchronised is None:
        host.unknown("time", "the kernel does not say whether its clock is kept right")
    return {"synchronised": synchronised, "service": service}


def _kernel() -> bool | None:
    """adjtimex with no mode bit only reads."""
    import ctypes

    try:
        library = ctypes.CDLL(None, use_errno=True)
        # struct timex begins with modes (int), offset, freq, maxerror, esterror (long), status (int).
        buffer = ctypes.create_string_buffer(512)
        if library.adjtimex(buffer) < 0:
            return None
        offset = 5 * ctypes.sizeof(ctypes.c_long)
        return not ctypes.c_int.from_buffer(buffer, offset).value & _STA_UNSYNC
    except (OSError, AttributeError):
        return None
