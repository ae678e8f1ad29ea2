"""Runbooks on two real hosts, over real ssh: on one of them each problem is made so that it can be mended, on the other
so that a person has to look. Whether it was mended is asked of the host, without our code."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab import hosts
from lab.machines import NEWCOMERS
from tests import patch_bed
from tests.runbook_bed import RENEW, SPIN, TLS, Bed

pytestmark = pytest.mark.lab
LAB = "-".join(filter(None, ("runbook-test", os.environ.get("PYTEST_XDIST_WORKER"))))
MENDED, LEFT = NAMES = ("harbour-app01", "harbour-app02")
DISKS = ("--tmpfs=/var/log:rw,size=32m,mode=755", "--tmpfs=/srv:rw,size=16m,mode=755")
QUICK = {"stable_seconds": 3}
LOAD = {"sample_seconds": 2, "stable_seconds": 3}
ASKED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    MENDED: {
        "disk_full": {"parameters": {"mount": "/var/log", "percent": "60"}},
        "service_down": {"parameters": {"unit": "shop.service"}, "policy": QUICK},
        "certificate_ending": {
            "parameters": {"port": "8443"},
            "policy": {"command": ["/usr/local/sbin/renew", "90"], "reload": ["shop-tls.service"]},
        },
        "account_locked": {"parameters": {"account": "anna"}, "policy": {"quiet_seconds": 0}},
        "high_load": {"parameters": {"percent": "2"}, "policy": {**LOAD, "restartable": ["busy.service"]}},
    },
    LEFT: {
        "disk_full": {"parameters": {"mount": "/srv"}},
        "service_down": {"parameters": {"unit": "shop.service"}, "policy": QUICK},
        "certificate_ending": {"parameters": {"path": "/etc/ssl/shop.pem"}},
        "account_locked": {"parameters": {"account": "anna"}, "policy": {"quiet_seconds": 0}},
        "high_load": {"parameters": {"percent": "2"}, "policy": LOAD},
        "time_drift": {},
        "pending_reboot": {},
    },
}
REBOOT = "printf 'libc6\\n' >/run/reboot-required.pkgs; touch /run/reboot-required"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [
        dataclasses.replace(machine, options=(*machine.options, *DISKS))
        for machine in NEWCOMERS
        if machine.name in NAMES
    ]
    place = tmp_path_factory.mktemp("runbooks")
    with pytest.MonkeyPatch.context() as environment, patch_bed.bed(LAB, machines, place, (), Bed) as made:
        environment.setenv("MSP_DURABLE_PATHS", str(place))
        made.prepare()
        yield made


@pytest.fixture(scope="module")
def broken(bed: Bed) -> Bed:
    """Every problem at once, on both."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda make: make(bed), (break_what_can_be_mended, break_what_a_person_has_to_mend)))
    return bed


def prepare(bed: Bed, name: str) -> None:
    """What both need: an account, a server of TLS with a certificate that ends, and a service that spins."""
    bed.write(name, "/usr/local/sbin/renew", RENEW, "0755")
    bed.sh(name, "useradd anna && echo anna:right | chpasswd && /usr/local/sbin/renew 5")
    bed.unit(name, "shop-tls", TLS)
    bed.write(name, "/usr/local/sbin/spin", SPIN, "0755")
    bed.unit(name, "busy", "/usr/local/sbin/spin")


def break_what_can_be_mended(bed: Bed) -> None:
    prepare(bed, MENDED)
    bed.unit(MENDED, "shop", "/bin/sleep infinity")
    bed.sh(MENDED, "systemctl kill --signal=KILL shop; until systemctl is-failed -q shop; do sleep 0.1; done")
    bed.sh(
        MENDED,
        "cd /var/log && head -c 20M /dev/urandom >app.log.5 && head -c 1M /dev/urandom >app.log.1"
        " && head -c 1M /dev/urandom >app.log && head -c 1M /dev/urandom >/root/precious.1"
        " && ln -s /root/precious.1 link.log.1 && ln -s /root way && mkdir -p sub && cp app.log sub/b.log.2.gz"
        " && touch -d '60 days ago' app.log.5 app.log sub/b.log.2.gz /root/precious.1"
        " && touch -h -d '60 days ago' link.log.1",
    )
    bed.wrong_logins(MENDED, "anna", *["192.0.2.7"] * 3)


