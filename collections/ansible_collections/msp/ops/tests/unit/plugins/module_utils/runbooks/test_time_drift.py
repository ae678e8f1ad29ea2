# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A clock is measured by a real question over UDP, and set only within what was allowed."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit import virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Output
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, sntp, time_drift, units
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.sntp import NoTime, Told
from ansible_collections.msp.ops.plugins.module_utils.runbooks.time_drift import Clock
from ansible_collections.msp.ops.plugins.module_utils.standards import services
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.runbooks.made_tools import made_tools

NONCE = b"12345678"
EPOCH = 2208988800


def stamp(when: float) -> bytes:
    seconds = int(when // 1)
    return struct.pack("!II", (seconds + EPOCH) % 2**32, int((when - seconds) * 2**32))


def reply(question: bytes, when: float, first: int = 0x24, stratum: int = 2) -> bytes:
    return bytes([first, stratum]) + bytes(22) + question[40:48] + stamp(when) + stamp(when)


@contextlib.contextmanager
def server(off: float, **how: int) -> Iterator[int]:
    """A time server on loopback whose clock is so far from ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def serve() -> None:
            data, peer = listening.recvfrom(512)
            listening.sendto(reply(data, time.time() + off, **how), peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(5)


@pytest.mark.parametrize("off", [0.0, 41.5, -7200.25])
def test_a_real_server_tells_how_far_the_clock_is_off(off: float) -> None:
    with server(off) as port:
        found = sntp.ask("127.0.0.1", port)
    assert found.offset == pytest.approx(off, abs=0.5)
    assert 0 <= found.delay < 3


@pytest.mark.parametrize("how", [{"first": 0xE4}, {"first": 0x23}, {"stratum": 0}, {"stratum": 16}])
def test_a_server_that_does_not_have_the_time_itself_tells_none(how: dict[str, int]) -> None:
    with server(0, **how) as port, pytest.raises(NoTime, match="does not have the time"):
        sntp.ask("127.0.0.1", port)


def test_no_server_is_no_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    with pytest.raises(NoTime):
        sntp.ask("127.0.0.1", port)


@pytest.mark.thorough
@given(st.floats(1e9, 5e9), st.floats(-1e6, 1e6), st.floats(0, 2), st.floats(0, 2))
def test_the_offset_is_right_up_to_half_of_the_way(now: float, off: float, there: float, back: float) -> None:
    """Past 2036 too, where NTP begins to count anew."""
    data = reply(sntp.question(NONCE), now + there + off)
    found, delay = sntp.read(data, NONCE, now, now + there + back)
    assert abs(found - off) <= (there + back) / 2 + 1e-3
    assert abs(delay - (there + back)) <= 1e-3


@pytest.mark.thorough
@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_none(data: bytes) -> None:
    with contextlib.suppress(NoTime):
        sntp.read(data, NONCE, 1e9, 1e9)


def test_an_answer_to_another_question_is_none() -> None:
    with pytest.raises(NoTime, match="another question"):
        sntp.read(reply(sntp.question(b"87654321"), 1e9), NONCE, 1e9, 1e9)


def test_one_server_of_three_that_is_wrong_is_outvoted() -> None:
    said = {"a": 0.01, "b": 3600.0, "c": 0.02}
    found = sntp.measure(["a", "b", "c"], lambda name: Told(name, said[name], 0.1))
    assert found.seconds == 0.02


# -- decisions -----------------------------------------------------------------------------------------------------


def unit(active: str = "active", load: str = "loaded", enabled: str = "enabled") -> units.Unit:
    shown = f"LoadState={load}\nActiveState={active}\nSubState=x\nUnitFileState={enabled}\n"
    return units.parse("chrony.service", shown)


FINE = Clock(False, False, "chrony", unit(), 0.0, 3)


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"offset": 0.9}, True),
        ({"offset": -1.1}, False),
        ({"offset": None}, False),
        ({"unit": unit("failed")}, False),
        ({"unit": None}, False),
        ({"unit": None, "container": True}, True),
    ],
)
def test_a_clock_holds_where_it_is_right_and_somebody_keeps_it(changes: dict[str, object], holds: bool) -> None:
    assert time_drift.holds(FINE._replace(**changes), 1.0) is holds  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"container": True}, "container"),
        ({"controller": True}, "domain controller"),
        ({"unit": None}, "no time service"),
        ({"unit": unit("inactive", load="masked")}, "masked"),
        ({"unit": unit("inactive", enabled="disabled")}, "disabled"),
        ({"offset": None}, "no time server answers (a, b)"),
        ({"offset": 301.0}, "301.000 seconds behind"),
        ({"offset": -301.0}, "301.000 seconds ahead"),
    ],
)
def test_what_is_not_for_a_runbook_to_set_says_why(changes: dict[str, object], why: str) -> None:
    assert why in time_drift.not_ours(FINE._replace(**changes), ["a", "b"], 300)  # type: ignore[arg-type]


@pytest.mark.thorough
@given(st.one_of(st.none(), st.floats(-1e6, 1e6)), st.floats(1, 1e5))
def test_no_clock_is_stepped_further_than_allowed(offset: float | None, most: float) -> None:
    if not time_drift.not_ours(FINE._replace(offset=offset), ["a"], most):
        assert offset is not None and abs(offset) <= most


# -- the run, with a made clock ------------------------------------------------------------------------------------


def running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offsets: list[float | None], service: str
) -> tuple[Answer, list[str]]:
    """offsets: what the servers say at each question, the last one from then on."""
    said = {
        "systemctl show": Output(0, "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n"),
        "systemctl": Output(0),
        "chronyc -c tracking": Output(0, "A,B,C,D,E,F,Normal\n"),
        "chronyc makestep": Output(0),
    }
    tools, programs = made_tools(tmp_path, {"/proc/cpuinfo": ""}, said)
    monkeypatch.setattr(services, "clock", lambda _reader: {"service": service})
    monkeypatch.setattr(virtualisation, "collect", lambda _host: {"type": "kvm"})
    monkeypatch.setattr(time_drift, "_DOMAIN_CONTROLLERS", ())
    monkeypatch.setattr(time_drift, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(time_drift, "WAIT_SECONDS", 0.2)

    def measure(_servers: object) -> sntp.Offset:
        found = offsets.pop(0) if len(offsets) > 1 else offsets[0]
        return sntp.Offset(found, [] if found is None else [Told("a", found, 0.0)], {})

    monkeypatch.setattr(sntp, "measure", measure)
    given = {"max_seconds": 1.0, "step_seconds": 300.0, "servers": ["a"]}
    return time_drift.act(tools, given), programs.ran


@pytest.mark.parametrize("service", ["chrony", "systemd-timesyncd"])
def test_a_clock_that_is_right_after_it_by_the_servers_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    found, ran = running(tmp_path, monkeypatch, [41.0, 41.0, 0.01], service)
    assert (found.outcome, found.before["seconds_off"], found.after["seconds_off"]) == (answer.MENDED, 41.0, 0.01)
    assert f"systemctl restart --no-ask-password -- {service}.service" in ran
    # Once, however often it is looked at.
    assert ran.count("chronyc makestep") == (1 if service == "chrony" else 0)


@pytest.mark.parametrize("then", [41.0, None])
def test_a_clock_that_stays_off_or_of_which_nobody_tells_any_more_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: float | None
) -> None:
    found, _ran = running(tmp_path, monkeypatch, [41.0, then], "systemd-timesyncd")
    assert found.outcome == answer.GAVE_UP and found.after["seconds_off"] == then and found.did


def test_a_clock_that_is_too_far_off_is_touched_by_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, ran = running(tmp_path, monkeypatch, [86400.0], "chrony")
    assert found.outcome == answer.GAVE_UP and not found.changed
    assert all(one.startswith("systemctl show") for one in ran)
