"""From a change in NetBox to work on a real host: its webhook, a real ansible-rulebook, store and worker.

What can go wrong on the way is made to go wrong: signatures, replays, bodies, a receiver and a worker that are killed,
a store and a NetBox that are away, a storm, a loop.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import runbooks
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import podman, processes
from lab.lab import Lab
from msp_cli import lab_events
from tests.demonstrated import Demonstrated
from tests.events_bed import Bed, alerts, kinds, post, tell, until

CUSTOMER = "bakkerij-jansen"
DEVICE, OTHER = "jansen-srv01", "jansen-ws01"  # a duty is done six times a day on an asset, and no more
pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def bed(lab: Lab, demonstrated: Demonstrated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Both customers onboarded; NetBox tells a receiver of its changes, as playbooks/netbox.yml declares it."""
    place = tmp_path_factory.mktemp("events")
    demonstrated.put_back(place)
    made = Bed(lab, demonstrated.netbox, place)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MSP_DURABLE_PATHS", str(place))
        try:
            url = made.receiver().url
            done = made.play("playbooks/netbox.yml", "--diff", "-e", f"netbox_model_events_url={url}")
            assert done.returncode == 0, done.stdout + done.stderr
            assert made.env["MSP_WEBHOOK_SECRET"] not in done.stdout + done.stderr
            assert "(hidden)" in done.stdout
            made.forget_what_was_before()
            yield made
        finally:
            made.close()


@pytest.fixture(autouse=True)
def calm(bed: Bed) -> Iterator[None]:
    """After each test the device is contracted, and nothing waits."""
    yield
    if device(bed)["custom_fields"]["msp_contract_status"]["value"] != "contracted":
        set_status(bed, "contracted")
        until(bed.waiting, "the change back to come in")
    if bed.waiting():
        bed.work()


def device(bed: Bed, name: str = DEVICE) -> dict[str, Any]:
    (found,) = bed.netbox.all(f"dcim/devices/?name={name}")
    return dict(found)


def set_status(bed: Bed, status: str, name: str = DEVICE) -> None:
    body = {"custom_fields": {"msp_contract_status": status}}
    bed.netbox.change(f"dcim/devices/{device(bed, name)['id']}/", body)


def webhook(bed: Bed, name: str = DEVICE, **more: Any) -> dict[str, Any]:
    """A body as NetBox makes it, for a change of the device's contract status."""
    before = {"custom_fields": {"msp_contract_status": "tracked"}, "tags": []}
    after = {"custom_fields": {"msp_contract_status": "contracted"}, "tags": []}
    return {
        "event": "updated",
        "timestamp": dt.datetime.now(dt.UTC).isoformat(),
        "object_type": "dcim.device",
        "data": {"id": device(bed, name)["id"]},
        "request": {"id": str(uuid.uuid4()), "user": "anna"},
        "snapshots": {"prechange": before, "postchange": after},
        **more,
    }


def audits(bed: Bed, name: str = DEVICE) -> int:
    with Store.open(bed.store_url) as store:
        return len(store.audits(CUSTOMER, f"device:{device(bed, name)['id']}"))


