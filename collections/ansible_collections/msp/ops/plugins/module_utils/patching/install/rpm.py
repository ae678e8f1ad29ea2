# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rpm says of its packages and of its database, and what it did with configuration files. It reads only.

rpm knows no half-installed package. One that was cut off in the middle is there in two versions, or not at all.
"""

from __future__ import annotations

import functools
import os
import re

from ansible_collections.msp.ops.plugins.module_utils.patching import rpmversion
from ansible_collections.msp.ops.plugins.module_utils.patching.install import leftovers
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import State, States
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs

# Every version of a package that is kept beside others has its own line. %|EPOCH?{...}| prints only where there is one.
QUERY = (
    "rpm",
    "-qa",
    "--queryformat",
    "%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{LONGSIZE}\n",
)
VERIFY = ("rpmdb", "--verifydb")
_SECONDS_TO_VERIFY = 300
_PLACE = ("rpm", "--eval", "%{_dbpath}")
# What rpm leaves beside a file that was kept, and beside one that it replaced.
KEPT, REPLACED = (".rpmnew",), (".rpmsave", ".rpmorig")
_SAID = re.compile(r"^(?:warning: )?(/\S.*?) (?:created|saved) as (/\S.*)$", re.MULTILINE)


def parse_states(text: str) -> States:
    """QUERY's answer by NAME:ARCHITECTURE: the newest version, and the older ones that are there beside it."""
    versions: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        words = line.split("\t")
        # Imported signing keys are listed by rpm as packages, and are none.
        if len(words) == 4 and words[0] != "gpg-pubkey":
            size = int(words[3]) if words[3].isdigit() else 0
            versions.setdefault("%s:%s" % (words[0], words[1]), {})[rpmversion.plain(words[2])] = size
    found = {}
    for key, sizes in versions.items():
        *others, newest = sorted(sizes, key=functools.cmp_to_key(rpmversion.compare))
        found[key] = State(key, newest, "installed", held=False, size=sizes[newest], others=tuple(others))
    return found


def states(programs: Programs) -> States:
    answer = programs.run(*QUERY)
    if answer.status != 0:
        raise OSError("rpm %s" % answer.reason())
    return parse_states(answer.out)


def damage(programs: Programs, *, locked: bool) -> str:
    """What is wrong with rpm's database; empty: nothing. locked: somebody is at work, and it can only be read."""
    for argv in (QUERY,) if locked else (QUERY, VERIFY):
        answer = programs.run(*argv, seconds=_SECONDS_TO_VERIFY)
        said = [line for line in answer.err.splitlines() if line.startswith("error:")]
        if answer.status != 0 or said:
            return "%s: %s" % (" ".join(argv[:2]), said[0][:300] if said else answer.reason())
    return ""


def lock(programs: Programs) -> str:
    """The file that whoever changes rpm's database has locked."""
    place = programs.run(*_PLACE).out.strip()
    return os.path.join(place if place.startswith("/") else "/var/lib/rpm", ".rpm.lock")


def configuration(text: str, since: float, top: str = "/etc") -> tuple[list[str], list[str]]:
    """Edited configuration files that stayed, and those that the package's own replaced."""
    beside = set(leftovers.found(top, since, KEPT + REPLACED)) | {new for _old, new in _SAID.findall(text)}
    kept, replaced = (leftovers.without(sorted(beside), ends) for ends in (KEPT, REPLACED))
    return sorted(kept), sorted(replaced)
