"""Real answers of Intune and Entra, and the facts that a person finds in them by reading."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import directory, mdm
from ansible_collections.msp.ops.plugins.plugin_utils.observe.mdm import Registration
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context

# The day after both devices of the sample synchronised.
CONTEXT = Context("jansen", dt.datetime(2023, 8, 24, 9, tzinfo=dt.UTC), "sample")
FILETIME_OF_1970 = 116444736000000000


def content(samples: Path, name: str) -> bytes:
    return (samples / "mdm-ad" / name).read_bytes()


def test_intunes_two_virtual_machines(samples: Path) -> None:
    reading = mdm.parse(content(samples, "intune_get_devices.json"), CONTEXT)

    assert reading.complete
    assert not reading.skipped
    assert [found.identity["names"] for found in reading.observations] == [["INTUNE-W10"], ["EXAMPLE-W10"]]
    first = reading.observations[0]
    assert first.at == dt.datetime(2023, 8, 23, 9, 5, 10, 199762, tzinfo=dt.UTC)
    assert first.identity["mdm_id"] == "9de5069c-5afe-602b-2ea0-a04b66beb2c0"
    assert first.identity["macs"] == ["00:50:56:94:9d:3e"]
    assert first.attributes == {
        "vendor": "VMware, Inc.",
        "model": "VMware Virtual Platform",
        "os": "Windows",
        "os_version": "10.0.19044.3084",
        "type": "virtual_machine",
        "compliant": True,
        "encrypted": False,
        "managed": True,
        "owner": "personal",
    }


def test_intunes_devices_are_stale_a_month_later(samples: Path) -> None:
    later = Context("jansen", CONTEXT.at + dt.timedelta(days=31), "sample")

    reading = mdm.parse(content(samples, "intune_get_devices.json"), later)

    assert not reading.observations
    assert [skip.where for skip in reading.skipped] == ["row 1 (INTUNE-W10)", "row 2 (EXAMPLE-W10)"]


def test_entras_two_users_of_whom_one_registered(samples: Path) -> None:
    found = mdm.parse_registration(content(samples, "entra_userRegistrationDetails.json"), CONTEXT)

    assert found == Registration(users=2, registered=1, not_registered=1, capable=1, admins=0, admins_not_registered=0)


@pytest.mark.parametrize(
    "name", ["automox_list_devices.json", "ad_computers_phantom.json", "entra_userRegistrationDetails.json"]
)
def test_what_another_tool_wrote_is_no_list_of_intunes_devices(samples: Path, name: str) -> None:
    with pytest.raises(MspError, match="MSP-OBS-030"):
        mdm.parse(content(samples, name), CONTEXT)


def test_the_computers_of_a_real_domain_read_as_a_server_would_have_answered(samples: Path) -> None:
    """SharpHound's file is no source of ours: its facts are put back into the attributes that they came from."""
    rows = [one["Properties"] for one in json.loads(content(samples, "ad_computers_phantom.json"))["data"]]
    entries = [
        {
            "dn": [row["distinguishedname"].encode()],
            "objectClass": [b"computer"],
            "sAMAccountName": [row["samaccountname"].encode()],
            "operatingSystem": [(row.get("operatingsystem") or "").encode()],
            "userAccountControl": [b"4096" if row["enabled"] else b"4098"],
            **{
                name: [str(FILETIME_OF_1970 + row[name.lower()] * 10**7 if row[name.lower()] > 0 else 0).encode()]
                for name in ("lastLogonTimestamp", "pwdLastSet")
            },
        }
        for row in rows
    ]
    at = dt.datetime(2024, 3, 5, 11, tzinfo=dt.UTC)  # when the sample was collected, by its file's name

    reading = directory.computers(entries, Context("jansen", at, "sample"))

    seen = {found.identity["names"][0]: found for found in reading.observations}
    assert set(seen) == {"DC01", "DC02", "DF-MS-SHS", "DF-WIN10-DEV01", "MINER", "PAYMENT01", "PC", "SRV-COMPROMISED"}
    assert (seen["DF-WIN10-DEV01"].attributes["type"], seen["DC01"].attributes["type"]) == ("workstation", "server")
    assert len(seen) + len(reading.skipped) == len(rows) == 21
    assert all(skip.why.startswith("stale") for skip in reading.skipped)
    # It logged on after the day in the file's name: nothing was seen later than the reading.
    assert seen["PAYMENT01"].at == at
