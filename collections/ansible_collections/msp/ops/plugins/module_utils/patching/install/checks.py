# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the host well: units, ports, addresses, commands, and whether all that ran before runs again. It repairs nothing.

A check is a mapping as plan.plain() writes it. Its result: {"kind", "what", "ok", "why"}; ok is None where there is
nothing to compare with: that is no failure, and never a pass. After the work the checks are asked again until none of
them fails, or their time is over; and once more a moment later, for a service that starts and dies.
"""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from ansible_collections.msp.ops.plugins.module_utils.audit import listening
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching.install import timers, units
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs

SECONDS = 10
PAUSE = 0.5
STEADY = 2.0
_MOST_BYTES = 1024 * 1024


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """An address is judged by its own answer."""

    def redirect_request(self, *_arguments: object, **_named: object) -> None:
        return None


def baseline(host: Host, programs: Programs, before: dict | None = None) -> dict:
    """The host now, to be held against later: {"running", "on_demand", "at_rest", "failed", "down", "ports",
    "invocations"}.

    One that is kept may have "broken" as well: what of "down" an earlier rollout may have broken (earlier.broken).

    Without what the work itself holds back: that does not run while it is at work. before: an earlier one, whose
    services on demand are looked for by name.
    """
    services = units.services(programs, before.get("on_demand", ()) if before else ())
    found = {name: unit for name, unit in services.items() if name not in timers.UNITS}
    return {
        "running": units.running(found),
        "on_demand": units.on_demand(found),
        "at_rest": units.at_rest(found),
        "failed": units.failed(found),
        "down": units.down(found),
        "ports": ports(host),
        "invocations": units.invocations(found),
    }


def ports(host: Host) -> list[int]:
    """The TCP ports that wait for connections, without those that the kernel deals out."""
    low, high = listening.parse_port_range(host.line("/proc/sys/net/ipv4/ip_local_port_range") or "")
    found = set()
    for table in ("tcp", "tcp6"):
        name = "/proc/net/" + table
        if host.exists(name):
            found |= {row[2] for row in listening.parse_table("tcp", "0A", host.text(name))}
    return sorted(port for port in found if not low <= port <= high)


def gone(before: dict, now: dict, compare: list[str]) -> list[str]:
    """What was there before and is not now, one sentence each. compare: "units", "ports".

    A service that ran because somebody had asked for it, and has come to a good end since, is not gone.
    """
    found = []
    if "units" in compare:
        ended = set(before.get("on_demand", ())) & set(now.get("at_rest", ()))
        stopped = sorted(set(before["running"]) - set(now["running"]) - ended)
        found += ["%s ran before and does not now" % name for name in stopped]
        found += ["%s has failed" % name for name in sorted(set(now["failed"]) - set(before["failed"]) - set(stopped))]
    if "ports" in compare:
        missing = sorted(set(before["ports"]) - set(now["ports"]))
        found += ["nothing listens on port %d any more" % port for port in missing]
    return found


def verdict(results: list[dict]) -> tuple[bool | None, str]:
    """Whether all passed, and why not. None: none failed, and of one nobody can say."""
    bad = ["%(kind)s %(what)s: %(why)s" % result for result in results if result["ok"] is False]
    unsure = ["%(kind)s %(what)s: %(why)s" % result for result in results if result["ok"] is None]
    if bad:
        return False, "; ".join(bad)
    return (None if unsure else True), "; ".join(unsure)


class Checker:
    """Runs checks on this host. before: the baseline that they are held against; None where there is none yet."""

    def __init__(self, host: Host, programs: Programs, before: dict | None) -> None:
        self.host = host
        self.programs = programs
        self.before = before

    def one(self, check: dict) -> dict:
        run: Callable[[dict], tuple[str, str]] = getattr(self, "_" + str(check["kind"]))
        what, why = run(check)
        ok: bool | None = not why
        if ok and check["kind"] == "baseline" and (lacking := self._incomparable()):
            ok, why = None, lacking
        return {"kind": check["kind"], "what": what, "ok": ok, "why": why}

    def all(self, checks: list[dict]) -> list[dict]:
        return [self.one(check) for check in checks]

    def until_well(self, checks: list[dict], seconds: float) -> list[dict]:
        """Ask until none fails twice in a row, a moment apart; the last results when the time is over."""
        end = time.monotonic() + seconds
        results = self.all(checks)
        while checks:
            if not _failing(results):
                time.sleep(STEADY)
                results = self.all(checks)
                if not _failing(results):
                    break
            if time.monotonic() >= end:
                break
            time.sleep(PAUSE)
            results = self.all(checks)
        return results

    def _unit(self, check: dict) -> tuple[str, str]:
        name = str(check["unit"])
        answer = self.programs.run("systemctl", "show", "--property=ActiveState", "--property=SubState", "--", name)
        fields = (units.parse_show(answer.out) or [{}])[0]
        state = fields.get("ActiveState", "unknown")
        return name, "" if state == "active" else "it is %s (%s)" % (state, fields.get("SubState", ""))

    def _tcp(self, check: dict) -> tuple[str, str]:
        place = (str(check.get("host") or "127.0.0.1"), int(check["port"]))
        try:
            with socket.create_connection(place, timeout=float(check.get("timeout") or SECONDS)):
                why = ""
        except OSError as error:
            why = str(error)
        return "%s:%d" % place, why

    def _http(self, check: dict) -> tuple[str, str]:
        # No proxy: it is this host's own way to the address that counts.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
        url = str(check["url"])
        try:
            with opener.open(url, timeout=float(check.get("timeout") or SECONDS)) as answer:
                status, text = answer.status, answer.read(_MOST_BYTES).decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read(_MOST_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError, http.client.HTTPException) as error:
            return url, str(error)
        if status != int(check["status"]):
            return url, "status %d" % status
        return url, "" if str(check.get("contains") or "") in text else "the text is not in the answer"

    def _command(self, check: dict) -> tuple[str, str]:
        argv = [str(word) for word in check["command"]]
        answer = self.programs.run(*argv, seconds=float(check.get("timeout") or SECONDS))
        return " ".join(argv), "" if answer.status == 0 else answer.reason()

    def _baseline(self, check: dict) -> tuple[str, str]:
        compare = [str(name) for name in check["compare"]]
        if self.before is None:
            return "as before: " + ", ".join(compare), ""
        return "as before: " + ", ".join(compare), "; ".join(
            gone(self.before, baseline(self.host, self.programs, self.before), compare)
        )

    def _incomparable(self) -> str:
        """Why a host that has lost nothing since its baseline is not called well for that; empty: it is.

        A unit that ran when an earlier rollout came, was down when this one did and still is, may be what that one
        broke. One that was down before any rollout is no work of ours, and nothing to doubt.
        """
        if self.before is None:
            return "nothing to compare with: nobody wrote down how this host was before"
        known = self.before.get("broken", ())
        still = sorted(set(known) & set(units.down(units.services(self.programs)))) if known else []
        if not still:
            return ""
        return "nothing to compare with: %s was down already, and ran before an earlier rollout" % ", ".join(still)


def _failing(results: list[dict]) -> bool:
    return any(result["ok"] is False for result in results)
