# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A place that vanishes with a container is refused unless somebody declared it durable."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store


def test_outside_a_container_every_place_will_do(tmp_path: Path) -> None:
    durability.require(tmp_path, "store", {}, markers=(tmp_path / "absent",))


@pytest.mark.parametrize("name", ["KUBERNETES_SERVICE_HOST", "AWX_HOST", "AWX_PRIVATE_DATA_DIR"])
def test_inside_an_awx_job_an_undeclared_place_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MspError) as caught:
        durability.require(tmp_path / "evidence.db", "store", {name: "x"}, markers=())
    assert caught.value.code == "MSP-EVD-004"
    assert name in caught.value.expected
    assert str(tmp_path) in caught.value.found


def test_a_marker_file_says_container(tmp_path: Path) -> None:
    marker = tmp_path / ".containerenv"
    marker.touch()
    assert durability.container({}, markers=(marker,)) == str(marker)


def test_a_place_under_a_declared_volume_will_do(tmp_path: Path) -> None:
    environment = {"AWX_HOST": "x", "MSP_DURABLE_PATHS": f"/somewhere:{tmp_path}"}
    durability.require(tmp_path / "deep" / "evidence.db", "store", environment, markers=())


def test_a_name_that_only_begins_alike_is_not_under_the_volume(tmp_path: Path) -> None:
    environment = {"AWX_HOST": "x", "MSP_DURABLE_PATHS": str(tmp_path / "data")}
    assert not durability.declared(tmp_path / "database" / "evidence.db", environment)


def test_a_link_out_of_the_volume_is_not_under_it(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "link").symlink_to(tmp_path / "elsewhere")
    environment = {"MSP_DURABLE_PATHS": str(tmp_path / "volume")}
    assert not durability.declared(tmp_path / "volume" / "link" / "evidence.db", environment)


def test_store_and_spool_are_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWX_HOST", "https://awx.example.com")
    monkeypatch.setenv("MSP_DURABLE_PATHS", "")
    for use in (
        lambda: Store.open(f"sqlite:///{tmp_path}/new/evidence.db", upgrade=True),
        lambda: spool.Spool(tmp_path / "new"),
    ):
        with pytest.raises(MspError) as caught:
            use()
        assert caught.value.code == "MSP-EVD-004"
    assert list(tmp_path.iterdir()) == []
