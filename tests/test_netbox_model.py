"""msp.ops.netbox_model on a real NetBox: made once, changed in place, least rights, nobody else's things touched."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.register import model, names
from ansible_collections.msp.ops.plugins.plugin_utils.register.apply import Outcome, apply
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import Section
from ansible_collections.msp.ops.plugins.plugin_utils.register.model_events import WEBHOOK, Receiver
from lab import plans
from lab.api import NetBox, Refused
from msp_cli import doctor
from msp_cli.console import ROOT

pytestmark = pytest.mark.lab

TODAY = dt.date(2026, 3, 1)
PLAN = plans.of("harbour-dental", dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)).context[names.CONTEXT_PATCH_PLAN]
MODEL = "model"
OBJECTS = [
    "extras.customfieldchoiceset",
    "extras.customfield",
    "extras.tag",
    "extras.configcontextprofile",
    "extras.savedfilter",
    "extras.customlink",
    "extras.tableconfig",
    "users.group",
    "users.objectpermission",
    "users.user",
    "extras.webhook",
    "extras.eventrule",
]
# Who is told of changes; nothing is sent there.
RECEIVER = Receiver("http://127.0.0.1:9/netbox", "made-for-a-test-0123456789abcdef0123456789")
DOCUMENTED = [
    {"object_types": OBJECTS, "actions": ["view", "add", "change"]},
    {"object_types": ["users.token"], "actions": ["view", "add", "grant"]},
]


def run(netbox: NetBox, token: str | None = None, today: dt.date = TODAY, **options: Any) -> Outcome:
    with Register.connect(netbox.url, token or netbox.token) as register:
        return apply(register, today, **{"receiver": RECEIVER, **options})


Everything = dict[str, list[dict[str, Any]]]


def everything(netbox: NetBox) -> Everything:
    """All objects of the kinds that the model touches. NetBox lists the types of an object in no order."""
    return {
        section.name: [
            {name: sorted(value) if name == "object_types" else value for name, value in row.items()}
            for row in netbox.all(f"{section.endpoint}/")
        ]
        for section in model.sections(TODAY, (), RECEIVER)
    }


@pytest.fixture(scope="module")
def with_model(fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory) -> NetBox:
    """A NetBox that holds the model and a token of the automation, kept as a snapshot."""
    place = tmp_path_factory.mktemp("token") / "automation"
    fresh_netbox.reset()
    run(fresh_netbox, token_file=str(place))
    fresh_netbox.snapshot(MODEL)
    AUTOMATION["token"] = place.read_text().strip()
    return fresh_netbox


AUTOMATION: dict[str, str] = {}


@pytest.fixture
def modelled(with_model: NetBox) -> NetBox:
    """The model just made, and nothing else."""
    with_model.reset(MODEL)
    return with_model


@pytest.fixture(scope="module")
def unchanged(with_model: NetBox) -> NetBox:
    """The same for tests that leave nothing which another of them would see."""
    with_model.reset(MODEL)
    return with_model


@pytest.fixture
def empty(fresh_netbox: NetBox) -> Iterator[NetBox]:
    fresh_netbox.reset()
    yield fresh_netbox


# -- making it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Making:
    """The model is made where others have things, with the documented rights: first in check mode, then in earnest."""

    planned: Outcome
    planning_left: list[Path]
    done: Outcome
    again: Outcome
    before: tuple[int, Everything]
    after_planning: tuple[int, Everything]
    after: Everything


@pytest.fixture(scope="module")
def making(fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Making:
    netbox, place = fresh_netbox, tmp_path_factory.mktemp("token")
    netbox.reset()
    token = netbox.token_for(DOCUMENTED)
    netbox.create("extras/custom-fields/", {"name": "owner", "type": "text", "object_types": ["dcim.device"]})
    netbox.create("extras/tags/", {"name": "critical", "slug": "critical"})
    mine = {"name": "Mine", "slug": "mine", "object_types": ["dcim.device"], "parameters": {"status": ["active"]}}
    netbox.create("extras/saved-filters/", mine)
    netbox.create("users/groups/", {"name": "operators"})
    before = netbox.changes(), everything(netbox)
    planned = run(netbox, token, check=True, token_file=str(place / "token"))
    left, after_planning = list(place.iterdir()), (netbox.changes(), everything(netbox))
    done = run(netbox, token, token_file=str(place / "token"))
    return Making(planned, left, done, run(netbox, token), before, after_planning, everything(netbox))


def test_check_mode_shows_everything_and_writes_nothing(making: Making) -> None:
    assert making.planned.changed
    assert set(making.planned.plan.summary()) == set(model.SECTION_NAMES)
    assert making.after_planning == making.before
    assert making.planning_left == []


def test_what_was_planned_in_check_mode_is_what_is_done(making: Making) -> None:
    assert making.planned.plan.diff() == making.done.plan.diff()


def test_nothing_of_anybody_elses_is_touched(making: Making) -> None:
    _changes, before = making.before
    for kind, rows in before.items():
        theirs = {row["id"]: row for row in making.after[kind]}
        assert [theirs[row["id"]] for row in rows] == rows


def test_the_documented_permissions_are_enough_for_who_is_no_superuser(making: Making) -> None:
    assert making.done.token == "created"  # noqa: S105 - a word, not a token
    assert not making.again.changed


def test_the_second_run_writes_nothing_and_reads_each_kind_once(modelled: NetBox) -> None:
    before = modelled.changes()
    with Register.connect(modelled.url, modelled.token) as register:
        asked = register.requests

        outcome = apply(register, TODAY, receiver=RECEIVER)

        assert register.requests - asked == len(model.SECTION_NAMES)
        assert register.writes == 0
    assert not outcome.changed
    assert outcome.plan.obsolete == []
    assert modelled.changes() == before


def test_a_run_that_was_killed_half_way_is_gone_on_with(empty: NetBox) -> None:
    run(empty, wanted=["choice_sets", "custom_fields", "tags"])

    rest = run(empty)

    assert "custom_fields" not in rest.plan.summary()
    assert not run(empty).changed


# -- changing it ------------------------------------------------------------------------------------------------------


def older(monkeypatch: pytest.MonkeyPatch, field: str, **changed: Any) -> None:
    """Let the model declare one custom field in another way."""
    original = model.sections

    def sections(today: dt.date, wanted: Any = (), *more: Any) -> list[Section]:
        return [
            replace(section, items=tuple(replace(i, **changed) if i.key == field else i for i in section.items))
            if section.name == "custom_fields"
            else section
            for section in original(today, wanted, *more)
        ]

    monkeypatch.setattr(model, "sections", sections)


def test_a_renamed_field_keeps_its_values(modelled: NetBox, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = modelled.create(
        "tenancy/tenants/", {"name": "A", "slug": "a", "custom_fields": {names.CONTRACT_ID: "C-1"}}
    )
    older(monkeypatch, names.CONTRACT_ID, key="msp_agreement", formerly=(names.CONTRACT_ID,))

    outcome = run(modelled)

    assert outcome.plan.summary() == {"custom_fields": {"renamed": ["msp_agreement"]}}
    fields = modelled.call("GET", f"tenancy/tenants/{tenant['id']}/")["custom_fields"]
    assert fields["msp_agreement"] == "C-1"
    assert names.CONTRACT_ID not in fields
    assert not run(modelled).changed


def test_a_changed_type_is_refused_and_nothing_at_all_is_written(
    modelled: NetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (section,) = model.sections(TODAY, ["custom_fields"])
    item = next(item for item in section.items if item.key == names.CONTRACT_ID)
    older(monkeypatch, names.CONTRACT_ID, body={**item.body, "type": "integer"})
    before = modelled.changes()

    with pytest.raises(MspErrors) as caught:
        run(modelled, today=TODAY + dt.timedelta(days=1))

    assert caught.value.code == "MSP-MOD-003"
    assert names.CONTRACT_ID in caught.value.expected
    assert modelled.changes() == before


def test_what_is_declared_no_more_is_reported_and_stays(modelled: NetBox) -> None:
    field = {"name": "msp_old", "type": "text", "object_types": ["dcim.device"]}
    modelled.create("extras/custom-fields/", field)

    outcome = run(modelled)

    assert outcome.plan.obsolete == ["custom_fields: msp_old"]
    assert not outcome.changed
    assert len(modelled.all("extras/custom-fields/?name=msp_old")) == 1


def test_what_a_person_spoiled_is_put_right_and_what_they_added_stays(modelled: NetBox) -> None:
    (statuses,) = modelled.all("extras/custom-field-choice-sets/?name=msp_contract_statuses")
    added = [*statuses["extra_choices"], ["paused", "Paused"]]
    modelled.change(f"extras/custom-field-choice-sets/{statuses['id']}/", {"extra_choices": added})
    (field,) = modelled.all(f"extras/custom-fields/?name={names.WARRANTY_END}")
    modelled.change(
        f"extras/custom-fields/{field['id']}/",
        {"object_types": ["dcim.rack", *field["object_types"]], "label": "Guarantee"},
    )

    outcome = run(modelled)

    assert outcome.plan.summary() == {"custom_fields": {"changed": [names.WARRANTY_END]}}
    (field,) = modelled.all(f"extras/custom-fields/?name={names.WARRANTY_END}")
    assert (field["label"], "dcim.rack" in field["object_types"]) == ("Warranty ends", True)


def test_the_dates_in_the_saved_filters_are_renewed_by_the_day(modelled: NetBox) -> None:
    tomorrow = TODAY + dt.timedelta(days=1)

    outcome = run(modelled, today=tomorrow)

    assert set(outcome.plan.summary()) == {"saved_filters"}
    (found,) = modelled.all("extras/saved-filters/?slug=msp-warranty-ends")
    assert found["parameters"] == {
        "cf_msp_warranty_end__gte": ["2026-03-02"],
        "cf_msp_warranty_end__lte": ["2026-05-31"],
    }
    assert not run(modelled, today=tomorrow).changed


def test_without_a_receiver_nothing_is_declared_that_would_send_and_what_is_there_stays(modelled: NetBox) -> None:
    outcome = run(modelled, receiver=None)
    assert not outcome.changed
    assert [hook["name"] for hook in modelled.all("extras/webhooks/")] == [WEBHOOK]


def test_a_new_secret_reaches_netbox_and_is_in_no_diff(modelled: NetBox) -> None:
    other = replace(RECEIVER, secret="another-secret-for-a-test-0123456789abcdef")  # noqa: S106
    outcome = run(modelled, receiver=other)
    assert outcome.plan.summary() == {"webhooks": {"changed": [WEBHOOK]}}
    assert "secret-for-a-test" not in str(outcome.plan.diff()) + repr(other)
    assert RECEIVER.secret not in str(outcome.plan.diff())
    (hook,) = modelled.all("extras/webhooks/")
    assert hook["secret"] == other.secret
    assert not run(modelled, receiver=other).changed


# -- rights -----------------------------------------------------------------------------------------------------------


def test_every_missing_right_is_in_one_error_before_anything_is_written(empty: NetBox) -> None:
    token = empty.token_for([{"object_types": ["extras.tag"], "actions": ["view", "add"]}])
    before = everything(empty)

    with pytest.raises(MspError) as caught:
        run(empty, token)

    assert caught.value.code == "MSP-MOD-002"
    for right in (
        "extras.view_customfield",
        "extras.add_customlink",
        "users.change_objectpermission",
        "users.add_user",
    ):
        assert right in caught.value.found
    assert {kind: len(rows) for kind, rows in everything(empty).items()} == {k: len(r) for k, r in before.items()}


def test_a_right_that_is_only_missing_for_writing_is_found_before_the_first_write(empty: NetBox) -> None:
    reading = {"object_types": OBJECTS, "actions": ["view"]}
    writing = [one for one in OBJECTS if one != "users.user"]
    token = empty.token_for([reading, {"object_types": writing, "actions": ["add", "change"]}])
    before = empty.changes()

    with pytest.raises(MspError) as caught:
        run(empty, token)

    assert caught.value.code == "MSP-MOD-002"
    assert "users.add_user" in caught.value.found
    assert "extras" not in caught.value.found
    assert empty.changes() == before


def test_the_token_of_the_automation_is_written_once_for_its_owner_only(modelled: NetBox, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "token"

    first = run(modelled, token_file=str(place))
    text = place.read_text()
    second = run(modelled, token_file=str(place))

    assert (first.token, second.token) == ("created", "present")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert re.fullmatch(r"nbt_[A-Za-z0-9]{12}\.[A-Za-z0-9]{40}\n", text)
    assert place.read_text() == text
    with Register.connect(modelled.url, text.strip()) as register:
        assert register.version[0] == 4


def test_a_token_that_netbox_no_longer_has_is_made_again(modelled: NetBox, tmp_path: Path) -> None:
    place = tmp_path / "token"
    run(modelled, token_file=str(place))
    (token,) = [t for t in modelled.all("users/tokens/") if t["key"] in place.read_text()]
    modelled.call("DELETE", f"users/tokens/{token['id']}/")

    assert run(modelled, token_file=str(place)).token == "created"  # noqa: S105 - a word, not a token


def test_a_token_file_that_others_may_read_is_refused(modelled: NetBox, tmp_path: Path) -> None:
    place = tmp_path / "token"
    place.write_text("nbt_x.y")
    place.chmod(0o644)

    with pytest.raises(MspError) as caught:
        run(modelled, token_file=str(place))

    assert caught.value.code == "MSP-MOD-006"


def test_the_automation_renews_the_filters_with_its_own_rights(modelled: NetBox) -> None:
    outcome = run(modelled, AUTOMATION["token"], TODAY + dt.timedelta(days=1), wanted=["saved_filters"])

    assert outcome.changed


def devices(netbox: NetBox) -> dict[str, Any]:
    """A customer with a device, and somebody else's device."""
    found: dict[str, Any] = {}
    site = netbox.create("dcim/sites/", {"name": "S", "slug": "s", "status": "active"})
    maker = netbox.create("dcim/manufacturers/", {"name": "Acme", "slug": "acme"})
    kind = netbox.create("dcim/device-types/", {"manufacturer": maker["id"], "model": "M", "slug": "m"})
    role = netbox.create("dcim/device-roles/", {"name": "Server", "slug": "server", "color": "ffffff"})
    for slug, tags in (("customer", [{"slug": names.TAG_CUSTOMER}]), ("other", [])):
        tenant = netbox.create("tenancy/tenants/", {"name": slug, "slug": slug, "tags": tags})
        device = {"name": f"{slug}-1", "device_type": kind["id"], "role": role["id"], "site": site["id"]}
        found[slug] = netbox.create("dcim/devices/", {**device, "tenant": tenant["id"], "status": "active"})
    return found


