#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Switches off the package repositories that a host is not to have. The work is in module_utils/standards."""

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_sources
short_description: Leave on only package repositories that are allowed and signed
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Looks at every repository that apt or dnf would use, in whatever file it is, and switches off those that are not
    allowed. They are switched off where they stand, and stay to be read. Of apt, a line becomes a comment, and a stanza
    gets C(Enabled) C(no) or keeps the addresses that are allowed. Of dnf, a section gets C(enabled=0).
  - With O(distribution) it also takes out what lets apt and dnf take unsigned packages, and switches off what has no
    key of its own.
  - Adds no repository, renews no package list, and removes no package.
  - A change that would leave the host without its distribution, or without any repository, is refused.
options:
  allowed:
    description:
      - Patterns of the addresses that may be on, as V(https://deb.debian.org/*). A C(*) for the host stays within it.
      - Mirrors of the distribution, told by its signature, may be on whatever their address.
      - Where it is left out, every address may be on.
    type: list
    elements: str
  distribution:
    description:
      - Patterns of the addresses that may be checked with the keys that the distribution brings along.
      - Where it is left out, nobody looks at signatures.
    type: list
    elements: str
  keep:
    description: Addresses that have to stay on. Where one would be switched off, the task fails and changes nothing.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
    details:
      - Hosts with apt (Debian, Ubuntu) or dnf (the RHEL family).
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: msp.ops.control_facts
"""

EXAMPLES = r"""
- name: Only the distribution's own repositories, and signed ones
  msp.ops.repository_sources:
    allowed: &distribution
      - http://deb.debian.org/*
      - http://security.debian.org/*
    distribution: *distribution
  become: true
"""

RETURN = r"""
switched_off:
  description: The repositories that were switched off. No password of an address is in it.
  returned: always
  type: list
  elements: str
  sample: ["http://packages.example.com/debian bookworm (/etc/apt/sources.list.d/example.list)"]
files:
  description: The files that changed.
  returned: always
  type: list
  elements: str
  sample: [/etc/apt/sources.list.d/example.list]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import source_editing, source_writing
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

SPEC = {
    "allowed": {"type": "list", "elements": "str"},
    "distribution": {"type": "list", "elements": "str"},
    "keep": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(SPEC, supports_check_mode=True)
    try:
        plan = source_editing.plan(Reader(Host()), **module.params)
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    except (Absent, Unmeasurable, OSError) as error:
        module.fail_json(msg="the host's repositories cannot be read: %s" % error)
    if not module.check_mode:
        source_writing.write(plan.edits, module.atomic_move)
    module.exit_json(
        changed=bool(plan.edits),
        switched_off=list(plan.off),
        files=[edit.path for edit in plan.edits],
        diff=[source_writing.difference(edit) for edit in plan.edits],
    )


if __name__ == "__main__":
    main()
