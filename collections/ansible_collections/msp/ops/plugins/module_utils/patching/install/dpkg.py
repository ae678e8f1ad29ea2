# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dpkg says of its packages: their versions, states and holds, and what it did with configuration files.

It reads only.
"""

from __future__ import annotations

import os
import re

from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import State, States
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs

QUERY = (
    "dpkg-query",
    "-W",
    "-f",
    "${Package}\\t${Architecture}\\t${Version}\\t${db:Status-Want}\\t${db:Status-Status}\\t${db:Status-Eflag}\\t${Installed-Size}\\n",
)
UPDATES = "/var/lib/dpkg/updates"
# What is left of a package that is not installed any more, or never was.
_GONE = ("config-files", "not-installed")
_PROMPT = re.compile(r"Configuration file '([^']+)'")
_KEPT = re.compile(r"^ ==> Keeping old config file as default\.", re.MULTILINE)
# What dpkg and ucf leave beside a file that was kept.
LEFTOVERS = (".dpkg-dist", ".dpkg-new", ".ucf-dist")


def parse_states(text: str) -> States:
    """QUERY's answer by NAME:ARCHITECTURE. A package that must be installed again has that as its status."""
    found = {}
    for line in text.splitlines():
        words = line.split("\t")
        if len(words) != 7 or words[4] in _GONE:
            continue
        name, architecture, version, want, status, flag, size = words
        key = "%s:%s" % (name, architecture)
        found[key] = State(
            key,
            version,
            status if flag == "ok" else "%s, %s" % (status, flag),
            held=want == "hold",
            size=int(size) * 1024 if size.isdigit() else 0,
        )
    return found


def states(programs: Programs) -> States:
    answer = programs.run(*QUERY)
    if answer.status != 0:
        raise OSError("dpkg-query %s" % answer.reason())
    return parse_states(answer.out)


def interrupted(updates: str = UPDATES) -> bool:
    """dpkg was ended while it wrote its database: it keeps what it had done in files named by numbers."""
    try:
        return any(name.isdigit() for name in os.listdir(updates))
    except FileNotFoundError:
        return False


def kept_in_log(text: str) -> list[str]:
    """The configuration files of which dpkg says in its log that it kept the old one."""
    parts = _PROMPT.split(text)
    return sorted({parts[place] for place in range(1, len(parts), 2) if _KEPT.search(parts[place + 1])})