def break_what_a_person_has_to_mend(bed: Bed) -> None:
    prepare(bed, LEFT)
    bed.write(LEFT, "/usr/local/sbin/shop", "#!/bin/sh\necho 'no database, password=hunter2'\nexit 3\n", "0755")
    bed.unit(LEFT, "shop", "/usr/local/sbin/shop")
    bed.sh(LEFT, "until systemctl is-failed -q shop; do sleep 0.1; done")
    bed.sh(
        LEFT,
        "head -c 10M /dev/urandom >/srv/shop.db; head -c 5M /dev/urandom >/srv/gone.dump;"
        " systemd-run -q --unit=holder sh -c 'exec 5</srv/gone.dump; touch /run/held; exec sleep infinity';"
        " until [ -e /run/held ]; do sleep 0.1; done; rm /srv/gone.dump",
    )
    bed.wrong_logins(LEFT, "anna", "192.0.2.7", "192.0.2.8", "198.51.100.9")
    bed.sh(LEFT, REBOOT)


def outcomes(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(one.get("outcome", one)) for name, one in found.items() if not one.get("skipped")}


def state(bed: Bed, host: str) -> str:
    """What no preview may change."""
    return bed.sh(
        host,
        "find /var/log /srv -type f -not -path '*journal*' | sort; systemctl is-active shop busy shop-tls;"
        " sha256sum /etc/ssl/shop.pem; faillock --user anna | wc -l; ls /root",
    )


def test_a_preview_says_what_would_be_done_and_does_none_of_it(broken: Bed) -> None:
    before = {name: state(broken, name) for name in NAMES}

    found = broken.answers(ASKED, "--check")

    assert outcomes(found[MENDED]) == dict.fromkeys(ASKED[MENDED], "would_mend"), json.dumps(found[MENDED], indent=1)
    assert all(one["would"] and not one["did"] for one in found[MENDED].values() if not one.get("skipped"))
    assert outcomes(found[LEFT])["service_down"] == "would_mend"
    assert {name: state(broken, name) for name in NAMES} == before
    assert broken.recorded(MENDED) == []


@pytest.fixture(scope="module")
def ran(broken: Bed) -> Mapping[str, Any]:
    found = broken.answers(ASKED)
    broken.sh(LEFT, "systemctl stop busy")
    return found


def test_what_can_be_mended_is_mended_and_the_host_agrees(broken: Bed, ran: Mapping[str, Any]) -> None:
    found = ran[MENDED]
    assert outcomes(found) == dict.fromkeys(ASKED[MENDED], "mended"), json.dumps(found, indent=1)

    # The old log is gone; what is young, in use by name, or behind a link is not.
    there = broken.sh(MENDED, "ls -d /var/log/* /root/precious.1").split()
    assert "/var/log/app.log.5" not in there
    kept = {"app.log", "app.log.1", "link.log.1", "way", "sub"}
    assert {f"/var/log/{one}" for one in kept} | {"/root/precious.1"} <= set(there)
    assert not broken.there(MENDED, "/var/log/sub/b.log.2.gz")
    disk = found["disk_full"]
    assert disk["before"]["percent_used"] >= 60 > disk["after"]["percent_used"]
    assert any("/var/log grew" in one or "big: /var/log/app.log.5" in one for one in disk["found"])

    assert broken.sh(MENDED, "systemctl is-active shop") == "active"
    assert "ended by signal 9" in " ".join(found["service_down"]["found"])
    certificate = found["certificate_ending"]
    shown = "openssl s_client -connect localhost:8443 </dev/null 2>/dev/null | openssl x509 -noout -checkend"
    broken.sh(MENDED, f"{shown} {88 * 86400}")
    assert (certificate["before"]["days_left"], certificate["after"]["days_left"]) == (4, 89)
    assert any("port 8443 shows it (openssl)" in one for one in certificate["found"])
    assert len(broken.sh(MENDED, "faillock --user anna").splitlines()) == 2  # its head alone
    assert found["account_locked"]["before"]["locked"] and not found["account_locked"]["after"]["locked"]
    assert "busy.service" in found["high_load"]["did"][0]


