"""The main job as ./msp demo runs it, on the test's own lab: from an empty NetBox to reports that tell the truth."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification
from lab.api import NetBox
from lab.lab import Lab
from msp_cli import demo

pytestmark = pytest.mark.lab
CHROMIUM = shutil.which("chromium")


@dataclass(frozen=True)
class Done:
    build: Path
    reports: dict[str, Path]
    verifications: dict[str, Verification]


@pytest.fixture(scope="module")
def done(
    lab: Lab, hosts: list[dict[str, object]], fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory
) -> Done:
    build = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MSP_DURABLE_PATHS", str(build))
        reports, verifications = demo.run(lab, build)
    slugs = [verification.customer.slug for verification in verifications]
    return Done(build, dict(zip(slugs, reports, strict=True)), dict(zip(slugs, verifications, strict=True)))


def address(hosts: list[dict[str, object]], name: str) -> str:
    return next(str(host["address"]) for host in hosts if host["name"] == name)


def seen_in_a_browser(report: Path, tmp_path: Path) -> str:
    """The page as a browser has it after it has read it."""
    assert CHROMIUM
    quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync", *quiet]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    page = subprocess.run(
        [*command, profile, "--dump-dom", report.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    return page.stdout


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
def test_the_report_lists_the_unlisted_host_and_the_absent_one(
    done: Done, hosts: list[dict[str, object]], tmp_path: Path
) -> None:
    page = seen_in_a_browser(done.reports["bakkerij-jansen"], tmp_path)

    assert "data-thing" in page
    assert address(hosts, "jansen-till02") in page
    absent = page.split('data-state="absent"')[1]
    assert "jansen-nas01" in absent[:2000]


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


def test_running_it_again_writes_nothing_to_netbox(
    done: Done, lab: Lab, netbox: NetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(done.build))
    before = netbox.call("GET", "core/object-changes/?limit=1")["count"]

    demo.run(lab, done.build)

    assert netbox.call("GET", "core/object-changes/?limit=1")["count"] == before
