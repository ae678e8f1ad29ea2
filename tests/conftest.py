"""What end-to-end tests stand on: a lab of this test session's own, never the demo's, and scratch databases.

Fixtures, all of them made on first use and once a session unless it says otherwise:

    lab           the lab "test": NetBox, and hosts where containers can run (lab.lab.Lab)
    netbox        its NetBox (lab.api.NetBox: url, token, env(), call(), token_for(permissions), snapshot(), reset())
    fresh_netbox  the same, put back to empty before the module that asks for it
    hosts         its hosts as a list of dictionaries; skips with the reason where containers cannot run
    store_url     a SQLite file of this test's own; postgres_url: a PostgreSQL database of this test's own

The lab is removed with its data at the end of the session; MSP_KEEP_LAB=1 keeps it for the next one.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lab as lab_of
from lab import netbox as lab_netbox
from lab import paths, postgres, progress
from lab.api import EMPTY, NetBox
from lab.lab import Lab

# Each worker of pytest-xdist has a lab of its own: tests put the database back to earlier states.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
NAME = "-".join(filter(None, ("test", WORKER)))


def _remove_lab() -> None:
    if not os.environ.get("MSP_KEEP_LAB"):
        lab_of.down(NAME, purge=True)


@pytest.fixture(scope="session")
def netbox(request: pytest.FixtureRequest) -> NetBox:
    """NetBox of the test lab, empty when the session starts."""
    # Before `up`, so that one that fails half way is removed as well.
    request.addfinalizer(_remove_lab)
    found = NetBox(lab_of.up(NAME, hosts=False))
    if f"snapshot_{EMPTY}" in found.lab.cluster.databases():
        found.reset()
    else:
        found.snapshot(EMPTY)
    return found


@pytest.fixture(scope="module")
def fresh_netbox(netbox: NetBox) -> NetBox:
    """NetBox put back to empty before this module."""
    netbox.reset()
    return netbox


@pytest.fixture(scope="session")
def lab(netbox: NetBox) -> Lab:
    """The whole lab."""
    return lab_of.up(NAME)


@pytest.fixture(scope="session")
def hosts(lab: Lab) -> list[dict[str, object]]:
    """The lab's hosts, the absent one too."""
    if not lab.hosts:
        pytest.skip(lab_of.no_hosts_reason() or "the lab has no hosts")
    return lab.hosts


@pytest.fixture
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty evidence store's address, in a directory declared durable: a container's disk is not so by itself."""
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    return f"sqlite:///{tmp_path / 'evidence.db'}"


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL of this session's own; what a killed session left is removed first."""
    environment = lab_netbox.environment(progress.step)
    place = paths.lab_paths("-".join(filter(None, ("scratch", WORKER))))
    cluster = environment.cluster(place.postgres)

    def remove() -> None:
        lab_netbox.clean(place)
        shutil.rmtree(place.base, ignore_errors=True)

    remove()
    place.make()
    try:
        cluster.create()
        cluster.start(log=place.logs / "postgres.log", mark=place.base, durable=False)
        yield cluster
    finally:
        remove()


@pytest.fixture
def postgres_url(postgres_cluster: postgres.Cluster) -> Iterator[str]:
    """The address of an empty PostgreSQL database that is gone after the test."""
    name = f"scratch_{secrets.token_hex(4)}"
    postgres_cluster.create_database(name)
    yield postgres_cluster.url(name)
    postgres_cluster.drop_database(name)