def test_the_automation_writes_only_on_customers_and_deletes_nothing(modelled: NetBox) -> None:
    found = devices(modelled)
    token = AUTOMATION["token"]

    with Register.connect(modelled.url, token) as register:
        register.update("dcim/devices", [{"id": found["customer"]["id"], "serial": "X"}])
        register.journal("dcim.device", found["customer"]["id"], "seen")
        with pytest.raises(MspError):
            register.update("dcim/devices", [{"id": found["other"]["id"], "serial": "X"}])
        with pytest.raises(MspError):
            moved = {"id": found["customer"]["id"], "tenant": found["other"]["tenant"]["id"]}
            register.update("dcim/devices", [moved])
        with pytest.raises(MspError):
            register.update("extras/custom-fields", [{"id": 1, "label": "X"}])
    for kind, id in (("dcim/devices", found["customer"]["id"]), ("extras/tags", 1), ("extras/saved-filters", 1)):
        with pytest.raises(Refused) as refused:
            modelled.call("DELETE", f"{kind}/{id}/", token=token)
        assert refused.value.status == 403


# -- what people see --------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(modelled: NetBox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.get(f"{modelled.url}/login/", timeout=60)
        form = {
            "username": modelled.admin_user,
            "password": modelled.admin_password,
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
        }
        session.post(f"{modelled.url}/login/", data=form, headers={"Referer": modelled.url}, timeout=60)
        yield session


