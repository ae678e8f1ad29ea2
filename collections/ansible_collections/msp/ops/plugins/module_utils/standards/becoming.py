# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which accounts the jobs of a host become by their shell: with su, runuser, or sudo that logs in.

Such a job ends unseen when the account loses its shell. Where it cannot be told, it is taken to be so. sudo -u alone
runs a program without a shell, and is none of them.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.files import expand

MOST_FILES = 4000
MOST_BYTES = 1024 * 1024
_MOST_NAMED = 3
_LOGROTATE = "/etc/logrotate"
# Where jobs stand: of cron, of init, of systemd as far as it was set up here, of logrotate, and scripts that these run.
_PLACES = (
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/var/spool/cron/*",
    "/var/spool/cron/crontabs/*",
    "/etc/init.d/*",
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/systemd/system/*",
    "/etc/systemd/system/*/*",
    "/etc/logrotate.conf",
    "/etc/logrotate.d/*",
    "/usr/local/bin/*",
    "/usr/local/sbin/*",
)
_SU = re.compile(r"(?<![\w.])(?:su|runuser)\s(.*)")
# Options, each with a word of its own or without, and among them one that has it log in or start the shell.
_SUDO = re.compile(
    r"(?<![\w.])sudo\b(?=(?:\s+-\S+(?:\s+[^-\s]\S*)?)*?\s+(?:-[A-Za-z]*[is]\S*|--login|--shell)(?:\s|$))(.*)"
)
# In a file of logrotate this says as whom it rotates. It starts no shell.
_ROTATES_AS = re.compile(r"\s*su(?:\s+\S+\s+[^-\s]\S*)?\s*")


class Job(NamedTuple):
    """What follows su on a line of a file; all of the file where that has a variable, for it may be anything there."""

    path: str
    text: str


class Jobs(NamedTuple):
    """All that was found, and in words what was too much to look at."""

    found: list[Job]
    untold: list[str]


def read(host: Host) -> Jobs:
    found: list[Job] = []
    untold: list[str] = []
    for number, (path, _exact) in enumerate(expand(host, _PLACES)):
        if number == MOST_FILES:
            untold.append("perhaps a job, in more than %d files" % MOST_FILES)
            break
        text = _text(host, path)
        if text is None:
            continue
        if len(text) > MOST_BYTES:
            untold.append("perhaps a job, in %s, which is too large" % path)
        else:
            found += [Job(path, said) for said in _said(path, text)]
    return Jobs(found, untold)


def signs(jobs: Jobs, name: str) -> list[str]:
    """How an account is seen to be used by jobs, with the first files of it."""
    # An option may stand right before it, as in runuser -uNAME.
    word = re.compile(r"(?:(?<![\w.$/-])|(?<=-u)|(?<=iu)|(?<=-l))%s(?![\w./-])" % re.escape(name))
    paths = sorted({job.path for job in jobs.found if word.search(job.text)})
    return ["a job in " + path for path in paths[:_MOST_NAMED]] + jobs.untold


def _text(host: Host, path: str) -> str | None:
    """At most a little more than MOST_BYTES of it; None for what is no text, or not there any more."""
    place = host.path(path)
    if not os.path.isfile(place):
        return None
    try:
        with open(place, "rb") as handle:
            data = handle.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    # A character for each byte, so that as much is too large in any writing. No name of an account has another.
    return None if b"\0" in data else data.decode("latin-1")


def _said(path: str, text: str) -> list[str]:
    """What follows su on each line, and on a line with the next one where it ends in a backslash."""
    # Both ways, for a comment does not go on after a backslash.
    lines = [*text.split("\n"), *text.replace("\\\n", " ").split("\n")]
    lines = [line for line in lines if not line.lstrip().startswith(("#", ";"))]
    if path.startswith(_LOGROTATE):
        lines = [line for line in lines if not _ROTATES_AS.fullmatch(line)]
    found = [match.group(1) for line in lines for match in (_SU.search(line), _SUDO.search(line)) if match]
    return ["\n".join(lines)] if any("$" in said for said in found) else found
