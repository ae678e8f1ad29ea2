# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From which side a host cannot be reached, with real sockets of loopback, and what that comes to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, host_unreachable
from ansible_collections.msp.ops.plugins.module_utils.runbooks.host_unreachable import (
    NO_WAY,
    OPEN,
    REFUSED,
    SILENT,
    View,
    conclusion,
    look,
)
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.runbooks.made_tools import made_tools

UP = View(True, True, OPEN, True)
CLOSED = View(True, True, REFUSED, False)
OFF = View(True, False, NO_WAY, False)
VIEWS = st.builds(
    View,
    st.booleans(),
    st.sampled_from([True, False, None]),
    st.sampled_from([OPEN, REFUSED, SILENT, NO_WAY]),
    st.just(False),
)


@contextlib.contextmanager
def listening(says: bytes | None) -> Iterator[int]:
    """A port that greets so; None: takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _peer = server.accept()
                held.append(connection)
                if says is not None:
                    connection.sendall(says)
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(5)
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("says", "banner"), [(b"SSH-2.0-OpenSSH_9\r\n", True), (b"220 mail\r\n", False), (b"SS", False), (None, False)]
)
def test_only_a_greeting_of_ssh_is_an_answer(says: bytes | None, banner: bool) -> None:
    with listening(says) as port:
        found = look("127.0.0.1", port, 0.3)
    assert (found.resolves, found.port, found.banner) == (True, OPEN, banner)


def test_a_closed_port_and_a_name_without_an_address_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = int(gone.getsockname()[1])
    assert look("127.0.0.1", port, 1).port == REFUSED
    assert look("nobody.invalid", 22, 1) == View(False, None, NO_WAY, False)


def test_a_real_ping_is_answered_where_one_may_be_sent() -> None:
    assert host_unreachable.echo(socket.AF_INET, "127.0.0.1", 2) in (True, None)


@given(st.binary(min_size=2, max_size=40).filter(lambda data: len(data) % 2 == 0))
def test_with_its_sum_a_packet_adds_up_to_nothing(data: bytes) -> None:
    whole = data + struct.pack("!H", host_unreachable.checksum(data))
    assert host_unreachable.checksum(whole) == 0


@pytest.mark.parametrize(
    ("here", "views", "why"),
    [
        (OFF, {"web02": UP}, "reached from web02 but not from the controller"),
        (CLOSED, {"web02": CLOSED}, "sshd does not run"),
        (View(True, True, OPEN, False), {}, "takes connections and says nothing"),
        (View(True, True, SILENT, False), {}, "a firewall drops it, or the machine hangs"),
        (View(False, None, NO_WAY, False), {}, "look at the DNS"),
        (OFF, {"web02": OFF}, "from all 2 sides"),
        (OFF, {}, "no neighbour was asked"),
    ],
)
def test_a_person_is_told_where_to_look_first(here: View, views: dict[str, View], why: str) -> None:
    assert why in conclusion(here, views, 22)


@given(VIEWS, st.dictionaries(st.text(max_size=4), VIEWS, max_size=3))
def test_it_never_says_that_a_host_is_up_of_which_nobody_saw_anything(here: View, views: dict[str, View]) -> None:
    found = conclusion(here, views, 22)
    if found.startswith("it is up"):
        assert any(view.port in (OPEN, REFUSED) for view in (here, *views.values()))
    assert found.isprintable()


@pytest.mark.parametrize(
    "said",
    [
        {},
        "no",
        None,
        {"resolves": True, "ping": True, "port": "{{ x }}", "banner": True},
        {"resolves": "yes", "ping": True, "port": OPEN, "banner": True},
        {"resolves": True, "ping": 1, "port": OPEN, "banner": True},
    ],
)
def test_what_a_neighbour_says_in_another_form_is_refused(said: object) -> None:
    with pytest.raises(MspError, match="MSP-RUN-022"):
        host_unreachable.of_neighbour("web02", said)


def test_a_host_that_answers_needs_nobody_and_one_that_does_not_is_always_a_persons(tmp_path: Path) -> None:
    tools, programs = made_tools(tmp_path)
    given: dict[str, object] = {"address": "127.0.0.1", "seconds": 1, "attempts": 1, "views": {"web02": UP._asdict()}}
    with listening(b"SSH-2.0-x\r\n") as port:
        assert host_unreachable.act(tools, {**given, "port": port}).outcome == answer.NOTHING_TO_DO
    found = host_unreachable.act(tools, {**given, "port": port})
    assert (found.outcome, found.changed, programs.ran) == (answer.GAVE_UP, False, [])
    assert found.before["sides_that_reach_it"] == 1
