"""playbooks/patch.yml with three real hosts when something fails in the middle of it: NetBox or the store goes away,
the controller is killed, two run at once, the canary or a whole ring cannot be reached, a host is another machine than
the one that was scanned, a package breaks.

Each controller is a real ansible-playbook. NetBox is a made one, a web server that can be taken away; hosts and store
are real. The hosts' package waits in its script until the test lets it go on, so nothing waits for a time. Each test
goes on where the one before it ended: the rollouts are those of one customer.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import steering
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Judged, Scan, Update
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import SLUG, asset, customer
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox
from lab import hosts, image, paths, podman
from lab.machines import MACHINES
from lab.repository import MAIN, ON_HOST, SECURITY, Package, Repository
from tests.patch_bed import AT, GO, SECONDS, STATE, until, wait_in

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("faults-test", os.environ.get("PYTEST_XDIST_WORKER"))))
NAMES = CANARY, SECOND, THIRD = ("jansen-srv01", "jansen-till02", "harbour-ws01")
PLAN: dict[str, Any] = {
    "name": "office",
    "timezone": "Europe/Amsterdam",
    "automatic": True,
    "classes": {
        "emergency": {"deadline": "48h", "windows": "any"},
        "security": {"deadline": "14d", "windows": ["always"]},
        "routine": {"deadline": "30d", "windows": ["always"]},
    },
    "windows": {"always": {"rule": "FREQ=DAILY", "start": "00:00", "duration": "24h", "cutoff": "1m"}},
    "rings": [
        {"name": "canary", "tag": "msp-ring-pilot", "soak": "0m", "successes": 1},
        {"name": "broad", "percent": 100, "soak": "0m", "successes": 2},
    ],
    "rates": {"at_once": 2, "most_failures": 0, "most_lost": 0},
    "checks": {"before": [], "after": []},
    "reboot": "never",
    "rollback": "none",
}
PILOT = [{"id": 1, "slug": "msp-ring-pilot", "name": "pilot", "display": "pilot"}]
# Waits where a test asked for it with a file, and says that it has come so far.
WAIT = f"#!/bin/sh\nset -e\n[ ! -e {GO}.wanted ] || {{ touch {AT}; while [ ! -e {GO} ]; do sleep 0.05; done; }}\n"


class NetBox(MadeNetBox):
    """A made NetBox with one customer, that can be taken away and brought back at the same address."""

    def __init__(self) -> None:
        super().__init__()
        context = {"msp_patch_plan": PLAN}
        devices = [asset(number, context, tags=PILOT if number == 1 else ()) for number in (1, 2, 3)]
        customer(self, [{**device, "name": name} for device, name in zip(devices, NAMES, strict=True)])
        for endpoint in ("dcim/devices", "virtualization/virtual-machines"):
            self.filters[endpoint] = [*self.filters[endpoint], "tenant"]
        self.tables["extras/journal-entries"] = []
        self._handler, self._port = self.server.RequestHandlerClass, self.server.server_port

    def answer(self, endpoint: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """All assets are of the one customer."""
        return super().answer(endpoint, {name: value for name, value in query.items() if name != "tenant"})

    def plans(self, plan: Mapping[str, Any]) -> None:
        """What every asset's plan is from now on."""
        context = {"msp_patch_plan": plan}
        for device in self.tables["dcim/devices"]:
            device.update(local_context_data=context, config_context=context)

    def goes_away(self) -> None:
        self.stop()

    def come_back(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@dataclass
class Tick:
    """One run of playbooks/patch.yml."""

    process: subprocess.Popen[str]

    def ends(self) -> tuple[int, str]:
        """Its exit status and what it printed."""
        out, _none = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out


@dataclass
class Office:
    """The customer: hosts, NetBox, store, and controllers for it."""

    rows: Mapping[str, Mapping[str, Any]]
    place: Path
    state_dir: Path
    netbox: NetBox

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.place / 'evidence.db'}"

    def begin(self, *arguments: str) -> Tick:
        """Start a tick."""
        return self._begin("playbooks/patch.yml", "-e", f"customer={SLUG}", *arguments)

    def _begin(self, *arguments: str) -> Tick:
        """Start ansible-playbook, in a session of its own."""
        environment = {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            "NETBOX_API": self.netbox.url,
            "NETBOX_TOKEN": self.netbox.token,
            "MSP_STORE_URL": self.store_url,
            "MSP_DURABLE_PATHS": str(self.place),
            "XDG_STATE_HOME": str(self.place / "state"),
            "XDG_CACHE_HOME": str(self.place / "cache"),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "NO_COLOR": "1",
        }
        return Tick(
            subprocess.Popen(
                ["ansible-playbook", "-i", str(self.place / "inventory.yml"), *arguments],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )

    def tick(self, *arguments: str) -> tuple[int, str]:
        return self.begin(*arguments).ends()

    def goes_well(self, *arguments: str) -> str:
        status, said = self.tick(*arguments)
        assert status == 0, said[-4000:]
        return said

    def asks(self, action: str) -> None:
        """What a person asks between ticks."""
        said = {"customer": SLUG, "action": action, "rollout": "", "manifest": "", "by": "A. de Vries", "reason": "so"}
        with Store.open(self.store_url) as store:
            steering.asked(store, said, check=False)

    def sh(self, host: str, script: str) -> str:
        return podman.run("exec", str(self.rows[host]["container"]), "sh", "-c", script).strip()

    def holds(self, host: str) -> None:
        """The next work on a host waits in the package's script."""
        self.sh(host, f"rm -f {AT} {GO}; touch {GO}.wanted")

    def at_work(self, host: str) -> None:
        self._waits(host, f"[ -e {AT} ]", "it runs the script")

    def lets_go(self, host: str) -> None:
        self.sh(host, f"touch {GO}; rm {GO}.wanted")

    def goes_on_alone(self, host: str, version: str) -> None:
        self.lets_go(host)
        version_is = f"dpkg-query -W -f '${{Version}} ${{db:Status-Status}}' lab-till | grep -q '^{version} installed'"
        self._waits(host, version_is, "it goes on alone")
        self._waits(host, "systemctl is-active msp-patch | grep -q inactive", "its unit ends")

    def _waits(self, host: str, condition: str, what: str) -> None:
        wait_in(str(self.rows[host]["container"]), condition, f"{what} on {host}")

    def version(self, host: str) -> str:
        return self.sh(host, "dpkg-query -W -f '${Version} ${db:Status-Status}' lab-till")

    def installs(self, host: str, version: str) -> int:
        """How often dpkg itself says that it put this version on the host."""
        return int(self.sh(host, f"grep -c 'status installed lab-till:all {version}$' /var/log/dpkg.log || true"))

    def offer(self, version: str, before: str, *, machine_id: str = "") -> None:
        """The hosts' scans know of a newer version from now on."""
        update = Update("lab-till", "all", before, version, "Lab/security", True)
        found = Judged(update, "security", "high", "vendor", "")
        now = dt.datetime.now(dt.UTC)
        with Store.open(self.store_url) as store:
            store.record_scans(
                Scan(
                    SLUG, f"device:{number}", host, now, "ok", "debian-12", "apt", (found,), now, machine_id=machine_id
                )
                for number, host in enumerate(NAMES, start=1)
            )

    def rollout(self) -> Rollout:
        with Store.open(self.store_url) as store:
            stored = store.rollouts(SLUG)[0]
        return fold(stored.id, events.of(stored))

    def states(self) -> list[str]:
        return [self.rollout().hosts[name].state for name in NAMES]

    def lease_runs_out(self) -> None:
        """As it does by itself after a while, when the controller that had it is gone."""
        with Store.open(self.store_url) as store:
            store.database.write(lambda connection: connection.exec_driver_sql("UPDATE leases SET expires = 0"))

    def switch_off(self, *names: str) -> None:
        podman.run("stop", "--time", "0", *(str(self.rows[name]["container"]) for name in names))

    def switch_on(self, *names: str) -> None:
        for name in names:
            podman.run("start", str(self.rows[name]["container"]))
            hosts.wait_for_sshd(str(self.rows[name]["container"]), str(self.rows[name]["address"]))


def till(version: str) -> Package:
    return Package("lab-till", version, scripts={"postinst": WAIT}, files={"/usr/lib/lab-till": f"{version}\n"})


BROKEN = Package("lab-till", "1.5", scripts={"postinst": "#!/bin/sh\nexit 3\n"})


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    if reason := hosts.available():
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("faults")
    state_dir = place / "hosts"
    machines = [machine for machine in MACHINES if machine.name in NAMES]
    netbox = NetBox()
    kept = {name: os.environ.get(name) for name in ("MSP_DURABLE_PATHS", "XDG_CACHE_HOME")}
    os.environ["MSP_DURABLE_PATHS"] = str(place)
    try:
        image.ensure(
            [machine.recipe for machine in machines if machine.recipe], lambda _title: contextlib.nullcontext()
        )
        paths.make_dir(state_dir, 0o700)
        ground = hosts.Ground(LAB, state_dir, hosts.ensure_key(state_dir), hosts.ensure_networks(LAB))
        with ThreadPoolExecutor(len(machines)) as pool:
            keys = list(pool.map(lambda machine: hosts.start(ground, machine, {}), machines))
        rows = [hosts.describe(ground, machine, found) for machine, found in zip(machines, keys, strict=True)]
        named = {machine.name: found for machine, found in zip(machines, keys, strict=True)}
        hosts.write_ssh_files(state_dir, rows, named)
        made = Office({row["name"]: row for row in rows}, place, state_dir, netbox)
        prepare(made)
        yield made
    finally:
        netbox.stop()
        hosts.down(LAB, state_dir)
        for name, value in kept.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def prepare(office: Office) -> None:
    """A store, an inventory, and the first version on the hosts."""
    Store.open(office.store_url, upgrade=True).close()
    inventory = {
        name: {
            "ansible_host": office.rows[name]["address"],
            "ansible_port": office.rows[name]["port"],
            "msp": {
                "customer": SLUG,
                "timezone": "Europe/Amsterdam",
                "status": "contracted",
                "contract": {"start": "2020-01-01", "end": None},
                "asset": {"key": f"device:{number}"},
            },
        }
        for number, name in enumerate(NAMES, start=1)
    }
    (office.place / "inventory.yml").write_text(json.dumps({"all": {"hosts": inventory}}), encoding="utf-8")
    repository = Repository(office.place / "repository")
    repository.publish(MAIN, [till("1.0")])
    repository.publish(SECURITY, [*(till(version) for version in ("1.1", "1.2", "1.3", "1.4")), BROKEN])

    def host(name: str) -> None:
        repository.copy_to(str(office.rows[name]["container"]))
        office.sh(name, f"rm /etc/apt/sources.list; dpkg --force-unsafe-io -i {ON_HOST}/pool/{MAIN}/*.deb")
        office.sh(name, "echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/lab; apt-get -qq update")

    with ThreadPoolExecutor(len(NAMES)) as pool:
        list(pool.map(host, NAMES))


def failed(ran: tuple[int, str], *words: str) -> None:
    status, said = ran
    assert status != 0, said[-4000:]
    for word in words:
        assert word in said, said[-4000:]


def test_a_netbox_that_goes_away_while_a_host_works_is_named_and_what_the_host_answered_is_kept(office: Office) -> None:
    office.offer("1.1", before="1.0")
    office.holds(CANARY)
    tick = office.begin()
    office.at_work(CANARY)
    office.netbox.goes_away()
    try:
        office.lets_go(CANARY)
        failed(tick.ends(), "MSP-REG-")
        assert office.states() == ["patched", "waiting", "waiting"]
    finally:
        office.netbox.come_back()
    assert office.installs(CANARY, "1.1") == 1


def test_a_ring_of_which_all_hosts_are_off_stops_the_rollout_and_is_gone_on_with_when_they_are_back(
    office: Office,
) -> None:
    office.switch_off(SECOND, THIRD)
    try:
        # What NetBox kept from being judged is judged now, and the next ring is tried.
        failed(office.tick(), "halted")
        assert [ring.state for ring in office.rollout().rings] == ["complete", "active"]
        assert office.states() == ["patched", "lost", "lost"]
    finally:
        office.switch_on(SECOND, THIRD)
    assert [office.version(name) for name in (SECOND, THIRD)] == ["1.0 installed"] * 2

    office.asks("resume")
    office.goes_well()
    assert office.states() == ["patched"] * 3
    office.goes_well()
    assert office.rollout().over
    assert [office.installs(name, "1.1") for name in NAMES] == [1, 1, 1]


def test_a_canary_that_cannot_be_reached_stops_the_rollout_and_the_other_ring_keeps_what_it_has(
    office: Office,
) -> None:
    office.offer("1.2", before="1.1")
    office.switch_off(CANARY)
    try:
        failed(office.tick(), "halted")
    finally:
        office.switch_on(CANARY)
    assert office.states() == ["lost", "waiting", "waiting"]
    assert [office.version(name) for name in NAMES] == ["1.1 installed"] * 3


def test_of_two_controllers_at_once_one_is_refused_and_the_host_is_patched_once(office: Office) -> None:
    office.asks("resume")
    office.holds(CANARY)
    both = [office.begin(), office.begin()]
    office.at_work(CANARY)
    until(lambda: any(tick.process.poll() is not None for tick in both), "one of them is refused")
    office.lets_go(CANARY)

    (won, lost) = sorted((tick.ends() for tick in both), key=lambda ran: ran[0])

    assert won[0] == 0, won[1][-4000:]
    failed(lost, "MSP-EVD-015")
    assert office.states() == ["patched", "waiting", "waiting"]
    assert office.installs(CANARY, "1.2") == 1


def test_a_killed_controller_is_gone_on_with_and_a_host_that_forgot_its_work_is_not_patched_twice(
    office: Office,
) -> None:
    office.holds(SECOND)
    tick = office.begin()  # the canary's gate, and the next batch
    office.at_work(SECOND)
    os.killpg(tick.process.pid, signal.SIGKILL)
    tick.ends()
    office.goes_on_alone(SECOND, "1.2")
    office.sh(SECOND, f"rm -r {STATE}")  # a disk that was put back to its state before, say: the result is lost

    office.lease_runs_out()
    office.goes_well()

    assert office.states() == ["patched", "nothing", "patched"]
    assert [host.begins for host in office.rollout().hosts.values()] == [2, 2, 1]  # the canary was off at first
    assert [office.installs(name, "1.2") for name in NAMES] == [1, 1, 1]


def test_a_store_that_goes_away_while_a_host_works_is_named_and_the_host_is_asked_once_it_is_back(
    office: Office,
) -> None:
    office.offer("1.3", before="1.2")
    office.holds(CANARY)
    tick = office.begin()
    office.at_work(CANARY)
    gone = office.place / "gone"
    gone.mkdir()
    for file in office.place.glob("evidence.db*"):
        file.rename(gone / file.name)
    try:
        office.lets_go(CANARY)
        failed(tick.ends(), "MSP-EVD-002")
    finally:
        for file in gone.iterdir():
            file.rename(office.place / file.name)
    assert office.states() == ["working", "waiting", "waiting"]

    office.lease_runs_out()
    office.goes_well()

    assert office.states()[0] == "patched"
    assert office.rollout().hosts[CANARY].begins == 1
    assert office.installs(CANARY, "1.3") == 1


def test_a_run_for_some_of_the_hosts_is_refused_for_the_others_would_be_left_out(office: Office) -> None:
    number = office.rollout().number

    failed(office.tick("--limit", f"{CANARY},localhost"), "MSP-PAT-145")

    assert office.rollout().number == number


def test_a_run_with_an_inventory_that_lacks_a_host_is_refused_with_its_name(office: Office) -> None:
    number, inventory = office.rollout().number, office.place / "inventory.yml"
    whole = inventory.read_text(encoding="utf-8")
    some = json.loads(whole)
    del some["all"]["hosts"][THIRD]
    inventory.write_text(json.dumps(some), encoding="utf-8")
    try:
        failed(office.tick(), "MSP-PAT-185", f"{THIRD} not there")
    finally:
        inventory.write_text(whole, encoding="utf-8")

    assert office.rollout().number == number


def test_another_machine_than_the_one_that_was_scanned_is_not_touched(office: Office) -> None:
    office.offer("1.4", "1.3", machine_id="0" * 32)

    failed(office.tick(), "halted")

    canary = office.rollout().hosts[CANARY]
    assert canary.state == "refused"
    assert "MSP-PAT-103" in canary.reason
    assert office.version(CANARY) == "1.3 installed"


def test_a_package_whose_script_fails_on_the_canary_goes_back_and_is_not_tried_again_whatever_else_is(
    office: Office,
) -> None:
    office.netbox.plans({**PLAN, "rollback": "downgrade", "reboot": "if_needed"})
    office.offer("1.5", "1.3", machine_id=office.sh(CANARY, "cat /etc/machine-id"))

    failed(office.tick(), "halted")
    assert office.states() == ["failed", "waiting", "waiting"]
    said = office.goes_well()

    stopped = office.rollout()
    assert (stopped.side, stopped.hosts[CANARY].state) == ("rolled back", "rolled back")
    assert [office.version(name) for name in NAMES] == ["1.3 installed", "1.2 installed", "1.2 installed"]
    assert "not tried again by itself: lab-till 1.5" in said
    assert office.goes_well()
    assert office.rollout().id == stopped.id
