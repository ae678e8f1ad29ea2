"""Customers cannot see each other: what a token of one customer reads, and what a report of one customer names.

Both customers are the demo's, onboarded and audited. For the reports they are made to share what only one machine can
have: a serial number, a MAC address, an address and a name.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk.software import who_runs
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import model_rights
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import object_type
from ansible_collections.msp.ops.plugins.plugin_utils.verification import sheet, workbook
from ansible_collections.msp.ops.plugins.plugin_utils.verification.page import page
from lab.api import NetBox, Refused
from lab.lab import Lab
from msp_cli import demo
from tests.demonstrated import Demonstrated

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
JANSEN, HARBOUR = "bakkerij-jansen", "harbour-dental"
# The way from each kind of object to its tenant. What is not named here belongs to nobody: kinds, models, fields.
OF_TENANT: dict[str, str | list[str]] = {
    "dcim/devices": "tenant",
    "virtualization/virtual-machines": "tenant",
    "dcim/sites": "tenant",
    "dcim/locations": "tenant",
    "ipam/prefixes": "tenant",
    "ipam/vrfs": "tenant",
    "ipam/vlans": "tenant",
    "ipam/ip-addresses": ["interface__device__tenant", "vminterface__virtual_machine__tenant"],
    "dcim/interfaces": "device__tenant",
    "dcim/mac-addresses": ["interface__device__tenant", "vminterface__virtual_machine__tenant"],
    "virtualization/interfaces": "virtual_machine__tenant",
    "virtualization/clusters": "tenant",
    "extras/config-contexts": "tenants",
}
# What no constraint of NetBox's can tie to a tenant: a token of one customer does without.
WITHOUT = {"core/object-changes", "extras/journal-entries", "tenancy/contacts", "tenancy/contact-assignments"}


def only(slug: str) -> list[dict[str, Any]]:
    """The permissions of a token that may see one customer: what the automation reads, of this tenant."""
    found: list[dict[str, Any]] = [
        {"object_types": ["tenancy.tenant"], "actions": ["view"], "constraints": {"slug": slug}},
    ]
    for endpoint, ways in OF_TENANT.items():
        constraints = [{f"{way}__slug": slug} for way in ([ways] if isinstance(ways, str) else ways)]
        found.append({"object_types": [object_type(endpoint)], "actions": ["view"], "constraints": constraints})
    rest = [one for one in model_rights.READ if one not in {*OF_TENANT, *WITHOUT, "tenancy/tenants"}]
    found.append({"object_types": [object_type(one) for one in rest], "actions": ["view"]})
    return found


def own_words(netbox: NetBox, slug: str) -> set[str]:
    """What belongs to a customer alone: its names, its assets' names and serials, its addresses and MAC addresses."""
    found = {slug}
    (tenant,) = netbox.all(f"tenancy/tenants/?slug={slug}")
    found.add(str(tenant["name"]))
    for device in netbox.all(f"dcim/devices/?tenant={slug}"):
        found |= {str(device[key]) for key in ("name", "serial", "asset_tag") if device[key]}
        for interface in netbox.all(f"dcim/interfaces/?device_id={device['id']}"):
            if interface["mac_address"]:
                found |= {str(interface["mac_address"]), str(interface["mac_address"]).lower()}
    found |= {str(row["address"]).partition("/")[0] for row in netbox.all(f"ipam/ip-addresses/?tenant={slug}")}
    found |= {str(row["prefix"]) for row in netbox.all(f"ipam/prefixes/?tenant={slug}")}
    return {word for word in found if len(word) > 3}


@pytest.fixture(scope="module")
def office(demonstrated: Demonstrated) -> NetBox:
    demonstrated.put_back()
    return demonstrated.netbox


@pytest.fixture(scope="module")
def words(office: NetBox) -> dict[str, set[str]]:
    """By customer, what is its alone."""
    both = {slug: own_words(office, slug) for slug in (JANSEN, HARBOUR)}
    assert all(len(found) > 10 for found in both.values())
    return {JANSEN: both[JANSEN] - both[HARBOUR], HARBOUR: both[HARBOUR] - both[JANSEN]}


@pytest.fixture(scope="module")
def token(office: NetBox) -> str:
    return office.token_for(only(JANSEN))


def listed(office: NetBox, token: str, place: Path, **options: Any) -> str:
    source = place / "msp.yml"
    source.write_text(json.dumps({"plugin": "msp.ops.netbox", "cache": False, "config_context": True, **options}))
    environment = {
        **os.environ,
        **office.env(token),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "XDG_STATE_HOME": str(place / "state"),
        "MSP_DURABLE_PATHS": str(place),
    }
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(source), "--list"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    return done.stdout


def said_of(text: str, words: set[str]) -> set[str]:
    return {word for word in words if word in text}


def test_an_inventory_by_a_token_of_one_customer_has_nothing_of_the_other(
    office: NetBox, token: str, words: Mapping[str, set[str]], tmp_path: Path
) -> None:
    whole = listed(office, office.token, tmp_path)
    assert said_of(whole, words[HARBOUR]) != set()

    own = listed(office, token, tmp_path)

    assert said_of(own, words[HARBOUR]) == set()
    hosts = json.loads(own)["_meta"]["hostvars"]
    every = json.loads(whole)["_meta"]["hostvars"]
    assert set(hosts) == {name for name in every if name.endswith(f".{JANSEN}")} != set()
    assert {name: values["msp"] for name, values in hosts.items()} == {name: every[name]["msp"] for name in hosts}


