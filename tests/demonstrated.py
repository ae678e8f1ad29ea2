"""What ./msp demo has made of the lab, for all tests that start from there: to make it takes a minute."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification
from lab.api import NetBox

SNAPSHOT = "demonstrated"


@dataclass(frozen=True)
class Demonstrated:
    """Both customers onboarded, audited once, with a report each: NetBox as a snapshot, all else below a folder.

    The demo's own tests go on in the folder it ran in, all others in copies of what it was.
    """

    netbox: NetBox
    build: Path
    kept: Path
    reports: list[Path]
    verifications: list[Verification]

    def __post_init__(self) -> None:
        self.netbox.snapshot(SNAPSHOT)
        shutil.copytree(self.build, self.kept, dirs_exist_ok=True)

    def put_back(self, place: Path | None = None) -> None:
        """NetBox as it was, and if it is wanted the folder in another place."""
        self.netbox.reset(SNAPSHOT)
        if place is not None:
            shutil.copytree(self.kept, place, dirs_exist_ok=True)
