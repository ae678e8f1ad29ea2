"""Each check of ./msp doctor fails when what it looks at is wrong, says what to do, and never ends in a traceback."""

from __future__ import annotations

import collections
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyrage
import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.engine import Database
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.migrate import upgrade
from ansible_collections.msp.ops.plugins.plugin_utils.register import model_rights
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import object_type
from msp_cli import doctor
from msp_cli.doctor import FAIL, OK, WARN, Line

Usage = collections.namedtuple("Usage", "total used free")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of this test's own, declared durable."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    monkeypatch.delenv("MSP_STORE_URL", raising=False)
    return tmp_path / "msp.ops"


@pytest.mark.parametrize(
    ("version", "state"),
    [("2.16.3", FAIL), ("2.19.0", WARN), ("2.21.5", OK), ("2.22.0rc1", WARN)],
)
def test_an_untested_ansible_is_named(version: str, state: str) -> None:
    assert doctor.ansible(version).state == state


@pytest.mark.parametrize(
    ("skew", "state"),
    [(0.4, OK), (-4.9, OK), (-12.0, WARN), (3600.0, FAIL), (-61.0, FAIL), (None, WARN)],
)
def test_a_clock_that_is_off_is_named(skew: float | None, state: str) -> None:
    line = doctor.clock(skew)

    assert line.state == state
    assert line.action or line.state == OK


@pytest.mark.parametrize(("running", "state"), [(1, OK), (0, WARN), (None, WARN)])
def test_a_netbox_without_worker_is_named(running: Any, state: str) -> None:
    assert doctor.workers(running).state == state


@pytest.mark.parametrize(
    ("url", "version", "state"),
    [
        ("https://netbox.example.com", (4, 7, 3), OK),
        ("http://127.0.0.1:8000", (4, 7, 0), OK),
        ("http://netbox.example.com", (4, 7, 3), WARN),
        ("https://netbox.example.com", (4, 5, 9), WARN),
    ],
)
def test_a_token_in_the_clear_and_an_untested_netbox_are_named(
    url: str, version: tuple[int, int, int], state: str
) -> None:
    register: Any = SimpleNamespace(url=url, version=version, status={"netbox-version": "x"})

    assert doctor.reached(register).state == state


@pytest.mark.parametrize(("free", "state"), [(10**8, FAIL), (2 * 10**9, WARN), (10**11, OK)])
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, free))

    assert doctor.room("disk", tmp_path / "not" / "there" / "yet").state == state


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, who runs this in a container, may write anywhere

    assert doctor.room("disk", tmp_path / "x").state == FAIL


def test_an_undeclared_place_in_a_container_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWX_HOST", "https://awx.example.com")
    declared = doctor.durable(state)
    monkeypatch.delenv("MSP_DURABLE_PATHS")

    undeclared = doctor.durable(state)

    assert (declared.state, undeclared.state) == (OK, FAIL)
    assert "MSP_DURABLE_PATHS" in undeclared.action


def test_an_escrow_that_others_can_get_at_is_named_and_none_is_made(state: Path) -> None:
    first, _ = doctor.escrow()
    assert first.state == OK and not (state / "escrow").exists()

    (state / "escrow").mkdir(parents=True, mode=0o755)
    second, _ = doctor.escrow()
    assert second.state == FAIL and "0700" in second.action


def test_an_escrow_that_would_vanish_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWX_HOST", "https://awx.example.com")
    monkeypatch.setenv("MSP_ESCROW", "/srv/escrow")
    assert next(doctor.escrow()).state == FAIL
    monkeypatch.setenv("MSP_ESCROW", "store")
    assert next(doctor.escrow()).state == OK


def test_a_customer_whose_secrets_one_key_opens_or_none_is_named(state: Path) -> None:
    keys = [str(pyrage.x25519.Identity.generate().to_public()) for _number in range(2)]
    place = state / "recipients"
    assert [line.state for line in doctor.recipients(place)] == [WARN]
    place.mkdir(parents=True)
    (place / "bakery.txt").write_text("\n".join(keys))
    assert [line.state for line in doctor.recipients(place)] == [OK]
    (place / "dentist.txt").write_text(keys[0])
    (line,) = doctor.recipients(place)
    assert line.state == WARN and "dentist" in line.found and "bakery" not in line.found
    (place / "garage.txt").write_text("age1nonsense")
    assert [line.state for line in doctor.recipients(place)] == [FAIL, WARN]


def test_a_store_without_tables_is_named_and_not_made(state: Path) -> None:
    line, _ = doctor.store()

    assert line.state == FAIL
    assert "./msp store upgrade" in line.action
    assert not (state / "evidence.db").exists()


def test_a_store_that_fits_is_ok(state: Path) -> None:
    upgrade(Database(f"sqlite:///{state / 'evidence.db'}"))

    line, spool = doctor.store()

    assert (line.state, spool.state) == (OK, OK)