def test_an_inventory_of_one_customer_has_nothing_of_the_other_whatever_the_token_sees(
    office: NetBox, words: Mapping[str, set[str]], tmp_path: Path
) -> None:
    assert said_of(listed(office, office.token, tmp_path, customers=[JANSEN]), words[HARBOUR]) == set()


def test_a_token_of_one_customer_reads_nothing_of_the_other_by_any_way(
    office: NetBox, token: str, words: Mapping[str, set[str]]
) -> None:
    for endpoint in model_rights.READ:
        try:
            answer = json.dumps(office.call("GET", f"{endpoint}/?limit=1000", token=token))
        except Refused as refused:
            assert refused.status == 403
            assert endpoint in WITHOUT
            continue
        assert said_of(answer, words[HARBOUR]) == set(), endpoint
    (other,) = office.all(f"dcim/devices/?tenant={HARBOUR}&name=harbour-srv01")
    for method, path, body in (
        ("GET", f"dcim/devices/{other['id']}/", None),
        ("GET", f"dcim/devices/?tenant={HARBOUR}&limit=1", None),
        ("GET", f"dcim/devices/?serial={other['serial']}", None),
        ("PATCH", f"dcim/devices/{other['id']}/", {"comments": "mine"}),
        ("GET", "users/permissions/", None),
    ):
        try:
            answer = office.call(method, path, body, token=token)
        except Refused as refused:
            assert refused.status in (400, 403, 404), path
            assert str(other["serial"]) not in str(refused)
        else:
            assert method == "GET" and answer["count"] == 0, path
    own = office.call("GET", "users/tokens/", token=token)["results"]
    assert [row["key"] for row in own] == [token.removeprefix("nbt_").partition(".")[0]]


@pytest.fixture(scope="module")
def shared(
    demonstrated: Demonstrated, office: NetBox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, set[str]]]:
    """The demo's evidence, in which things of both customers say that they are the same machine; and the words of
    Harbour's that must not reach the other customer.
    """
    place = tmp_path_factory.mktemp("apart") / "demo"
    demonstrated.put_back(place)
    os.environ["MSP_DURABLE_PATHS"] = str(place)
    secret = {"harbour-geheim", "harbour-secret.example", "Harbour Secret Vendor"}
    with Store.open(demo.store_url(place)) as store:
        now = store.now()
        stolen = [
            dataclasses.replace(_as_observation(one), customer=HARBOUR, asset=None, at=now, source="dhcp:geheim")
            for one in store.sightings(JANSEN)
        ]
        assert stolen
        store.record_observations(
            dataclasses.replace(
                one,
                identity={**one.identity, "names": [*one.identity.get("names", ()), "harbour-geheim"]},
                attributes={"vendor": "Harbour Secret Vendor"},
                place={"switch": "harbour-secret.example"},
            )
            for one in stolen
        )
    yield place, secret


def _as_observation(one: Any) -> Observation:
    return Observation(one.customer, one.source, one.last_seen, one.identity, one.asset, one.attributes, one.place)


def everything(path: Path) -> str:
    """The text of a file, or of what is packed in it."""
    if not zipfile.is_zipfile(path):
        return path.read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as archive:
        return "".join(archive.read(name).decode(errors="replace") for name in archive.namelist())


def test_the_reports_of_the_demo_name_nobody_else(demonstrated: Demonstrated, words: Mapping[str, set[str]]) -> None:
    for slug, other in ((JANSEN, HARBOUR), (HARBOUR, JANSEN)):
        files = [path for path in (demonstrated.kept / "reports" / slug).rglob("*") if path.is_file()]
        assert len(files) >= 2
        for path in files:
            assert said_of(everything(path), words[slug]) != set(), path
            assert said_of(everything(path), words[other]) == set(), path


def test_a_report_names_nobody_else_also_where_both_share_serials_macs_and_addresses(
    lab: Lab, shared: tuple[Path, set[str]], words: Mapping[str, set[str]], tmp_path: Path
) -> None:
    place, secret = shared
    (verification,) = demo.verify(lab, demo.store_url(place), [JANSEN])
    (tmp_path / "sheet.xlsx").write_bytes(workbook.write(sheet.document(verification), verification))
    for text in (page(verification, "VER-1"), everything(tmp_path / "sheet.xlsx")):
        assert said_of(text, secret | words[HARBOUR]) == set()

    (verification,) = demo.verify(lab, demo.store_url(place), [HARBOUR])
    assert said_of(page(verification, "VER-1"), {"harbour-geheim"}) != set()
    assert said_of(page(verification, "VER-1"), {JANSEN, "Bakkerij Jansen"}) == set()


def test_a_software_list_of_one_customer_has_nothing_of_the_other(shared: tuple[Path, set[str]]) -> None:
    place, _secret = shared
    with Store.open(demo.store_url(place)) as store:
        assert {one.customer for one in who_runs(store, "dpkg", [], None).runs} == {JANSEN, HARBOUR}
        assert {one.customer for one in who_runs(store, "dpkg", [], JANSEN).runs} == {JANSEN}
