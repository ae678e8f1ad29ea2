# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apt itself would do, read from what its simulations print. Nothing is installed, and no lock is taken.

Two simulations: `upgrade`, which installs no new package and removes none, and `dist-upgrade`, which does what it
takes. What only the second would do brings or removes something; what neither would do does not move at all.
"""

from __future__ import annotations

import re

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.patching import shape

# Without root's rights apt takes no lock; and a simulation asks for nothing.
_APT = ("apt-get", "--simulate", "-o", "Debug::NoLocking=1")
UPGRADE = (*_APT, "upgrade")
DIST_UPGRADE = (*_APT, "dist-upgrade")
# "Inst NAME [OLD] (NEW Label:Version/suite [architecture])", "Remv NAME [OLD]"; a foreign package is NAME:ARCHITECTURE.
_LINE = re.compile(
    r"^(?P<verb>Inst|Remv) (?P<name>\S+)(?: \[(?P<old>[^\]\s]*)\])?"
    r"(?: \((?P<new>\S+)[^)]*?\[(?P<architecture>[^\]\s]+)\]\))?"
)
# Each is one more start of apt; a kernel and its headers, a library and its tools are a handful.
MOST_ASKED = 20
SECONDS = 60


class Transaction:
    """What one run of apt would do: upgraded (name as apt prints it: new version), installs and removes as changes."""

    def __init__(self, upgraded: dict[str, str], installs: list[dict], removes: list[dict]) -> None:
        self.upgraded = upgraded
        self.installs = installs
        self.removes = removes


def parse(text: str) -> Transaction:
    upgraded: dict[str, str] = {}
    installs, removes = [], []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, _colon, foreign = match.group("name").partition(":")
        if match.group("verb") == "Remv":
            removes.append(shape.change(name, foreign, match.group("old") or ""))
        elif match.group("old") is None:
            installs.append(shape.change(name, match.group("architecture") or foreign, match.group("new") or ""))
        else:
            upgraded[match.group("name")] = match.group("new") or ""
    return Transaction(upgraded, _sorted(installs), _sorted(removes))


def _sorted(changes: list[dict]) -> list[dict]:
    return sorted(changes, key=lambda row: (row["name"], row["architecture"], row["version"]))


def prepare(host: Host) -> None:
    host.prepare(*UPGRADE, unprivileged=True)


def broken(answer: Output) -> bool:
    """apt refuses any work, because what is installed does not fit together."""
    return answer.status == 100 and ("nmet dependencies" in answer.err or "dpkg was interrupted" in answer.err)


def collect(host: Host, waiting: set[str]) -> tuple[Transaction | None, Transaction | None, bool]:
    """`upgrade`, `dist-upgrade`, and whether apt refuses to work. None for both where nobody knows, which is noted.

    waiting: what has a newer version, as apt calls it. When the first moves all of it, the second is the same.
    """
    small = _simulate(host, UPGRADE)
    if isinstance(small, Transaction) and waiting <= set(small.upgraded):
        return small, small, False
    large = _simulate(host, DIST_UPGRADE)
    if isinstance(small, Transaction) and isinstance(large, Transaction):
        return small, large, False
    bad = [answer for answer in (small, large) if isinstance(answer, Output)]
    if any(broken(answer) for answer in bad):
        return None, None, True
    host.unknown("transaction", "apt-get --simulate %s" % bad[0].reason())
    return None, None, False


def _simulate(host: Host, command: tuple[str, ...]) -> Transaction | Output:
    answer = host.run(*command, unprivileged=True, seconds=SECONDS)
    return answer if answer.status != 0 else parse(answer.out)


def alone(host: Host, wanted: list[tuple[str, str]]) -> dict[str, Transaction]:
    """What each package (as apt calls it, with its version) brings and removes when it is installed by itself."""
    found = {}
    for name, version in wanted[:MOST_ASKED]:
        answer = host.run(*_APT, "install", "%s=%s" % (name, version), unprivileged=True, seconds=SECONDS)
        if answer.status == 0:
            found[name] = parse(answer.out)
        else:
            host.unknown("transaction of " + name, "apt-get --simulate install %s" % answer.reason())
    for name, _version in wanted[MOST_ASKED:]:
        host.unknown("transaction of " + name, "more than %d packages bring or remove others" % MOST_ASKED)
    return found
