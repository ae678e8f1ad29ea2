#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook disk_full on a host. What it does is in module_utils/runbooks/disk_full.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_disk_full
short_description: Free room on a file system, within a fixed policy
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of the runbook C(disk_full) that runs on a host. M(msp.ops.runbook) asks for it, keeps its limits and puts it on
    record. Called by itself it does the same without either.
  - Names what grew on a file system that is too full, what is biggest on it, and who holds deleted files open.
  - Cleans, one kind after another and only until there is room, the cache of packages, the journal, logs that rotation has
    put away, and temporary files that nobody uses. Touches nothing else, and measures again.
options:
  mount:
    description: Where the file system is mounted.
    type: str
    required: true
  percent:
    description: From how full on it is a problem. It is cleaned to five percent below that.
    type: int
    default: 90
  clean:
    description: What may be cleaned.
    type: list
    elements: str
    choices: [packages, journal, logs, temporary]
    default: [packages, journal, logs, temporary]
  log_days:
    description: From how many days on a log that was put away may go.
    type: int
    default: 30
  temporary_days:
    description:
      - From how many days on a temporary file may go. It counts from when it was last written, read or moved.
    type: int
    default: 10
  journal_megabytes:
    description: To what size the journal is shrunk.
    type: int
    default: 200
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Measures, changes nothing, and says in RV(would) what would be done.
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
    details:
      - Linux.
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: msp.ops.runbook
"""

EXAMPLES = r"""
- name: Free room on a file system, within a fixed policy
  msp.ops.runbook_disk_full:
    mount: /var
    percent: 85
  become: true
  register: found
"""

RETURN = r"""
outcome:
  description:
    - V(nothing_to_do) when the symptom is not there, V(mended) when it was and is measured to be gone, V(would_mend) in
      check mode, V(gave_up) when a person has to look.
  returned: success
  type: str
  sample: mended
found:
  description: What was found, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["/var is 93 % full (1.4 GB free of 20.0 GB)"]
did:
  description: What was changed, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["deleted 41 rotated logs in /var/log older than 30 days (2.1 GB): /var/log/app.log.9.gz"]
would:
  description: What would be changed, in sentences. Empty but in check mode.
  returned: success
  type: list
  elements: str
  sample: []
reason:
  description: Why it gave up, for the person who goes on. Empty when it did not.
  returned: success
  type: str
  sample: "/srv is 97 % full (0.6 GB free of 20.0 GB), and from 90 % on that is a problem"
before:
  description: What was measured before anything was done.
  returned: success
  type: dict
  sample: {percent_used: 93, bytes_free: 1400000000}
after:
  description: The same after it.
  returned: success
  type: dict
  sample: {percent_used: 82, bytes_free: 3600000000}
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-RUN-020
"""

from ansible_collections.msp.ops.plugins.module_utils.runbooks import disk_full
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import play


def main() -> None:
    play(disk_full.SPEC, disk_full.act)


if __name__ == "__main__":
    main()