def test_a_store_that_is_down_is_named_without_its_password(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSP_STORE_URL", "postgresql://msp:hidden@127.0.0.1:1/evidence")

    line, _ = doctor.store()

    assert line.state == FAIL
    assert "hidden" not in f"{line}"


def test_records_that_wait_for_long_are_named(state: Path) -> None:
    old, spool = time.time_ns() - 7200 * 10**9, state / "spool"
    spool.mkdir(parents=True)
    (spool / f"{time.time_ns():020d}-1-a.jsonl").touch()
    fresh = doctor.spooled()
    (spool / f"{old:020d}-1-b.jsonl").touch()

    stale = doctor.spooled()

    assert (fresh.state, stale.state) == (OK, WARN)
    assert "./msp store deliver" in stale.action


def test_records_that_the_store_refuses_are_named(state: Path) -> None:
    (state / "spool" / "rejected").mkdir(parents=True)
    (state / "spool" / "rejected" / "1-1-a.jsonl").touch()

    assert doctor.spooled().state == WARN


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[defaults]\n", "is not enabled"),
        ("[defaults]\ncallbacks_enabled = msp.ops.evidence\ncollections_path = /nonexistent\n", "can't be loaded"),
        ("[defaults\n", "Ansible does not start"),
    ],
)
def test_a_callback_that_would_not_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, words: str
) -> None:
    (tmp_path / "ansible.cfg").write_text(config)
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))

    (line,) = doctor.callback()

    assert line.state == FAIL
    assert words in line.found


def test_the_callback_of_this_checkout_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)

    (line,) = doctor.callback()

    assert line.state == OK, line.found


@pytest.mark.parametrize("missing", ["NETBOX_API", "NETBOX_TOKEN"])
def test_a_netbox_that_is_not_named_is_one_line(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setenv("NETBOX_API", "http://127.0.0.1:1")
    monkeypatch.setenv("NETBOX_TOKEN", "nbt_a.b")
    monkeypatch.delenv(missing)

    (line,) = doctor.netbox()

    assert line.state == FAIL
    assert line.found.startswith("MSP-REG-001")


def test_a_netbox_that_is_down_is_said_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOX_API", "http://127.0.0.1:1")
    monkeypatch.setenv("NETBOX_TOKEN", "nbt_a.b")
    began = time.monotonic()

    (line,) = doctor.netbox()

    assert line.found.startswith("MSP-REG-002")
    assert time.monotonic() - began < 2


class Token:
    """A register whose token has every declared right but one."""

    def __init__(self, missing: tuple[str, str] | None = None) -> None:
        self.missing = missing

    def allowed(self, endpoint: str) -> frozenset[str]:
        rights = model_rights.needed().get(endpoint, frozenset())
        return rights - {self.missing[1]} if self.missing and self.missing[0] == endpoint else rights


def token_line(token: Any) -> Line:
    (line,) = doctor.rights(token)
    return line


def test_a_token_with_exactly_the_declared_rights_is_ok() -> None:
    assert token_line(Token()).state == OK


@pytest.mark.parametrize(
    ("endpoint", "right", "name"),
    [
        ("dcim/devices", "add", "dcim.add_device"),
        ("dcim/interfaces", "add", "dcim.add_interface"),
        ("dcim/mac-addresses", "add", "dcim.add_macaddress"),
        ("ipam/ip-addresses", "change", "ipam.change_ipaddress"),
        ("ipam/prefixes", "add", "ipam.add_prefix"),
        ("virtualization/interfaces", "change", "virtualization.change_vminterface"),
        ("dcim/device-types", "add", "dcim.add_devicetype"),
        ("extras/journal-entries", "add", "extras.add_journalentry"),
        ("core/object-changes", "view", "core.view_objectchange"),
    ],
)
def test_a_token_that_lacks_one_declared_right_is_not_sufficient(endpoint: str, right: str, name: str) -> None:
    line = token_line(Token((endpoint, right)))

    assert line.state == FAIL
    assert line.found.startswith(f"it lacks {name},")


def test_every_declared_permission_is_demanded() -> None:
    declared = {
        (kind, action)
        for item in model_rights.permissions().items
        for kind in item.body["object_types"]
        for action in item.body["actions"]
    }

    assert {(object_type(e), right) for e, rights in model_rights.needed().items() for right in rights} == declared


def test_the_time_that_is_promised_is_the_deadline() -> None:
    assert f"after {doctor.DEADLINE:.0f} seconds" in str(doctor.__doc__)


def raising(error: Exception) -> Callable[[], Iterator[Line]]:
    def check() -> Iterator[Line]:
        yield Line("first", OK, "fine")
        raise error

    return check


def hanging() -> Iterator[Line]:
    yield Line("first", OK, "fine")
    time.sleep(60)


@pytest.mark.parametrize("error", [RuntimeError("broken"), MspError("MSP-REG-002", "a", "b", "c"), KeyError("x")])
def test_a_check_that_breaks_is_a_line_and_keeps_what_it_found(error: Exception) -> None:
    lines = doctor.look([("it", raising(error)), ("other", lambda: iter([Line("other", OK, "fine")]))])

    assert [line.state for line in lines] == [OK, FAIL, OK]


def test_a_check_that_hangs_is_a_line() -> None:
    lines = doctor.look([("it", hanging)], deadline=0.1)

    assert [line.state for line in lines] == [OK, FAIL]


@pytest.mark.parametrize(("worst", "status"), [(OK, 0), (WARN, 0), (FAIL, 1)])
def test_only_a_failure_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], worst: str, status: int
) -> None:
    monkeypatch.setattr(doctor, "look", lambda _checks: [Line("a", OK, "x"), Line("b", worst, "y", "do z")])

    assert doctor.main([]) == status
    assert ("-> do z" in capsys.readouterr().out) == (worst != OK)


def test_json_is_for_programs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "look", lambda _checks: [Line("a", FAIL, "x", "y")])

    assert doctor.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [{"check": "a", "state": "fail", "found": "x", "action": "y"}]
