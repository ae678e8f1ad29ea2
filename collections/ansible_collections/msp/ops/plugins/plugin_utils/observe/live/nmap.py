# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs nmap. I/O: starts a program, with a time limit; decides nothing of what is scanned (observe.scan does)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import nmap
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, joined
from ansible_collections.msp.ops.plugins.plugin_utils.observe.scan import Scan, arguments
from ansible_collections.msp.ops.plugins.plugin_utils.observe.text import LARGEST

# Where nmap is looked for, and all that it gets of our environment.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
# CAP_NET_ADMIN and CAP_NET_RAW, as bits.
_RAW = 1 << 12 | 1 << 13
_GRACE = 5.0  # seconds to end by itself


@dataclass(frozen=True, slots=True)
class Answer:
    """What nmap wrote, and what kept it from its end; the hosts it had found by then are seen all the same."""

    content: bytes
    problem: MspError | None = None


def privileged() -> bool:
    """Whether nmap started from here may send raw packets: as root, or with both capabilities handed down to it."""
    if os.geteuid() == 0:
        return True
    try:
        return hands_down_raw(Path("/proc/self/status").read_text(encoding="ascii"))
    except OSError:  # not Linux
        return False


def hands_down_raw(status: str) -> bool:
    """Whether a process, by its /proc/PID/status, hands down what a raw scan needs (its ambient capabilities)."""
    ambient = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapAmb:")), 0)
    return ambient & _RAW == _RAW


def scan(decision: Scan, customer: str, seconds: float) -> tuple[Reading, tuple[MspError, ...]]:
    """What a scan saw, and what went wrong with it. seconds is the limit for IPv4 and for IPv6 each.

    A scan that did not come to its end is not complete and covers nothing, whatever it wrote.
    """
    readings, problems = [], []
    for words in arguments(decision):
        answer = run(words, seconds)
        context = Context(customer, dt.datetime.now(dt.UTC), "nmap's answer")
        found = nmap.parse(answer.content, context)
        if answer.problem is not None:
            problems.append(answer.problem)
            found = dataclasses.replace(found, complete=False, covered=())
        readings.append(found)
    return joined(readings), tuple(problems)


def run(words: Sequence[str], seconds: float) -> Answer:
    """Run nmap with these arguments. An error is raised where it wrote nothing, else it comes with what it wrote."""
    program = shutil.which("nmap", path=PATH)
    if program is None:
        raise MspError(
            "MSP-OBS-005",
            "nmap on this machine",
            f"no program nmap in {PATH}",
            "install it (Debian, Ubuntu: apt-get install nmap; RHEL family: dnf install nmap)",
        )
    with tempfile.TemporaryDirectory(prefix="msp-scan-") as place:
        file = Path(place) / "scan.xml"
        with tempfile.TemporaryFile() as words_of_nmap:
            problem = _run([program, "-oX", str(file), *words], place, seconds, words_of_nmap)
        content = _content(file)
    if not content and problem is not None:
        raise problem
    return Answer(content, problem)


def _run(command: Sequence[str], home: str, seconds: float, said: IO[bytes]) -> MspError | None:
    """Run one command to its end or to the limit; what was wrong with it."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
        env={"PATH": PATH, "HOME": home, "LC_ALL": "C"},
        cwd=home,
        start_new_session=True,
    )
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return MspError(
            "MSP-OBS-007",
            f"the scan to end within {seconds:g} seconds",
            "it had not, and was stopped; the hosts found until then are kept",
            "scan fewer or smaller prefixes at a time, raise the rate, or allow it more time",
        )
    finally:
        _end(process)
    if status == 0:
        return None
    said.seek(0)
    words = " ".join(said.read(4000).decode("utf-8", errors="replace").split())[:500]
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return MspError(
        "MSP-OBS-006",
        "nmap to end well",
        f"{how}: {words or 'it said nothing'}",
        "run the same scan by hand and see what it says; in a container without CAP_NET_RAW scan without root's rights",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """No scan goes on when nobody waits for it any more, not even when this run was interrupted."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _content(file: Path) -> bytes:
    """What nmap wrote; nothing when it wrote no file. One byte too many is enough for the parser to refuse it."""
    try:
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except FileNotFoundError:
        return b""
