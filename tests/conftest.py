"""What end-to-end tests stand on: a lab of this test session's own, never the demo's, and scratch databases.

Fixtures, all of them made on first use and once a session unless it says otherwise:

    lab           the lab "test": NetBox, and hosts where containers can run (lab.lab.Lab)
    netbox        its NetBox (lab.api.NetBox: url, token, env(), call(), token_for(permissions), snapshot(), reset())
    fresh_netbox  the same, put back to empty before the module that asks for it
    hosts         its hosts as a list of dictionaries; skips with the reason where containers cannot run
    virtual_machine
                  a machine with a kernel of its own, booted (lab.virtual_machine.VirtualMachine); it needs no NetBox,
                  and skips with the reason where it cannot run
    demonstrated  what ./msp demo makes of the lab: onboarded, audited, reported (tests.demonstrated)
    store_url     a SQLite file of this test's own; postgres_url: a PostgreSQL database of this test's own

The lab is removed with its data at the end of the session; MSP_KEEP_LAB=1 keeps it for the next one.
MSP_REQUIRE_ALL=1 makes a skipped test a failed one: for a machine that is known to have all it takes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lab import lab as lab_of
from lab import postgres, scratch
from lab import virtual_machine as machine_of
from lab.api import EMPTY, NetBox
from lab.lab import Lab
from lab.locks import claimed
from lab.progress import step
from lab.virtual_machine import VirtualMachine
from msp_cli import demo
from tests.demonstrated import Demonstrated, secrets_of
from tests.secret_search import Watcher

KEEP = "MSP_KEEP_LAB"
REQUIRE = "MSP_REQUIRE_ALL"
# The one thing that no machine can be expected to have.
NO_RECORDING = "MSP_RECORDED_DATA"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything has to be tested, a test that could not run here has failed."""
    report = yield
    if report.skipped and os.environ.get(REQUIRE) and NO_RECORDING not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{REQUIRE} is set, so no test may be skipped. {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def session_name() -> Iterator[str]:
    """The name of this session's lab: "test", or when another session (or worker of pytest-xdist) has that, "test2"...

    Tests put the database back to earlier states, so no two may share one.
    """
    with claimed("test") as name:
        yield name


@pytest.fixture(scope="session")
def netbox(session_name: str) -> Iterator[NetBox]:
    """NetBox of the test lab, empty when the session starts."""
    try:
        found = NetBox(lab_of.up(session_name, hosts=False, durable=False))
        if f"snapshot_{EMPTY}" in found.lab.cluster.databases():
            found.reset()
        else:
            found.snapshot(EMPTY)
        yield found
    finally:
        if not os.environ.get(KEEP):
            lab_of.down(session_name, purge=True)


@pytest.fixture(scope="module")
def fresh_netbox(netbox: NetBox) -> NetBox:
    """NetBox put back to empty before this module."""
    netbox.reset()
    return netbox


@pytest.fixture(scope="session")
def lab(session_name: str, netbox: NetBox) -> Lab:
    """The whole lab."""
    return lab_of.up(session_name, durable=False)


@pytest.fixture(scope="session")
def hosts(lab: Lab) -> list[dict[str, object]]:
    """The lab's hosts, the absent one too."""
    if not lab.hosts:
        pytest.skip(lab_of.no_hosts_reason() or "the lab has no hosts")
    return lab.hosts


@pytest.fixture(scope="session")
def demonstrated(
    lab: Lab, hosts: list[dict[str, object]], netbox: NetBox, tmp_path_factory: pytest.TempPathFactory
) -> Demonstrated:
    """The whole job as ./msp demo does it, once."""
    netbox.reset()
    build = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MSP_DURABLE_PATHS", str(build))
        with Watcher(secrets_of(lab)) as watcher:
            reports, verifications = demo.run(lab, build)
    return Demonstrated(netbox, build, tmp_path_factory.mktemp("demonstrated"), reports, verifications, watcher)


@pytest.fixture(scope="session")
def virtual_machine() -> Iterator[VirtualMachine]:
    """The virtual machine of this session, new, and never kept: what tests install on it stays. Leave it running."""
    if reason := machine_of.available():
        pytest.skip(reason)
    with claimed("machine") as name:
        try:
            machine_of.down(name)  # what a killed session left
            yield machine_of.up(name, step)
        finally:
            machine_of.down(name)


@pytest.fixture
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty evidence store's address, in a directory declared durable: a container's disk is not so by itself."""
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    return f"sqlite:///{tmp_path / 'evidence.db'}"


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL of this session's own."""
    with scratch.cluster(in_memory=True) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres_cluster: postgres.Cluster) -> Iterator[str]:
    """The address of an empty PostgreSQL database that is gone after the test."""
    name = f"scratch_{secrets.token_hex(4)}"
    postgres_cluster.create_database(name)
    yield postgres_cluster.url(name)
    postgres_cluster.drop_database(name)
