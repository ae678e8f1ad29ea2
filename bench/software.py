"""./msp software on a store that knows 10,000 machines of 100 customers: from the key press to the answer.

Measured through ./msp itself, so that the start of Python and every import counts, as they do for who waits. Every
machine has 300 packages, made ones, in one of twenty states of updates.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from itertools import batched
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from bench import harness

CUSTOMERS, MACHINES, PACKAGES, STATES = 100, 10_000, 300, 20
AT_ONCE = 500
ROUNDS = int(os.environ.get("MSP_BENCH_ROUNDS", "5"))
LIMIT = 1.0
QUESTIONS = {
    "one version": ["openssl", "3.0.5-1"],
    "older than": ["openssl", "<3.0.5"],
    "on every machine": ["package-007"],
    "on none": ["telnetd"],
}


def run() -> harness.Outcome:
    with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory:
        url = f"sqlite:///{directory}/evidence.db"
        os.environ["MSP_DURABLE_PATHS"] = directory
        began = time.monotonic()
        _fill(url)
        filled = time.monotonic() - began
        env = {"MSP_STORE_URL": url, "MSP_DURABLE_PATHS": directory}
        times = {what: _times(words, env) for what, words in QUESTIONS.items()}
    return _outcome(times, filled)


def _fill(url: str) -> None:
    now = dt.datetime.now(dt.UTC)
    with Store.open(url, upgrade=True) as store:
        names = [store.put_facts(_facts(state)) for state in range(STATES)]
        audits = (
            Audit(
                f"customer-{number % CUSTOMERS}",
                f"device:{number}",
                f"srv{number:05}",
                now,
                "ok",
                facts_hash=names[number % STATES],
            )
            for number in range(MACHINES)
        )
        for part in batched(audits, AT_ONCE):
            store.record_audits(part)


def _facts(state: int) -> dict[str, Any]:
    """A machine on which the updates of this state, and of those before it, are installed."""
    packages = [("openssl", f"3.0.{state}-1")]
    packages += [(f"package-{number:03}", f"1.{state if number % 7 == 0 else 0}-1") for number in range(1, PACKAGES)]
    return {
        "os": {"id": "debian", "version": "12.7", "name": "Debian GNU/Linux"},
        "packages": [
            {"name": name, "version": version, "architecture": "amd64", "origin": "Debian/bookworm"}
            for name, version in packages
        ],
    }


def _times(words: list[str], env: Mapping[str, str]) -> list[float]:
    """Seconds of each round; the first, which also warms the disk, does not count."""
    seconds = []
    for _ in range(ROUNDS + 1):
        start = time.monotonic()
        command = [str(harness.ROOT / "msp"), "software", *words]
        done = subprocess.run(command, env={**os.environ, **env}, cwd=Path("/"), capture_output=True, check=False)
        seconds.append(time.monotonic() - start)
        if done.returncode not in (0, 3):
            raise RuntimeError(done.stderr.decode(errors="replace"))
    return seconds[1:]


def _outcome(times: Mapping[str, list[float]], filled: float) -> harness.Outcome:
    outcome = harness.Outcome("software")
    for what, seconds in times.items():
        outcome.figures.append(harness.Figure(f"{what}, median", statistics.median(seconds), "s"))
        outcome.figures.append(harness.Figure(f"{what}, worst of {len(seconds)}", max(seconds), "s"))
        outcome.targets.append(harness.Target(f"{what}: under a second", statistics.median(seconds), LIMIT))
    outcome.figures.append(harness.Figure(f"filling the store, {MACHINES} machines", filled, "s"))
    outcome.notes.append(f"{MACHINES} machines with {PACKAGES} packages each; load {os.getloadavg()[0]:.1f}")
    return outcome