def names_in_table(page: str) -> set[str]:
    return set(re.findall(r'href="/dcim/devices/\d+/"[^>]*>\s*([^<]+?)\s*<', page))


def test_the_saved_filters_choose_in_netboxs_own_pages(modelled: NetBox, browser: requests.Session) -> None:
    found = devices(modelled)
    fields = {names.CONTRACT_STATUS: "unlisted", names.WARRANTY_END: "2026-05-30"}
    modelled.change(f"dcim/devices/{found['customer']['id']}/", {"custom_fields": fields})
    fields = {names.CONTRACT_STATUS: "contracted", names.WARRANTY_END: "2026-05-31"}
    modelled.change(f"dcim/devices/{found['other']['id']}/", {"custom_fields": fields})

    shown = {}
    for saved in modelled.all("extras/saved-filters/"):
        if "dcim.device" in saved["object_types"]:
            page = browser.get(f"{modelled.url}/dcim/devices/?filter_id={saved['id']}", timeout=60)
            assert page.status_code == 200
            shown[saved["slug"]] = names_in_table(page.text)

    assert shown["msp-unlisted"] == {"customer-1"}
    assert shown["msp-warranty-ends"] == {"customer-1"}
    assert shown["msp-never-audited"] == {"other-1"}
    assert shown["msp-excluded"] == set()