def test_declared_again_the_webhook_and_its_rules_change_nothing(bed: Bed) -> None:
    before = bed.netbox.changes()
    done = bed.play("playbooks/netbox.yml", "-e", f"netbox_model_events_url={bed.receiver().url}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    assert bed.netbox.changes() == before


def test_an_asset_that_becomes_contracted_is_audited_by_the_change_alone(bed: Bed) -> None:
    set_status(bed, "tracked")
    until(lambda: bed.waiting() == 1, "the change to tracked to come in")
    assert "nothing follows" in bed.work()
    before = audits(bed)

    with bed.worker():
        set_status(bed, "contracted")
        until(lambda: kinds(bed.outcomes(CUSTOMER))[-1:] == ["done"], "the work to be done")

    outcome = bed.outcomes(CUSTOMER)[-1]
    assert [work["duty"] for work in outcome.work] == ["audit"]  # no standard is asked of it
    assert audits(bed) == before + 1
    with Store.open(bed.store_url) as store:
        newest = store.runs(CUSTOMER)[0]
    assert newest.started_by == f"event {outcome.event}"
    journal = bed.netbox.all(f"extras/journal-entries/?assigned_object_id={device(bed)['id']}")
    assert any("Automatic answer: audit: done" in entry["comments"] for entry in journal)


def test_what_is_not_signed_as_it_should_be_is_refused_and_what_is_told_again_is_taken_once(bed: Bed) -> None:
    receiver, body = bed.receiver(), webhook(bed)
    before = bed.waiting()

    assert post(receiver, body, **{"X-Hook-Signature": ""}).status_code == 400
    assert post(receiver, body, **{"X-Hook-Signature": "0" * 128}).status_code == 401
    assert post(receiver, b"{not json").status_code == 400
    assert post(receiver, b'{"a": "' + b"x" * 2_000_000 + b'"}').status_code == 413
    wrong = post(receiver, {**body, "event": "vanished"})
    assert (wrong.status_code, wrong.text.startswith("MSP-EVT-001: expected one of")) == (400, True)
    assert bed.waiting() == before

    assert [post(receiver, body).status_code for _again in range(3)] == [200, 200, 200]
    old = webhook(bed, timestamp=(dt.datetime.now(dt.UTC) - dt.timedelta(hours=25)).isoformat())
    assert post(receiver, old).status_code == 200
    assert bed.waiting() == before + 1
    bed.work()


def test_with_the_store_away_the_sender_sees_an_error_and_the_catch_up_takes_it_later(bed: Bed) -> None:
    receiver = bed.receiver()
    store, hidden = Path(bed.store_url.removeprefix("sqlite:///")), bed.place / "away.db"
    body, logged = webhook(bed), receiver_log(bed).count("MSP-EVD-002")
    store.rename(hidden)
    try:
        refused = post(receiver, body)
        assert (refused.status_code, refused.headers.get("Retry-After")) == (503, "30")
        assert "MSP-EVD-002" in refused.text
        set_status(bed, "tracked")
        until(lambda: receiver_log(bed).count("MSP-EVD-002") >= logged + 2, "NetBox to be refused too")
    finally:
        hidden.rename(store)
    assert post(receiver, body).status_code == 200

    runs = [bed.play("playbooks/catch_up.yml", *more) for more in (("--check",), (), ())]

    # A long line is folded on the screen.
    said = [" ".join(run.stdout.split()) for run in runs]
    assert [f"{number} of them had not come in" in text for number, text in zip((1, 1, 0), said, strict=True)] == [
        True,
        True,
        True,
    ], said


def receiver_log(bed: Bed) -> str:
    return bed.receiver().log.read_text(errors="replace")


def test_a_receiver_that_is_killed_after_it_answered_has_lost_nothing(bed: Bed) -> None:
    body = webhook(bed)
    assert post(bed.receiver(), body).status_code == 200
    old = bed.receiver().process
    os.kill(old.pid, signal.SIGKILL)
    until(lambda: not processes.alive(old), "the receiver to be gone")

    bed.restart()

    assert post(bed.receiver(), body).status_code == 200
    before = len(bed.outcomes(CUSTOMER))
    bed.work()
    assert len(bed.outcomes(CUSTOMER)) == before + 1


def test_a_storm_from_one_asset_is_one_piece_of_work_and_order_does_not_matter(bed: Bed) -> None:
    before, done = audits(bed, OTHER), len(bed.outcomes(CUSTOMER))
    now = dt.datetime.now(dt.UTC)
    for number in range(40):
        at = now - dt.timedelta(seconds=(number * 7) % 40)
        # What a body says of the object counts for nothing, the newest no more than any other.
        said = {"custom_fields": {"msp_contract_status": ("ended", "excluded", "contracted")[number % 3]}, "tags": []}
        body = webhook(bed, OTHER, timestamp=at.isoformat())
        body["snapshots"]["postchange"] = said
        assert post(bed.receiver(), body).status_code == 200

    bed.work("--jobs", "3")

    made = bed.outcomes(CUSTOMER)[done:]
    assert sorted(set(kinds(made))) == ["done", "superseded"]
    assert kinds(made).count("done") == 1
    assert audits(bed, OTHER) == before + 1


def test_with_netbox_away_nothing_is_decided_and_nothing_is_lost(bed: Bed) -> None:
    assert post(bed.receiver(), webhook(bed, OTHER)).status_code == 200
    done = len(bed.outcomes(CUSTOMER))

    said = bed.work_without_netbox()

    assert "put back" in said
    assert "MSP-REG-002" in said
    assert len(bed.outcomes(CUSTOMER)) == done
    until(bed.due, "it to be due again")
    bed.work()
    assert kinds(bed.outcomes(CUSTOMER))[-1] == "done"


def test_a_config_context_with_a_patch_plan_makes_its_customers_calendar_anew(bed: Bed) -> None:
    (context,) = [
        one for one in bed.netbox.all("extras/config-contexts/") if "msp_patch_plan" in json.dumps(one["data"])
    ][:1]
    body = {"description": f"changed {uuid.uuid4()}", "weight": context["weight"] + 1}
    bed.netbox.change(f"extras/config-contexts/{context['id']}/", body)
    until(bed.waiting, "the change of the context to come in")
    said = bed.work()
    assert "extras.configcontext" in said
    assert "patch_calendar" in json.dumps([dict(work) for one in bed.outcomes(CUSTOMER) for work in one.work])


def test_monitoring_shows_a_token_and_an_alert_without_a_runbook_comes_to_nothing(bed: Bed) -> None:
    receiver = bed.receiver("alertmanager")
    alert = {
        "status": "firing",
        "labels": {"alertname": "Something", "instance": f"{DEVICE}:9100"},
        "startsAt": dt.datetime.now(dt.UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": uuid.uuid4().hex[:16],
    }
    before = bed.waiting()
    assert tell(receiver, alerts(alert), "another").status_code == 401
    assert tell(receiver, {"version": "3"}).status_code == 400
    assert bed.waiting() == before
    assert tell(receiver, alerts(alert)).status_code == 200
    assert "names no runbook" in bed.work()


UNIT = """[Unit]
Description=Made for a test
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def shop(bed: Bed) -> Iterator[str]:
    """A service on the host that was killed, and the host as it was afterwards."""
    container = next(str(row["container"]) for row in bed.lab.hosts if row["name"] == DEVICE)
    place = "/etc/systemd/system/msp-shop.service"
    podman.run("exec", container, "sh", "-c", f'printf %s "$1" >{place}', "sh", UNIT)
    start = "systemctl daemon-reload; systemctl enable --now msp-shop; systemctl kill --signal=KILL msp-shop"
    podman.run("exec", container, "sh", "-c", f"{start}; until systemctl is-failed -q msp-shop; do sleep 0.1; done")
    yield container
    podman.run("exec", container, "sh", "-c", f"systemctl disable --now msp-shop; rm {place}; systemctl daemon-reload")


def down(name: str = DEVICE, **labels: str) -> dict[str, Any]:
    """An alert that the service is down, as Alertmanager tells it."""
    return {
        "status": "firing",
        "labels": {"msp_runbook": "service_down", "msp_parameter_unit": "msp-shop.service", "msp_host": name, **labels},
        "startsAt": dt.datetime.now(dt.UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": uuid.uuid4().hex[:16],
    }


def test_an_alert_starts_a_service_on_a_real_host_and_netbox_and_the_store_show_it(bed: Bed, shop: str) -> None:
    receiver = bed.receiver("alertmanager")
    alert = down()
    assert [tell(receiver, alerts(alert)).status_code for _again in range(2)] == [200, 200]

    said = bed.work()

    assert podman.run("exec", shop, "systemctl", "is-active", "msp-shop").strip() == "active", said
    outcome = bed.outcomes(CUSTOMER)[-1]
    assert (outcome.outcome, [work["runbook"] for work in outcome.work]) == ("done", ["service_down"])
    with Store.open(bed.store_url) as store:
        (ran,) = runbooks.runs(store, CUSTOMER)
    assert (ran.outcome, ran.event, ran.parameters["unit"]) == ("mended", outcome.event, "msp-shop.service")
    journal = bed.netbox.all(f"extras/journal-entries/?assigned_object_id={device(bed)['id']}")
    assert any("Automatic answer: runbook service_down: done" in entry["comments"] for entry in journal)


def test_a_runbook_whose_worker_is_killed_in_the_middle_is_taken_up_again_and_ends_once(bed: Bed, shop: str) -> None:
    before = len(bed.outcomes(CUSTOMER))
    assert tell(bed.receiver("alertmanager"), alerts(down())).status_code == 200
    with bed.worker("--jobs", "1") as worker:
        until(lambda: started(bed) > 1, "the runbook to have begun")
        os.killpg(worker.pid, signal.SIGKILL)

    with bed.worker("--jobs", "1"):
        until(lambda: len(bed.outcomes(CUSTOMER)) > before, "another worker to take it over and end it")

    (outcome,) = bed.outcomes(CUSTOMER)[before:]
    assert outcome.outcome == "done"
    assert podman.run("exec", shop, "systemctl", "is-active", "msp-shop").strip() == "active"
    with Store.open(bed.store_url) as store:
        mine = [run for run in runbooks.runs(store, CUSTOMER) if run.event == outcome.event]
    # The first was cut off, or ended after its worker; the last found it done, or did it.
    assert len(mine) == 2
    assert mine[-1].outcome in ("mended", "nothing_to_do")


def started(bed: Bed) -> int:
    with Store.open(bed.store_url) as store:
        return len(runbooks.runs(store, CUSTOMER))


def test_an_alert_that_asks_for_what_is_not_done_is_refused_and_says_why(bed: Bed) -> None:
    receiver = bed.receiver("alertmanager")
    before = len(bed.outcomes(CUSTOMER))
    wrong = down(msp_parameter_unit="{{ lookup('pipe', 'id') }}")
    unknown = down(msp_runbook="rm")
    assert tell(receiver, alerts(wrong, unknown, down("nobody"))).status_code == 200

    said = bed.work()

    assert kinds(bed.outcomes(CUSTOMER))[before:] == ["refused", "refused"]
    assert "MSP-RUN-01" in said
    assert "there is no runbook 'rm'" in said
    assert "no asset in NetBox is called 'nobody'" in said


def test_a_runbook_that_the_customer_stopped_does_not_run(bed: Bed) -> None:
    (tenant,) = bed.netbox.all(f"tenancy/tenants/?slug={CUSTOMER}")
    stops = {"custom_fields": {"msp_runbooks_stopped": ["service_down"]}}
    bed.netbox.change(f"tenancy/tenants/{tenant['id']}/", stops)
    try:
        assert tell(bed.receiver("alertmanager"), alerts(down())).status_code == 200
        said = bed.work()
    finally:
        bed.netbox.change(f"tenancy/tenants/{tenant['id']}/", {"custom_fields": {"msp_runbooks_stopped": None}})
    assert kinds(bed.outcomes(CUSTOMER))[-1] == "refused"
    assert "the customer has stopped it" in said


def test_the_lab_starts_the_whole_chain_and_leaves_what_runs_alone(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("MSP_STORE_URL", "XDG_STATE_HOME", "XDG_CACHE_HOME", "MSP_DURABLE_PATHS"):
        monkeypatch.setenv(name, bed.env[name])
    first = dict(lab_events.up(bed.lab))
    state = json.loads((bed.lab.paths.base / "events" / "state.json").read_text())
    try:
        done = len(bed.outcomes(CUSTOMER))
        set_status(bed, "tracked")
        until(lambda: len(bed.outcomes(CUSTOMER)) > done, "the chain to have worked on a change")

        assert dict(lab_events.up(bed.lab)) == first
        assert json.loads((bed.lab.paths.base / "events" / "state.json").read_text()) == state
    finally:
        processes.end_all([processes.Process(**state[name]) for name in ("worker", "receiver")])
        bed.play("playbooks/netbox.yml", "-e", f"netbox_model_events_url={bed.receiver().url}")
