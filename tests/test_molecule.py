"""Every molecule scenario, on systemd containers from the lab's own images."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from lab import hosts, image, podman

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
RECIPES = {recipe.current: recipe for recipe in image.RECIPES}


def platforms(scenario: str) -> list[dict[str, Any]]:
    return list(DataLoader().load_from_file(str(ROOT / "molecule" / scenario / "molecule.yml"))["platforms"])


def silent(title: str) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenario_passes_its_whole_sequence(scenario: str, tmp_path: Path) -> None:
    if reason := hosts.available():
        pytest.skip(reason)
    recipes = [RECIPES[platform["image"]] for platform in platforms(scenario)]
    image.ensure(recipes, silent)
    image.name_current(recipes)

    answer = subprocess.run(
        [shutil.which("molecule") or "molecule", "test", "--scenario-name", scenario],
        cwd=ROOT,
        env={
            **os.environ,
            **podman.environment(),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
            "NO_COLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert answer.returncode == 0, answer.stdout[-6000:] + answer.stderr[-3000:]


def test_a_scenario_leaves_no_container_behind() -> None:
    if reason := hosts.available():
        pytest.skip(reason)
    names = {platform["name"] for scenario in SCENARIOS for platform in platforms(scenario)}

    assert names
    assert not names & {name for row in podman.rows("ps", "--all") for name in row["Names"]}