def test_a_table_configuration_shows_the_contract_status(modelled: NetBox, browser: requests.Session) -> None:
    found = devices(modelled)
    modelled.change(f"dcim/devices/{found['customer']['id']}/", {"custom_fields": {names.CONTRACT_STATUS: "unlisted"}})
    (config,) = [c for c in modelled.all("extras/table-configs/") if c["name"] == "MSP: devices"]

    page = browser.get(f"{modelled.url}/dcim/devices/?tableconfig_id={config['id']}", timeout=60)

    assert "Unlisted (seen, not agreed)" in page.text


@pytest.mark.parametrize("address", ["https://reports.example.com/customer.html", None])
def test_a_report_is_a_button_on_the_customer_and_its_assets_only_when_there_is_one(
    modelled: NetBox, browser: requests.Session, address: str | None
) -> None:
    device = devices(modelled)["customer"]
    tenant = device["tenant"]["id"]
    modelled.change(f"tenancy/tenants/{tenant}/", {"custom_fields": {names.REPORT_URL: address}})

    pages = [
        browser.get(f"{modelled.url}/{path}/", timeout=60).text
        for path in (f"tenancy/tenants/{tenant}", f"dcim/devices/{device['id']}")
    ]

    assert all(("Customer's report" in page) == bool(address) for page in pages)
    assert all((f'href="{address}"' in page) == bool(address) for page in pages)


