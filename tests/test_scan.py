"""Real scans by the real nmap: of this machine's own loopback address, and of the lab's own hosts."""

from __future__ import annotations

import http.server
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import nmap
from ansible_collections.msp.ops.plugins.plugin_utils.observe.scan import (
    Scan,
    ScanPlan,
    ScanPrefix,
    arguments,
    plan_scan,
)
from lab import packages

pytestmark = pytest.mark.lab
LOOPBACK = ScanPlan(("127.0.0.1/32",))
# Ports among the hundred that nmap tries: one of them is free here.
PORTS = (8888, 8000, 8008, 8081, 10000, 32768, 49152, 49153)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    wanted = [package for package in packages.PACKAGES if package.name == "nmap"]
    missing = packages.missing(wanted)
    if missing and packages.can_install():
        packages.install(missing)
    if packages.missing(wanted):
        pytest.skip("nmap is not installed and can't be installed from here")


@pytest.fixture
def web() -> Iterator[int]:
    """The port of a web server of this test's own, on the loopback address."""
    for port in PORTS:
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler)
        except OSError:
            continue
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield port
        server.shutdown()
        thread.join()
        server.server_close()
        return
    pytest.fail(f"none of the ports {PORTS} is free")


@pytest.mark.parametrize("privileged", sorted({nmap.privileged(), False}))
def test_a_quick_scan_sees_who_is_there(privileged: bool) -> None:
    found, problems = nmap.scan(Scan(LOOPBACK, privileged=privileged), "example", 60)

    assert problems == ()
    assert [one.identity["addresses"] for one in found.observations] == [["127.0.0.1"]]
    assert "services" not in found.observations[0].attributes
    # Without raw packets nobody is proved to be absent.
    assert (found.covered, found.complete) == ((("127.0.0.1/32",), True) if privileged else ((), False))


@pytest.mark.parametrize("privileged", sorted({nmap.privileged(), False}))
def test_a_scan_of_services_sees_what_the_test_serves(web: int, privileged: bool) -> None:
    found, problems = nmap.scan(Scan(LOOPBACK, privileged=privileged, services=True), "example", 120)

    assert problems == ()
    assert f"tcp/{web} http" in found.observations[0].attributes["services"]


def test_ipv6_is_scanned_by_a_command_of_its_own() -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    both = ScanPlan(("127.0.0.1/32", "::1/128"))

    found, problems = nmap.scan(Scan(both, privileged=nmap.privileged()), "example", 60)

    assert problems == ()
    assert [one.identity["addresses"] for one in found.observations] == [["127.0.0.1"], ["::1"]]


def test_nmap_understands_targets_and_exclusions_as_the_plan_means_them() -> None:
    """It only lists them (-sL -n): nothing is sent."""
    exclude = ("192.0.2.1", "192.0.2.10-192.0.2.12", "192.0.2.60/30", "2001:db8::4/126")
    prefixes = [ScanPrefix("192.0.2.0/25", True, exclude), ScanPrefix("2001:db8::/124", True)]
    plan = plan_scan(prefixes, ["192.0.2.0/28", "192.0.2.56/29", "2001:db8::/125"])
    listed: list[str] = []

    for words in arguments(Scan(plan, privileged=False)):
        answer = nmap.run(
            ["-n" if word == "--unprivileged" else "-sL" if word == "-sn" else word for word in words], 60
        )
        assert answer.problem is None
        listed += re.findall(r'<address addr="([^"]+)"', answer.content.decode())

    four = [n for n in (*range(16), *range(56, 60)) if n not in (1, 10, 11, 12)]
    assert listed == [*(f"192.0.2.{n}" for n in four), "2001:db8::", *(f"2001:db8::{n}" for n in range(1, 4))]


