"""./msp who: what the helpdesk asks first, against a real NetBox and a real store."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.apply import apply as declare
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from lab.api import NetBox
from msp_cli import who as command

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parent.parent
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
MAC, ADDRESS = "b8:27:eb:4a:10:9c", "192.0.2.57"
PENDING = {"known": True, "total": 3, "security": 2, "pending": []}
OLD = {"id": "debian", "name": "Debian GNU/Linux", "version": "11", "support_end": "2026-01-31"}

Done = subprocess.CompletedProcess[str]
Who = Callable[..., Done]


@pytest.fixture(scope="module")
def office(fresh_netbox: NetBox) -> NetBox:
    """Two customers, each with a host of the same name; one of them is ended."""
    with Register.connect(fresh_netbox.url, fresh_netbox.token) as register:
        declare(register, NOW.date(), wanted=["choice_sets", "custom_fields"])
        terms = {names.CONTRACT_ID: "C-1", names.CONTRACT_START: "2026-01-01", names.TIMEZONE: "Europe/Amsterdam"}
        role = register.create("dcim/device-roles", [{"name": "Server", "slug": "server"}])[0]["id"]
        maker = register.create("dcim/manufacturers", [{"name": "HPE", "slug": "hpe"}])[0]["id"]
        kind = {"manufacturer": maker, "model": "ML30", "slug": "ml30"}
        device_type = register.create("dcim/device-types", [kind])[0]["id"]
        for slug, status in (("bakkerij-jansen", "contracted"), ("harbour-dental", "ended")):
            tenant = {"name": slug.title(), "slug": slug, "custom_fields": terms}
            owner = register.create("tenancy/tenants", [tenant])[0]["id"]
            site = register.create("dcim/sites", [{"name": slug, "slug": slug, "tenant": owner}])[0]["id"]
            device = {"name": "srv01", "serial": f"S-{slug}", "tenant": owner, "site": site, "role": role}
            fields = {names.CONTRACT_STATUS: status, names.ASSET_CLASS: "server", names.WARRANTY_END: "2030-01-01"}
            register.create("dcim/devices", [{**device, "device_type": device_type, "custom_fields": fields}])
        (srv,) = register.rows("dcim/devices", fields=("name",), filters={"serial": "S-bakkerij-jansen"})
        interface = {"device": srv["id"], "name": "eth0", "type": "other"}
        port = register.create("dcim/interfaces", [interface])[0]["id"]
        on = {"assigned_object_type": "dcim.interface", "assigned_object_id": port}
        register.create("ipam/ip-addresses", [{"address": "192.0.2.11/24", **on}])
        register.create("dcim/mac-addresses", [{"mac_address": "52:54:00:12:34:01", **on}])
    return fresh_netbox


@pytest.fixture
def known(office: NetBox, store_url: str) -> dict[str, str]:
    """The environment of the command: its store knows an audit of srv01 and a till that nobody promised."""
    (srv,) = office.all("dcim/devices/?serial=S-bakkerij-jansen")
    slug, key = "bakkerij-jansen", f"device:{srv['id']}"
    with Store.open(store_url, upgrade=True) as store:
        found = store.put_facts({"schema": 1, "hostname": {"name": "old-name"}, "updates": PENDING, "os": OLD})
        store.record_audit(Audit(slug, key, f"srv01.{slug}", NOW, "ok", facts_hash=found))
        itself = {"names": ["old-name"], "serial": "S-bakkerij-jansen"}
        till = {"macs": [MAC], "addresses": [ADDRESS], "names": ["till02"]}
        seen = [Observation(slug, "audit", NOW, itself, asset=key), Observation(slug, "neighbours", NOW, till)]
        store.record_observations(seen)

    return {**office.env(), "MSP_STORE_URL": store_url}


@pytest.fixture
def who(known: dict[str, str]) -> Who:
    """Runs the command."""

    def run(*arguments: str, **environment: str) -> Done:
        variables = {**os.environ, **known, **environment}
        words = [sys.executable, "msp_cli/__main__.py", "who", *arguments]
        return subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def ask(known: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Who:
    """Does what the command does in this process, which takes a tenth: for terms of many kinds."""
    for name, value in known.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Done:
        status = command.main(arguments)
        return Done(arguments, status, *capsys.readouterr())

    return run


def answers(done: Done) -> list[dict[str, Any]]:
    return list(json.loads(done.stdout)["answers"])


@pytest.mark.parametrize(
    "term",
    ["S-bakkerij-jansen", "s-bakkerij-jansen", "192.0.2.11", "52:54:00:12:34:01", "5254.0012.3401", "old-name"],
)
def test_an_asset_is_found_by_serial_address_mac_and_by_the_name_that_it_calls_itself(ask: Who, term: str) -> None:
    done = ask(term, "--json")
    (answer,) = answers(done)
    assert done.returncode == 0, done.stderr
    assert (answer["name"], answer["customer"], answer["contract_status"]) == (
        "srv01",
        "bakkerij-jansen",
        "contracted",
    )
    assert (answer["warranty"], answer["security_updates"]) == ("in", 2)
    assert answer["wrong"] == [
        "hostname is old-name, promised was srv01",
        "Debian GNU/Linux 11 is out of support since 2026-01-31",
        "2 security updates pending",
    ]


def test_every_asset_of_that_name_is_listed_whosever_it_is(who: Who) -> None:
    done = who("SRV01")
    assert done.returncode == 0
    assert "bakkerij-jansen" in done.stdout and "harbour-dental" in done.stdout
    assert "contracted" in done.stdout and "ended" in done.stdout
    assert "CET" in done.stdout or "CEST" in done.stdout


@pytest.mark.parametrize("term", [MAC, ADDRESS, "till02"])
def test_a_thing_that_only_the_store_knows_is_unlisted(ask: Who, term: str) -> None:
    (answer,) = answers(ask(term, "--json"))
    assert (answer["asset"], answer["contract_status"], answer["customer_name"]) == (
        None,
        "unlisted",
        "Bakkerij-Jansen",
    )


def test_of_what_is_nowhere_it_says_where_it_looked(who: Who, office: NetBox) -> None:
    done = who("n\xf8body")
    assert done.returncode == 3
    assert "nothing known" in done.stdout and office.url in done.stdout and "evidence store" in done.stdout


@pytest.mark.parametrize(
    "term",
    [
        "x" * 255,
        "no, body",
        "*",
        "%",
        "'; --",
        "a&limit=0",
        "{{ 7*7 }}",
        "192.0.2.",
        "52:54:00",
        "b\xf8rn",
    ],
)
def test_whatever_is_typed_both_answer_and_nothing_is_known(ask: Who, term: str) -> None:
    done = ask(term, "--json")
    assert (done.returncode, done.stderr, json.loads(done.stdout)["answers"]) == (3, "", [])


def test_with_netbox_down_it_says_so_shows_what_the_store_knows_and_fails(who: Who) -> None:
    done = who("till02", "--json", NETBOX_API="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "MSP-REG-002" in done.stderr
    (answer,) = answers(done)
    assert (answer["name"], answer["contract_status"]) == ("till02", None)
    assert json.loads(done.stdout)["complete"] is False


def test_with_the_store_unreadable_it_shows_what_netbox_knows_and_fails(who: Who, tmp_path: Path) -> None:
    done = who("S-bakkerij-jansen", MSP_STORE_URL=f"sqlite:///{tmp_path / 'nowhere' / 'store.db'}")
    assert done.returncode == 1
    assert "MSP-EVD-" in done.stderr and "contracted" in done.stdout


def test_a_name_with_terminal_codes_is_shown_without_them(who: Who, store_url: str) -> None:
    with Store.open(store_url) as store:
        seen = {"macs": ["3c:2a:f4:77:01:aa"], "names": ["bad\x1b[2Jname"]}
        store.record_observations([Observation("bakkerij-jansen", "nmap", NOW, seen)])
    done = who("3c:2a:f4:77:01:aa")
    assert "\x1b" not in done.stdout and "bad?[2Jname" in done.stdout
