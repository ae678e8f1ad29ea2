# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Maker, model, serial, processor, memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit import machine
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

CPUINFO = """processor\t: 0
model name\t: Example CPU  @ 2.00GHz
physical id\t: 0
core id\t\t: 0

processor\t: 1
model name\t: Example CPU  @ 2.00GHz
physical id\t: 0
core id\t\t: 1

processor\t: 2
model name\t: Example CPU  @ 2.00GHz
physical id\t: 1
core id\t\t: 0

processor\t: 3
model name\t: Example CPU  @ 2.00GHz
physical id\t: 1
core id\t\t: 1
"""


def made_host(root: Path, dmi: dict[str, str]) -> Host:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(CPUINFO)
    (root / "proc/meminfo").write_text("MemTotal:        2048 kB\nMemFree: 1 kB\n")
    place = root / "sys/devices/virtual/dmi/id"
    place.mkdir(parents=True)
    for name, value in dmi.items():
        (place / name).write_text(value + "\n")
    (root / "sys/class/dmi").mkdir(parents=True)
    (root / "sys/class/dmi/id").symlink_to("../../devices/virtual/dmi/id")
    host = Host(str(root))
    host.privileged = True
    return host


def test_sockets_cores_and_threads_are_counted() -> None:
    expected = {"model": "Example CPU @ 2.00GHz", "sockets": 2, "cores": 4, "threads": 4}

    assert machine.parse_cpuinfo(CPUINFO) == expected


def test_a_processor_that_states_no_topology_has_null_counts() -> None:
    found = machine.parse_cpuinfo("processor\t: 0\nBogoMIPS\t: 50\n\nprocessor\t: 1\n")

    assert found == {"model": None, "sockets": None, "cores": None, "threads": 2}


def test_the_firmware_is_read_and_its_placeholders_are_null(tmp_path: Path) -> None:
    host = made_host(
        tmp_path,
        {
            "sys_vendor": "Example Systems",
            "product_name": "ES R240",
            "product_serial": "To be filled by O.E.M.",
            "chassis_serial": "EXS7K2041",
            "product_uuid": "4468CAB7-B223-5ACF-A6DA-42F7AD5DF663",
            "chassis_asset_tag": "Default string",
            "chassis_type": "23",
        },
    )

    found = machine.collect(host, None)

    assert found["serial"] == "EXS7K2041"
    assert found["uuid"] == "4468cab7-b223-5acf-a6da-42f7ad5df663"
    assert (found["asset_tag"], found["chassis"], found["memory_bytes"]) == (None, "server", 2048 * 1024)


def test_a_container_does_not_take_its_hosts_serial_for_its_own(tmp_path: Path) -> None:
    host = made_host(tmp_path, {"sys_vendor": "Example Systems", "product_serial": "EXS7K2041"})

    found = machine.collect(host, "podman")

    assert (found["vendor"], found["serial"]) == (None, None)
    assert [what for what, _why in host.notes] == ["machine"]


def test_a_description_mounted_over_the_kernels_counts_for_a_container(tmp_path: Path) -> None:
    host = made_host(tmp_path, {"product_serial": "EXS7K2041"})
    (tmp_path / "sys/class/dmi/id").unlink()
    (tmp_path / "sys/devices/virtual/dmi/id").rename(tmp_path / "sys/class/dmi/id")

    assert machine.collect(host, "podman")["serial"] == "EXS7K2041"


def test_without_root_the_serial_is_unknown_and_not_absent(tmp_path: Path) -> None:
    host = made_host(tmp_path, {"sys_vendor": "Example Systems"})
    host.privileged = False

    found = machine.collect(host, None)

    assert (found["vendor"], found["serial"]) == ("Example Systems", None)
    assert ("machine.serial", "serial and UUID can be read by root only") in host.notes


def test_a_board_with_a_device_tree_tells_model_and_serial(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nModel\t\t: Example Board\n")
    (tmp_path / "proc/meminfo").write_text("")
    (tmp_path / "proc/device-tree/model").write_bytes(b"Example Board Rev 2\0")
    (tmp_path / "proc/device-tree/serial-number").write_bytes(b"10000000abcdef12\0")

    found = machine.collect(Host(str(tmp_path)), None)

    assert (found["model"], found["serial"], found["memory_bytes"]) == ("Example Board Rev 2", "10000000abcdef12", None)


def test_the_serials_of_recorded_hosts_are_judged_as_a_person_would(recorded: Callable[[str], Path]) -> None:
    real: dict[str, Any] = {}
    for place in sorted(recorded("ansible-facts").glob("*.json")):
        found = json.loads(place.read_text())
        facts = found.get("ansible_facts", found)
        serial = facts.get("ansible_product_serial", facts.get("product_serial"))
        if serial is not None:
            real[place.stem] = machine.from_dmi({"product_serial": serial})["serial"]

    assert real
    assert "NA" not in real.values()
    assert "0" not in real.values()


def test_the_recorded_blade_is_recognised(recorded: Callable[[str], Path]) -> None:
    text = recorded("hardware/dmidecode_Dell_PowerEdge_M630.txt").read_text()
    section = text.split("System Information")[1].split("\n\n")[0]
    fields = dict(line.strip().split(": ", 1) for line in section.splitlines() if ": " in line)

    found = machine.from_dmi(
        {"sys_vendor": fields["Manufacturer"], "product_name": fields["Product Name"], "product_uuid": fields["UUID"]}
    )

    assert (found["vendor"], found["model"]) == ("Dell Inc.", "PowerEdge M630")
