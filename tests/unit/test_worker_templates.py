"""What the worker launches in AWX is what awx/job_templates.yml declares for it: the template, with its playbook."""

from __future__ import annotations

from pathlib import Path

import yaml

from ansible_collections.msp.ops.plugins.plugin_utils.desk import running_awx
from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import PLAYBOOKS, Work
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[2]


def test_every_playbook_that_follows_from_an_event_is_there_and_has_its_template() -> None:
    declared = yaml.safe_load((ROOT / "awx/job_templates.yml").read_text(encoding="utf-8"))["job_templates"]
    playbooks = {one.format(runbook=runbook) for one in PLAYBOOKS.values() for runbook in catalogue()}

    wanted = {(running_awx.template_of(Work(playbook, "")), playbook) for playbook in playbooks}

    assert wanted == {(one["name"], one["playbook"]) for one in declared if one.get("worker")}
    assert all((ROOT / playbook).is_file() for playbook in playbooks)