@pytest.mark.parametrize(
    ("profile", "fits", "does_not"),
    [
        (
            names.PROFILE_STANDARD,
            {names.CONTEXT_STANDARD: {"name": "linux-server", "version": "1.0"}},
            {names.CONTEXT_STANDARD: {"name": "linux-server", "waivers": {"ssh-root-login": {"reason": "old"}}}},
        ),
        (
            names.PROFILE_STANDARDS,
            {
                names.CONTEXT_STANDARDS: {
                    "bakery": {"version": "1", "title": {"en": "A", "nl": "B"}, "class": "linux", "controls": {}}
                }
            },
            {names.CONTEXT_STANDARDS: {"bakery": {"version": "1", "class": "linux", "controls": {}}}},
        ),
        (
            names.PROFILE_PATCH_PLAN,
            {names.CONTEXT_PATCH_PLAN: PLAN},
            {names.CONTEXT_PATCH_PLAN: {**PLAN, "rings": []}},
        ),
        (
            names.PROFILE_ACCESS,
            {names.CONTEXT_ACCESS: {"break_glass": ["nood"], "microsoft_365": {"break_glass": ["a@b.example"]}}},
            {names.CONTEXT_ACCESS: {"break_glass": "nood"}},
        ),
    ],
)
def test_a_config_context_that_does_not_fit_its_profile_is_refused_by_netbox(
    unchanged: NetBox, profile: str, fits: Any, does_not: Any
) -> None:
    (found,) = unchanged.all(f"extras/config-context-profiles/?name={profile}")
    context = {"profile": found["id"], "weight": 1000}

    unchanged.create("extras/config-contexts/", {**context, "name": f"{profile} fits", "data": fits})
    with pytest.raises(Refused) as refused:
        unchanged.create("extras/config-contexts/", {**context, "name": f"{profile} does not", "data": does_not})

    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("endpoint", "field", "value"),
    [
        ("tenancy/tenants/", names.CURRENCY, "euro"),
        ("tenancy/tenants/", names.MONTHLY_FEE, -1),
        ("tenancy/tenants/", names.LANGUAGE, "fr"),
        ("tenancy/tenants/", names.CONTRACT_END, "31-12-2026"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_netbox(
    unchanged: NetBox, endpoint: str, field: str, value: Any
) -> None:
    with pytest.raises(Refused) as refused:
        unchanged.create(endpoint, {"name": "x", "slug": "x", "custom_fields": {field: value}})

    assert refused.value.status == 400


# -- the playbook and the doctor --------------------------------------------------------------------------------------


def playbook(netbox: NetBox, state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    places = {"XDG_STATE_HOME": str(state), "MSP_DURABLE_PATHS": str(state)}
    env = {**os.environ, **netbox.env(), **places, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    command = ["ansible-playbook", "-i", "localhost,", "playbooks/netbox.yml", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)


def task(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"])


def test_the_playbook_previews_then_does_then_has_nothing_to_do(empty: NetBox, tmp_path: Path) -> None:
    place = tmp_path / "token"
    option = f"netbox_model_token_file={place}"

    preview = task(playbook(empty, tmp_path, "--check", "--diff", "-e", option))
    assert not place.exists()
    first = playbook(empty, tmp_path, "--diff", "-e", option)
    second = task(playbook(empty, tmp_path, "-e", option))

    assert preview["changed"] and preview["token"] == "created"  # noqa: S105
    assert "msp_contract_status" in preview["diff"]["after"]
    assert task(first)["changed"]
    assert (second["changed"], second["token"], second["summary"]) == (False, "present", {})
    key, _, secret = place.read_text().strip().partition(".")
    assert key and secret and secret not in first.stdout + first.stderr
    assert empty.token not in first.stdout + first.stderr


def test_the_playbook_fails_with_code_and_sentences(empty: NetBox) -> None:
    env = {**os.environ, "NETBOX_API": empty.url, "NETBOX_TOKEN": "nbt_abcdefghijkl.wrong"}
    command = ["ansible", "localhost", "-i", "localhost,", "-m", "msp.ops.netbox_model"]

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode != 0
    assert "MSP-REG-003" in done.stdout
    assert "make a new token" in done.stdout
    assert "wrong" not in done.stdout + done.stderr


def doctors(netbox: NetBox, monkeypatch: pytest.MonkeyPatch, token: str | None = None) -> dict[str, doctor.Line]:
    for name, value in netbox.env(token).items():
        monkeypatch.setenv(name, value)
    return {line.check: line for line in doctor.look([("NetBox", doctor.netbox)])}


def test_the_doctor_is_content_with_the_automations_token(modelled: NetBox, monkeypatch: pytest.MonkeyPatch) -> None:
    run(modelled, today=dt.datetime.now(dt.UTC).date())

    lines = doctors(modelled, monkeypatch, AUTOMATION["token"])

    assert {name: lines[name].state for name in ("NetBox", "clock", "token", "model")} == dict.fromkeys(
        ("NetBox", "clock", "token", "model"), doctor.OK
    )


def test_the_doctor_warns_of_an_administrators_token_and_of_old_dates(
    modelled: NetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = doctors(modelled, monkeypatch)

    assert (lines["token"].state, lines["model"].state) == (doctor.WARN, doctor.WARN)
    assert "saved filter" in lines["model"].found


def test_the_doctor_names_missing_rights_and_a_missing_model(empty: NetBox, monkeypatch: pytest.MonkeyPatch) -> None:
    restricted = empty.token_for([{"object_types": OBJECTS[:7], "actions": ["view"]}])

    lines = doctors(empty, monkeypatch, restricted)

    assert (lines["token"].state, lines["model"].state) == (doctor.FAIL, doctor.FAIL)
    assert "dcim.view_device" in lines["token"].found
    assert "playbooks/netbox.yml" in lines["model"].action
