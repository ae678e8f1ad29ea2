"""The main job as ./msp demo runs it, on the test's own lab: from an empty NetBox to reports that tell the truth."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification
from lab.api import NetBox
from lab.lab import Lab
from msp_cli import demo
from msp_cli.jobs import Job
from tests.browser import CHROMIUM, measure
from tests.demonstrated import Demonstrated

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Done:
    build: Path
    reports: dict[str, Path]
    verifications: dict[str, Verification]


@pytest.fixture(scope="module")
def done(demonstrated: Demonstrated) -> Done:
    demonstrated.put_back()
    reports, verifications = demonstrated.reports, demonstrated.verifications
    slugs = [verification.customer.slug for verification in verifications]
    return Done(
        demonstrated.build,
        dict(zip(slugs, reports, strict=True)),
        dict(zip(slugs, verifications, strict=True)),
    )


def address(hosts: list[dict[str, object]], name: str) -> str:
    return next(str(host["address"]) for host in hosts if host["name"] == name)


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_says_so_on_a_phone_and_on_a_desk(
    done: Done, hosts: list[dict[str, object]], width: int, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    shutil.copy(done.reports["bakkerij-jansen"], page)

    seen = measure(page, tmp_path, width)

    assert (seen["width"], seen["beyond"], seen["small"]) == (width, [], [])
    (unlisted,) = seen["unlisted"]
    assert address(hosts, "jansen-till02") in unlisted
    (absent,) = seen["absent"]
    assert "jansen-nas01" in absent
    assert {re.sub(r"\s+", " ", text) for text in seen["warranty"].values()} == {
        "In garantie",
        "Eindigt binnenkort",
        "Verlopen",
        "Onbekend",
    }


def test_what_was_found_is_what_the_lab_is_made_of(done: Done) -> None:
    jansen, harbour = done.verifications["bakkerij-jansen"], done.verifications["harbour-dental"]

    assert {one.asset.name: one.state for one in jansen.compared} == {
        "jansen-srv01": "present",
        "jansen-ws01": "present",
        "jansen-nas01": "absent",
        "jansen-gw01": "seen",
        "jansen-phone01": "not_audited",
        "jansen-tablet01": "not_audited",
    }
    assert [one.asset.name for one in harbour.compared if one.state == "differs"] == ["harbour-ws01"]
    assert jansen.counts.unlisted == 1
    assert jansen.counts.security_updates > 0


def test_warranties_are_right(done: Done) -> None:
    states = {one.asset.name: one.warranty.state for one in done.verifications["bakkerij-jansen"].compared}

    assert states == {
        "jansen-srv01": "in",
        "jansen-ws01": "ending",
        "jansen-nas01": "expired",
        "jansen-gw01": "unknown",
        "jansen-phone01": "in",
        "jansen-tablet01": "ending",
    }


def test_it_ends_with_a_summary_and_its_last_line_is_where_the_report_is(
    done: Done,
    lab: Lab,
    hosts: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(done.build))
    monkeypatch.setattr("lab.lab.up", {demo.NAME: lab}.__getitem__)
    job = (list(done.reports.values()), list(done.verifications.values()))
    monkeypatch.setattr(demo, "run", lambda _running, _build: job)
    monkeypatch.setattr(demo, "BUILD", done.build)
    monkeypatch.setattr("msp_cli.demo_discovery.look", lambda *_arguments: [done.build / "digest.html"])

    assert demo.main([]) == 0

    said = capsys.readouterr().out.splitlines()
    assert said[0].split()[:3] == ["customer", "contracted", "found"]
    rows = {line.partition("  ")[0]: line.split()[-7:] for line in said[2:4]}
    counts = {one.customer.name: one.counts for one in done.verifications.values()}
    assert {name: row[0] for name, row in rows.items()} == {name: str(c.contracted) for name, c in counts.items()}
    till = next(line for line in said if address(hosts, "jansen-till02") in line)
    assert till.split()[-1] == "measured" and "Bakkerij Jansen" in till
    assert f"what is new: {done.build / 'digest.html'}" in said
    assert lab.url in "".join(said)
    assert said[-1] == f"report: {done.reports['bakkerij-jansen']}"
    assert done.reports["bakkerij-jansen"].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def hashes(done: Done) -> dict[str, str | None]:
    """What the last audit of each host that answered found, as one number."""
    with Store.open(demo.store_url(done.build)) as store:
        found = [pair for slug in done.reports for pair in store.last_audits(slug).values()]
    return {ok.host: ok.facts_hash for ok, _last in found if ok is not None}


def test_running_it_again_finds_the_same_and_writes_nothing_to_netbox(
    done: Done, lab: Lab, netbox: NetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(done.build))
    # A controller west of Greenwich: what it calls now is not UTC.
    monkeypatch.setenv("TZ", "America/New_York")
    before, found = netbox.changes(), hashes(done)

    demo.run(lab, done.build)

    assert netbox.changes() == before
    assert hashes(done) == found
    assert len(found) == 5


def test_the_daily_run_renews_the_dates_in_the_saved_filters_and_reports(
    done: Done, lab: Lab, netbox: NetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(done.build))
    (soon,) = netbox.all("extras/saved-filters/?slug=msp-warranty-ends")
    long_ago = {"cf_msp_warranty_end__gte": ["2020-01-01"], "cf_msp_warranty_end__lte": ["2020-03-31"]}
    netbox.change(f"extras/saved-filters/{soon['id']}/", {"parameters": long_ago})
    job = Job(done.build, demo.environment(lab, done.build))
    reports = done.build / "daily"

    one_each = "jansen-srv01.bakkerij-jansen,harbour-srv01.harbour-dental,localhost"
    settings = json.dumps({"report_directory": str(reports)})
    job.play("daily", "playbooks/daily.yml", "-e", settings, "--limit", one_each)

    (renewed,) = netbox.all("extras/saved-filters/?slug=msp-warranty-ends")
    assert renewed["parameters"] == soon["parameters"]
    assert sorted(path.parent.name for path in reports.glob("*/*.html")) == ["bakkerij-jansen", "harbour-dental"]
    with Store.open(demo.store_url(done.build)) as store:
        looks = [
            look
            for slug in ("bakkerij-jansen", "harbour-dental")
            for _ok, look in store.last_access_checks(slug).values()
        ]
    assert {(one.host, one.outcome) for one in looks} == {(name, "ok") for name in one_each.split(",")[:2]}


@pytest.fixture
def emptied(netbox: NetBox) -> Iterator[NetBox]:
    """NetBox empty for one test, and afterwards as it was."""
    netbox.snapshot("aside")
    netbox.reset()
    yield netbox
    netbox.reset("aside")


def test_where_no_host_runs_this_machine_alone_is_audited_and_nothing_of_its_network_is_kept(
    lab: Lab, emptied: NetBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))

    reports, verifications = demo.run(dataclasses.replace(lab, hosts=[]), tmp_path)

    assert "1 host(s): 1 ok" in (tmp_path / "audit.log").read_text()
    with Store.open(demo.store_url(tmp_path)) as store:
        slugs = [verification.customer.slug for verification in verifications]
        audited = {last.host for slug in slugs for _ok, last in store.last_audits(slug).values() if last}
        seen = {one.source for slug in slugs for one in store.sightings(slug)}
    assert audited == {demo.ALONE}
    # The contracts name no network in this mode, so no neighbour of this machine is inside one.
    assert seen == {"audit"}
    assert emptied.all("ipam/ip-addresses/") == emptied.all("ipam/prefixes/") == []
    assert [report.parent.name for report in reports] == ["bakkerij-jansen"]