def test_what_a_person_has_to_look_at_is_left_with_what_was_found(broken: Bed, ran: Mapping[str, Any]) -> None:
    found = ran[LEFT]
    assert outcomes(found) == dict.fromkeys(ASKED[LEFT], "gave_up"), json.dumps(found, indent=1)

    disk = found["disk_full"]["reason"]
    assert "/srv/shop.db" in disk and "unit holder.service" not in disk and "/srv/gone.dump" in disk
    assert broken.sh(LEFT, "stat -c %s /srv/shop.db") == str(10 * 1024 * 1024)
    service = found["service_down"]
    assert "ended with status 3" in service["reason"]
    assert any("no database" in one for one in service["found"])
    assert "hunter2" not in json.dumps(found)
    certificate = found["certificate_ending"]["reason"]
    assert re.search("shop.example.com.*signed by itself.*openssl on port 8443", certificate), certificate
    assert "192.0.2.7, 192.0.2.8, 198.51.100.9" in found["account_locked"]["reason"]
    assert len(broken.sh(LEFT, "faillock --user anna").splitlines()) == 5
    assert "busy.service" in found["high_load"]["reason"]
    assert "not on the customer's list" in found["high_load"]["reason"]
    assert "container" in found["time_drift"]["reason"]
    assert "libc6" in found["pending_reboot"]["reason"] and "no time for it" in found["pending_reboot"]["reason"]
    assert all(one["changed"] is (name == "service_down") for name, one in found.items() if not one.get("skipped"))


def test_every_run_is_on_record_and_a_second_one_finds_nothing_to_do(broken: Bed, ran: Mapping[str, Any]) -> None:
    assert {one.runbook: one.outcome for one in broken.recorded(MENDED)} == outcomes(ran[MENDED])
    assert {one.runbook: one.outcome for one in broken.recorded(LEFT)} == outcomes(ran[LEFT])

    again = broken.answers({MENDED: ASKED[MENDED]})[MENDED]

    assert outcomes(again) == dict.fromkeys(ASKED[MENDED], "nothing_to_do"), json.dumps(again, indent=1)
    assert not any(one["changed"] for one in again.values())


def test_an_alert_that_would_lead_somewhere_else_reaches_no_host(broken: Bed) -> None:
    alert = json.dumps({"msp_runbook_parameters": {"mount": "/var/../etc"}})

    ran = broken.playbook("disk_full", MENDED, "-e", alert)

    assert ran.status != 0 and "MSP-RUN-012" in ran.output, ran.output
    assert [one.runbook for one in broken.recorded(MENDED)].count("disk_full") <= 2


def test_a_host_that_nobody_reaches_is_looked_at_from_two_sides(broken: Bed) -> None:
    broken.sh(LEFT, "systemctl stop ssh")
    try:
        found = broken.playbook("host_unreachable", LEFT, among=[MENDED])
    finally:
        broken.sh(LEFT, "systemctl start ssh")
    assert found.status == 0, found.output
    # A container may not send a ping, and says so.
    assert re.search(f"seen from {MENDED}: (it answers a|no) ping.*, port 22 is closed", found.output), found.output
    assert "seen from the controller: it answers a ping, port 22 is closed" in found.output
    assert "nothing waits on port 22 (from all 2 sides)" in found.output
    again = broken.playbook("host_unreachable", LEFT, among=[MENDED])
    assert "nothing_to_do" in again.output, again.output
    recorded = [one.outcome for one in broken.recorded(LEFT) if one.runbook == "host_unreachable"]
    assert recorded == ["gave_up", "nothing_to_do"]


def test_a_restart_is_proved_by_the_start_of_the_first_process(broken: Bed) -> None:
    broken.sh(MENDED, REBOOT)
    started = broken.sh(MENDED, "cut -d' ' -f22 /proc/1/stat")
    preview = broken.playbook("pending_reboot", MENDED, "-e", "msp_runbook_reboot=true", "--check")
    assert "restart the host" in preview.output and "would_mend" in preview.output, preview.output
    restarter = broken.restarter(MENDED)
    ran = broken.playbook("pending_reboot", MENDED, "-e", "msp_runbook_reboot=true")
    restarter.join(120)

    assert ran.status == 0 and "mended" in ran.output, ran.output
    assert broken.sh(MENDED, "cut -d' ' -f22 /proc/1/stat") != started
    assert not broken.there(MENDED, "/run/reboot-required")
    (record,) = [one for one in broken.recorded(MENDED) if one.runbook == "pending_reboot"]
    assert record.outcome == "mended" and record.body["did"] == ["restarted the host"]
