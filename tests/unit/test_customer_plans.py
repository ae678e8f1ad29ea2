"""The patch plans that this project brings along are plans that can work, on the assets that its customers have."""

from __future__ import annotations

import datetime as dt
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.contexts import deepmerge
from ansible_collections.msp.ops.plugins.plugin_utils.patching import reading_plan, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feasible import examine
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member, divide
from ansible_collections.msp.ops.plugins.plugin_utils.register import onboarding
from lab import customers, plans
from lab.inside.seed_plan import patch_plan

ROOT = Path(__file__).resolve().parents[2]
MOMENTS = [dt.datetime(2026, 11, 26, hour, 59, tzinfo=dt.UTC) for hour in (0, 8, 23)]


def members(slug: str, rings: Any, tmp_path: Path) -> list[Member]:
    """The customer's contracted servers and workstations, with their ring tags."""
    _document, found = onboarding.load(customers.write([], tmp_path, MOMENTS[0].date())[slug])
    names = [asset.row.name for asset in found.assets if asset.row.asset_class in ("server", "workstation")]
    ring_of = {name: ring for ring, listed in rings.items() for name in listed}
    tags = {name: frozenset({f"msp-ring-{ring_of[name]}"}) if name in ring_of else frozenset() for name in names}
    return [Member(f"device:{number}", name, tags[name]) for number, name in enumerate(names)]


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("slug", customers.SLUGS)
def test_a_customers_plan_of_the_demo_can_work_and_is_open_when_it_runs(
    slug: str, now: dt.datetime, tmp_path: Path
) -> None:
    planned = plans.of(slug, now)
    plan = reading_plan.read_context(planned.context)
    found = members(slug, planned.rings, tmp_path)

    assert [str(finding.why) for finding in examine(plan, found, now)] == []
    assert all(divide(plan, found).sizes.values())
    for name in plan.classes:
        opening = windows.open_at(plan, name, now)
        assert opening is not None and opening.closes - now > dt.timedelta(hours=5)


def test_seeded_plans_are_plans_alone_and_merged() -> None:
    chosen = random.Random(1)  # noqa: S311 - made data
    seeded = [patch_plan(number, chosen.choice(("never", "if_needed", "always"))) for number in range(40)]
    for plan in seeded:
        reading_plan.read(plan)
    for _round in range(20):
        merged: Any = {}
        for plan in chosen.sample(seeded, 4):
            merged = deepmerge(merged, plan)
        assert len(reading_plan.read(merged).windows) > 1


def test_the_plan_on_the_documentations_page_is_the_one_in_its_examples() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "patching.md").read_text(encoding="utf-8"), re.DOTALL)
    (shown,) = [block for block in blocks if block.startswith("msp_patch_plan:")]
    example = (ROOT / "docs" / "examples" / "patching" / "plan.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(shown) == yaml.safe_load(example)
