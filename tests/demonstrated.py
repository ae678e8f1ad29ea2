"""What ./msp demo has made of the lab, for all tests that start from there: to make it takes a minute."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification
from lab.api import NetBox
from lab.lab import Lab
from tests.secret_search import Watcher, lines

SNAPSHOT = "demonstrated"


def secrets_of(lab: Lab) -> dict[str, str]:
    """Every secret of a lab by what it is, from where it is kept."""
    token = lab.paths.token.read_text().strip()
    found = {
        "NetBox's token": token,
        "the secret half of NetBox's token": token.partition(".")[2],
        "the password of NetBox's administrator": lab.paths.admin_password.read_text().strip(),
        "NetBox's secret key": (lab.paths.secrets / "secret_key").read_text().strip(),
        "NetBox's pepper": (lab.paths.secrets / "pepper").read_text().strip(),
        **lines("the ssh key", (lab.paths.hosts / "ssh" / "id_ed25519").read_text()),
    }
    known = {path.name for path in lab.paths.secrets.iterdir()}
    if unknown := known - {"token", "admin_password", "secret_key", "pepper"}:
        raise ValueError(f"the lab has secrets that nobody looks for: {unknown}")
    return found


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
    watcher: Watcher
    """What was on the command lines of this machine while it was made, of all secrets of the lab."""

    def __post_init__(self) -> None:
        self.netbox.snapshot(SNAPSHOT)
        shutil.copytree(self.build, self.kept, dirs_exist_ok=True)

    def put_back(self, place: Path | None = None) -> None:
        """NetBox as it was, and if it is wanted the folder in another place."""
        self.netbox.reset(SNAPSHOT)
        if place is not None:
            shutil.copytree(self.kept, place, dirs_exist_ok=True)
