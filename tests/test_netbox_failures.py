"""NetBox refuses, is away, or goes away half way: every command a person runs says so with its code, exits non-zero,
shows no half of a list and writes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection
from lab import seed
from lab.api import NetBox

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
# More than one page of the reader's, so that there is a middle to be cut off in.
DEVICES = 2500
CUSTOMER = "customer-001"
WRONG_TOKEN = "nbt_aaaaaaaaaaaa." + "0" * 40


class Proxy:
    """Stands between a command and NetBox, and goes away for good after so many bytes of answers."""

    def __init__(self, upstream: int, limit: int) -> None:
        self.upstream, self.left = upstream, limit
        self.passed = 0
        self.cut = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self.upstream))
                self._open |= {client, server}
                threading.Thread(target=self._copy, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._copy, args=(server, client, True), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if answers and not self._may_pass(len(data)):
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _may_pass(self, size: int) -> bool:
        with self._lock:
            self.left -= size
            if self.left > 0:
                self.passed += size
                return True
        self.cut.set()
        self.close()
        return False

    def close(self) -> None:
        """Refuse new connections and break those that are open, as a NetBox that was killed does."""
        for each in (self._server, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@dataclass(frozen=True)
class Command:
    """One command as a person types it, in an environment that reaches no other NetBox and no other store."""

    arguments: tuple[str, ...]
    directory: Path
    store: str

    def run(self, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        own = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.directory),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY_CACHE_CONNECTION": str(self.directory / "cache"),
            "MSP_STORE_URL": self.store,
            "MSP_DURABLE_PATHS": str(self.directory),
            "XDG_STATE_HOME": str(self.directory / "state"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            self.arguments, check=False, capture_output=True, text=True, cwd=ROOT, env={**own, **env}, timeout=600
        )


@pytest.fixture(scope="module")
def full(fresh_netbox: NetBox) -> NetBox:
    """A NetBox with several pages of devices."""
    seed.devices(fresh_netbox.lab, count=DEVICES, customers=2, contexts=6, rendered=False)
    return fresh_netbox


@pytest.fixture(scope="module")
def size(full: NetBox) -> int:
    """How many bytes NetBox answers with when the whole inventory is read."""
    whole = Proxy(full.lab.port, limit=10**12)
    with Register.connect(whole.url, full.token) as register:
        served = customers(register)
        selection = Selection(tuple(customer.id for customer in served), {})
        assert len(snapshot.read(register, selection, follow=False).snapshot.machines) == DEVICES
    whole.close()
    return whole.passed


Make = Callable[..., Command]


@pytest.fixture
def commands(tmp_path: Path, store_url: str) -> dict[str, Make]:
    """Each command of the tests by name; the inventory's options may be added to."""
    Store.open(store_url, upgrade=True).close()

    def source(**options: object) -> str:
        path = tmp_path / "inventory.yml"
        path.write_text(json.dumps({"plugin": "msp.ops.netbox", "timeout": 120, **options}))
        return str(path)

    def command(*arguments: str) -> Command:
        return Command(arguments, tmp_path, store_url)

    return {
        "ansible-inventory": lambda **more: command("ansible-inventory", "-i", source(**more), "--list"),
        "audit": lambda **more: command(
            *("ansible-playbook", "-i", source(**more), "playbooks/audit.yml"),
            *("-e", f"report_directory={tmp_path / 'reports'}"),
        ),
        "who": lambda: command(sys.executable, "msp_cli/__main__.py", "who", "SN00100000007"),
    }


@contextlib.contextmanager
def nothing_written(netbox: NetBox, command: Command) -> Iterator[None]:
    """Neither NetBox nor the report directory nor the list of audits is other than before."""
    before = netbox.changes()
    yield
    assert netbox.changes() == before
    assert not (command.directory / "reports").exists()
    with Store.open(command.store) as store:
        assert store.last_audits(CUSTOMER) == {}


def assert_refused(done: subprocess.CompletedProcess[str], *codes: str) -> None:
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0, said
    assert any(code in said for code in codes), said
    assert "What to do" in said
    # Not one host of a list that is not whole.
    assert "hostvars" not in done.stdout
    assert f".{CUSTOMER}" not in done.stdout
    assert "Traceback" not in said


NAMES = ("ansible-inventory", "audit", "who")


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_token_is_refused_by_name_of_the_code_and_not_shown(
    full: NetBox, commands: dict[str, Make], name: str
) -> None:
    command = commands[name]()

    with nothing_written(full, command):
        done = command.run(full.env(WRONG_TOKEN))

    assert_refused(done, "MSP-REG-003")
    assert WRONG_TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_netbox_that_is_down_before_the_run_is_an_error(full: NetBox, commands: dict[str, Make], name: str) -> None:
    command = commands[name]()
    gone = Proxy(full.lab.port, limit=0)
    gone.close()

    with nothing_written(full, command):
        done = command.run({**full.env(), "NETBOX_API": gone.url})

    assert_refused(done, "MSP-REG-002")


@pytest.mark.parametrize("name", ["ansible-inventory", "audit"])
def test_a_netbox_that_goes_down_while_devices_are_read_is_an_error_and_no_shorter_list(
    full: NetBox, size: int, commands: dict[str, Make], name: str
) -> None:
    command = commands[name]()
    dying = Proxy(full.lab.port, limit=size * 2 // 3)

    with nothing_written(full, command):
        done = command.run({**full.env(), "NETBOX_API": dying.url})

    assert dying.cut.is_set()
    assert_refused(done, "MSP-REG-002", "MSP-REG-005")


def test_a_netbox_that_goes_down_while_a_cached_inventory_is_renewed_is_an_error_and_spoils_nothing(
    full: NetBox, commands: dict[str, Make]
) -> None:
    command = commands["ansible-inventory"](cache=True)
    first = command.run(full.env())
    assert first.returncode == 0, first.stderr
    dying = Proxy(full.lab.port, limit=2000)

    done = command.run({**full.env(), "NETBOX_API": dying.url})
    again = command.run(full.env())

    assert dying.cut.is_set()
    assert_refused(done, "MSP-REG-002", "MSP-REG-005")
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_a_netbox_killed_while_it_answers_who_is_an_error_and_not_nobodys(
    full: NetBox, commands: dict[str, Make]
) -> None:
    command = commands["who"]()
    dying = Proxy(full.lab.port, limit=300)

    with nothing_written(full, command):
        done = command.run({**full.env(), "NETBOX_API": dying.url})

    assert_refused(done, "MSP-REG-002", "MSP-REG-005")
    assert "not all there is to know" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_netbox_that_shows_no_devices_to_this_token_is_an_error_and_not_an_empty_customer(
    full: NetBox, commands: dict[str, Make], name: str
) -> None:
    everything_else = ["tenancy.tenant", "virtualization.virtualmachine", "dcim.site", "extras.configcontext"]
    token = full.token_for([{"object_types": everything_else, "actions": ["view"]}], write=False)
    command = commands[name]()

    with nothing_written(full, command):
        done = command.run(full.env(token))

    assert_refused(done, "MSP-REG-003")
    assert "dcim.view_device" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("name", ["ansible-inventory", "audit"])
def test_an_unknown_filter_is_an_error_and_not_every_device(full: NetBox, commands: dict[str, Make], name: str) -> None:
    command = commands[name](filters={"sitee": "customer-001-site-1"})

    with nothing_written(full, command):
        done = command.run(full.env())

    assert_refused(done, "MSP-REG-006")
    assert "sitee" in done.stdout + done.stderr
