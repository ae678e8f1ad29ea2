"""Known vulnerabilities in what the lock files name, by pip-audit; a step of ./msp lint.

What a database that answers nothing leaves is silence, and silence is not innocence: first it is asked about a release
whose vulnerabilities are old and known to all, and only a database that knows them is believed about the others.

Exit status: 0 nothing known against any package, 1 something is (or pip-audit itself failed), NOT_CHECKED (75) the
database could not be asked.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = (
    ROOT / "requirements.lock",
    ROOT / "lab" / "requirements-netbox.lock",
    ROOT / "lab" / "requirements-events.lock",
)
# Another database of the same protocol (OSV), for a network with a mirror of its own.
ADDRESS = "MSP_ADVISORIES_URL"
NOT_CHECKED = 75
# Its hole (CVE-2014-1402) is in every database of advisories.
KNOWN_BAD = "jinja2==2.4.1"
SECONDS = 15
# What pip-audit ends with when it was the database that failed, not pip-audit.
UNREACHABLE = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|SSLError|ProxyError|HTTPError|ServiceError|JSONDecodeError"
    r"|Max retries exceeded|blocking this service|Could not connect"
)


class Silent(Exception):
    """The database could not be asked, or does not know what it should; the words say which."""


class Broken(Exception):
    """pip-audit failed for a reason of its own."""


@dataclass(frozen=True)
class Known:
    """One vulnerability of one package that a lock file names."""

    package: str
    version: str
    name: str
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no release mends it yet"
        return f"{self.package} {self.version}: {self.name}, {fixed}"


def main() -> int:
    found, silent = 0, False
    try:
        _believe()
        for lock in LOCKS:
            # What is not known of one file says nothing of the other.
            try:
                for known in asked(lock):
                    print(f"{lock.relative_to(ROOT)}: {known}", file=sys.stderr)
                    found += 1
            except Silent as silence:
                silent = True
                print(f"pip-audit: {lock.relative_to(ROOT)} not checked: {silence}")
    except Silent as silence:
        silent = True
        print(f"pip-audit: not checked: {silence}")
    except Broken as broken:
        print(f"pip-audit failed: {broken}", file=sys.stderr)
        return 1
    return 1 if found else NOT_CHECKED if silent else 0


def _believe() -> None:
    """Raise Silent unless the database knows of a hole that is there for sure."""
    with tempfile.TemporaryDirectory() as folder:
        known_bad = Path(folder) / "known-bad.txt"
        known_bad.write_text(f"{KNOWN_BAD}\n")
        if not asked(known_bad):
            raise Silent(f"the database of advisories knows nothing against {KNOWN_BAD}, so it is not one")


def asked(requirements: Path) -> list[Known]:
    """What is known against the packages of a file; raises Silent for a package that was not looked up."""
    address = os.environ.get(ADDRESS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip"),
            *("--format", "json", "--progress-spinner", "off", "--timeout", str(SECONDS), "--vulnerability-service"),
            *(("osv", "--osv-url", address) if address else ("osv",)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise (Silent if UNREACHABLE.search(done.stderr) else Broken)(said) from None
    return read(answer)


def read(answer: dict[str, Any]) -> list[Known]:
    """pip-audit's answer; raises Silent when it passed over a package, which pip-audit calls no vulnerability."""
    packages = answer["dependencies"]
    passed_over = [one["name"] for one in packages if "skip_reason" in one]
    if passed_over or not packages:
        raise Silent(f"{len(passed_over)} of {len(packages)} packages could not be looked up: {', '.join(passed_over)}")
    return [
        Known(one["name"], one["version"], known["id"], tuple(known["fix_versions"]))
        for one in packages
        for known in one["vulns"]
    ]


if __name__ == "__main__":
    sys.exit(main())
