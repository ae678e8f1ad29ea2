#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of the kernel, now and after a start. What is wrong: module_utils/standards/kernel_settings.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_settings
short_description: Have the kernel take settings, now and after a start
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - Writes files of sysctl.d, lets systemd apply those that are new or that the kernel does not have so, and reads what
    the kernel took. All of that in one round trip, however many settings there are.
  - A setting that the kernel did not take is an error, for systemd says nothing where it may not write.
options:
  files:
    description:
      - For each path of a file its settings, by name. They are written and applied in this order.
      - A star in the place of an interface (V(net.ipv4.conf.*.rp_filter)) stands for all that are there.
    type: dict
    required: true
  least:
    description:
      - Settings of O(files) of which a higher number is stricter. Where the kernel has a higher one already, that stays
        and is written.
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
      - Linux with systemd.
requirements:
  - Python 3.9 or newer on the host, standard library only
seealso:
  - module: msp.ops.control_facts
"""

EXAMPLES = r"""
- name: Believe no redirect
  msp.ops.kernel_settings:
    files:
      /etc/sysctl.d/zz-redirects.conf:
        net.ipv4.conf.all.accept_redirects: "0"
        net.ipv4.conf.*.accept_redirects: "0"
  become: true
"""

RETURN = r"""
files:
  description: The files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/sysctl.d/zz-redirects.conf]
was:
  description: How the settings were that the kernel had otherwise.
  returned: success
  type: dict
  sample: {net.ipv4.conf.*.accept_redirects: 1 on eth0}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards import kernel_settings
from ansible_collections.msp.ops.plugins.module_utils.standards.file_writing import FileWriting
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader

RIGHTS = {"owner": "root", "group": "root", "mode": "0644"}
APPLY = "/usr/lib/systemd/systemd-sysctl"


def main() -> None:
    module = AnsibleModule(
        {
            "files": {"type": "dict", "required": True},
            "least": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    writing, reader = FileWriting(module), Reader(Host())
    files = {
        path: kernel_settings.kept(
            reader, {name: str(value) for name, value in settings.items()}, module.params["least"]
        )
        for path, settings in module.params["files"].items()
    }
    was: dict[str, str] = {}
    for path, settings in files.items():
        written = len(writing.changed)
        found = kernel_settings.wrong(reader, settings)
        writing.write(path, kernel_settings.text(settings), RIGHTS)
        if (found or writing.changed[written:]) and not module.check_mode:
            module.run_command([APPLY, path], check_rc=True)
        was.update(found)
    wanted = {name: value for settings in files.values() for name, value in settings.items()}
    if not module.check_mode and (left := kernel_settings.wrong(reader, wanted)):
        error = kernel_settings.not_taken(wanted, left)
        module.fail_json(msg=str(error), error=error.as_dict())
    live = {"before": was, "after": {name: wanted[name] for name in was}}
    module.exit_json(
        changed=bool(was or writing.changed), files=writing.changed, was=was, diff=[*writing.differences, live]
    )


if __name__ == "__main__":
    main()
