"""The role msp_tls knows the controls of TLS, and brings about those that are not left to a person.

Reads the role's files and the definitions of the controls; runs neither. On a real host: tests/test_tls.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.msp.ops.plugins.module_utils.standards import server_settings
from ansible_collections.msp.ops.plugins.plugin_utils.standards import model
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue

ROLE = Path(__file__).resolve().parents[2] / "roles" / "msp_tls"
OURS = {control.id: control for control in catalogue().values() if control.role == model.TLS}
VARIABLES: Mapping[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
BROUGHT: Mapping[str, Mapping[str, str]] = VARIABLES["__msp_tls_controls"]
EACH = [(server, part, id_) for server, parts in BROUGHT.items() for part, id_ in parts.items()]


def test_each_control_is_in_its_area_and_no_other_is() -> None:
    areas = VARIABLES["__msp_tls_areas"]
    assert {id_: area for area, ids in areas.items() for id_ in ids} == {one.id: one.area for one in OURS.values()}


def test_what_is_not_left_to_a_person_is_brought_about() -> None:
    assert {id_ for _server, _part, id_ in EACH} == {one.id for one in OURS.values() if not one.by_hand}
    assert {part for _server, part, _id in EACH} == set(server_settings.PARTS)


@pytest.mark.parametrize(("server", "part", "id_"), EACH)
def test_the_role_waits_for_what_the_control_checks(server: str, part: str, id_: str) -> None:
    fields = VARIABLES["__msp_tls_fields"][part]
    probes = [check.probe for check in OURS[id_].checks if check.probe["kind"] == "tls_service"]

    assert [check.field for check in OURS[id_].checks if check.probe["kind"] == "tls_service"] == fields
    assert {probe["service"] for probe in probes} <= {server}


@pytest.mark.parametrize("server", list(BROUGHT))
def test_a_server_is_checked_and_reloaded_by_its_own_commands(server: str) -> None:
    assert server in VARIABLES["__msp_tls_units"] and server in VARIABLES["__msp_tls_checks"]


def test_what_a_customer_has_is_never_shown_nor_kept_where_a_server_reads_it() -> None:
    (block,) = yaml.safe_load((ROLE / "tasks" / "tls.yml").read_text(encoding="utf-8"))
    (change,) = (task["msp.ops.files"] for task in block["block"] if "msp.ops.files" in task)

    assert change["only_lines"] is True and change["backup"] is True
    assert change["backup_directory"].startswith("/var/backups/")