def test_a_scan_that_takes_too_long_is_stopped_and_is_not_an_empty_one() -> None:
    slow = Scan(LOOPBACK, privileged=False, services=True, rate=1)

    found, (problem,) = nmap.scan(slow, "example", 2)

    assert problem.code == "MSP-OBS-007"
    assert (found.complete, found.covered) == (False, ())
    assert children() == set()


def test_a_scan_that_is_killed_says_so() -> None:
    slow = Scan(LOOPBACK, privileged=False, services=True, rate=1)
    outcome: list[Any] = []
    before = children()
    thread = threading.Thread(target=lambda: outcome.append(attempt(slow)))
    thread.start()
    deadline = time.monotonic() + 30
    while not (started := children() - before) and time.monotonic() < deadline:
        thread.join(0.05)
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    thread.join(60)

    problem = outcome[0]
    assert problem.code == "MSP-OBS-006"
    assert "SIGKILL" in problem.found


def attempt(decision: Scan) -> MspError | None:
    """What went wrong, wherever it is told: killed before its first word nmap leaves nothing to keep."""
    try:
        found, problems = nmap.scan(decision, "example", 60)
    except MspError as error:
        return error
    assert not found.complete
    return problems[0] if problems else None


def children() -> set[int]:
    """The programs nmap that this process started and that still run."""
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            name = Path(f"/proc/{pid}/comm")
            if name.exists() and name.read_text().strip() == "nmap":
                found.add(int(pid))
    return found


def test_what_nmap_refuses_is_told_in_its_own_words() -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-006.*exit status.*no-such-option"):
        nmap.run(["--no-such-option"], 30)


def test_without_nmap_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nmap, "PATH", str(tmp_path))

    with pytest.raises(MspError, match=r"MSP-OBS-005.*apt-get install nmap"):
        nmap.scan(Scan(LOOPBACK, privileged=False), "example", 30)


def test_nmap_gets_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMAPDIR", "/nowhere")
    monkeypatch.setenv("NMAP_ARGS", "--no-such-option")

    assert nmap.scan(Scan(LOOPBACK, privileged=False), "example", 60)[1] == ()


@pytest.fixture
def till(hosts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The till that is there and that no contract knows of; the absent NAS lies in the same sixteen addresses."""
    if not nmap.privileged():
        pytest.skip("raw packets need root")
    return next(row for row in hosts if row["name"] == "jansen-till02")


def around(row: Mapping[str, Any]) -> str:
    """The sixteen addresses that a host lies in."""
    network, _dot, last = str(row["address"]).rpartition(".")
    return f"{network}.{int(last) // 16 * 16}/28"


def test_a_scan_of_the_labs_network_finds_its_hosts_and_proves_who_is_absent(
    till: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]
) -> None:
    asked = around(till)
    absent = next(str(row["address"]) for row in hosts if row["name"] == "jansen-nas01")
    assert around({"address": absent}) == asked

    plan = plan_scan([ScanPrefix(str(till["subnet"]), allowed=True)], [asked])
    found, problems = nmap.scan(Scan(plan, privileged=True, services=True), "bakkerij-jansen", 300)

    assert problems == ()
    (seen,) = (one for one in found.observations if one.identity["addresses"] == [till["address"]])
    assert seen.identity["macs"] == [till["mac"]]
    assert "tcp/22 ssh" in seen.attributes["services"]
    assert [absent] not in [one.identity["addresses"] for one in found.observations]
    assert (found.covered, found.complete) == ((asked,), True)


def test_an_excluded_host_of_the_lab_is_left_alone(till: Mapping[str, Any]) -> None:
    asked = around(till)
    plan = plan_scan([ScanPrefix(str(till["subnet"]), True, (str(till["address"]),))], [asked])

    found, problems = nmap.scan(Scan(plan, privileged=True), "bakkerij-jansen", 120)

    assert problems == ()
    assert [till["address"]] not in [one.identity["addresses"] for one in found.observations]
    assert found.covered
    assert f"{till['address']}/32" not in found.covered
