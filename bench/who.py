"""./msp who on a NetBox of 10,000 devices and a store that knows them: from the key press to the answer, by term.

Measured through ./msp itself, so that the start of Python and every import counts, as they do for who waits.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import assets
from bench import harness
from lab import lab, seed

DEVICES, KNOWN = 10_000, 500
ROUNDS = int(os.environ.get("MSP_BENCH_ROUNDS", "9"))
LIMIT = 1.0


def run() -> harness.Outcome:
    place = lab.up("bench", hosts=False)
    with Register.connect(place.url, place.token) as register:
        if register.count("dcim/devices") == 0:
            seed.devices(place, count=DEVICES)
        (first,) = register.rows(
            "dcim/devices", fields=("name", "serial", "tenant"), filters={"id": [_lowest(register)]}
        )
        customer = first["tenant"]["slug"]
        with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory:
            url = f"sqlite:///{directory}/evidence.db"
            os.environ["MSP_DURABLE_PATHS"] = directory
            _fill(url, customer, register)
            env = {**place.env(), "MSP_STORE_URL": url, "MSP_DURABLE_PATHS": directory}
            terms = {"name": first["name"], "serial": first["serial"], "MAC": _mac(0), "nothing": "no-such-thing"}
            return _outcome({what: _times(str(term), env) for what, term in terms.items() if term})


def _lowest(register: Register) -> int:
    return int(register.get("dcim/devices", {"limit": 1, "ordering": "id", "fields": "id"})["results"][0]["id"])


def _mac(number: int) -> str:
    return f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"


def _fill(url: str, customer: str, register: Register) -> None:
    """One customer's assets, audited and seen."""
    now = dt.datetime.now(dt.UTC)
    with Store.open(url, upgrade=True) as store:
        facts = store.put_facts({"schema": 1, "hostname": {"name": "bench"}, "os": {"name": "Debian", "version": "12"}})
        known = assets(register, customer)[:KNOWN]
        store.record_audits(Audit(customer, a.key, f"{a.name}.{customer}", now, "ok", facts_hash=facts) for a in known)
        store.record_observations(
            Observation(customer, "audit", now, {"names": [a.name], "serial": a.serial, "macs": [_mac(n)]}, asset=a.key)
            for n, a in enumerate(known)
        )


def _times(term: str, env: Mapping[str, str]) -> list[float]:
    """Seconds of each round; the first, which also warms the disk, does not count."""
    seconds = []
    for _ in range(ROUNDS + 1):
        start = time.monotonic()
        command = [str(harness.ROOT / "msp"), "who", term]
        done = subprocess.run(command, env={**os.environ, **env}, cwd=Path("/"), capture_output=True, check=False)
        seconds.append(time.monotonic() - start)
        if done.returncode not in (0, 3):
            raise RuntimeError(done.stderr.decode(errors="replace"))
    return seconds[1:]


def _outcome(times: Mapping[str, list[float]]) -> harness.Outcome:
    outcome = harness.Outcome("who")
    for what, seconds in times.items():
        outcome.figures.append(harness.Figure(f"by {what}, median", statistics.median(seconds), "s"))
        outcome.figures.append(harness.Figure(f"by {what}, worst of {len(seconds)}", max(seconds), "s"))
        outcome.targets.append(harness.Target(f"by {what}: under a second", statistics.median(seconds), LIMIT))
    outcome.notes.append(f"NetBox with {DEVICES} devices on this machine; load {os.getloadavg()[0]:.1f}")
    return outcome
