#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One step of an encrypted volume on its host. This only calls module_utils/encryption/doing.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_volume
short_description: One step of an encrypted volume on its host
version_added: 0.2.0
author: The msp.ops founders (@msp-ops)
description:
  - What M(msp.ops.disk_encryption) has a host do. Nobody else needs it, but for O(step=look), which changes nothing.
  - Every step may be cut off anywhere. The header of the volume then tells how far it came.
  - No step takes out a key before another one was seen to open the volume.
options:
  volumes:
    description: The volumes of the host, as in M(msp.ops.disk_encryption).
    type: dict
    required: true
  step:
    description:
      - V(look) tells how all volumes stand.
      - V(form) encrypts a disk, with a recovery key that is in escrow and with the host's own key.
      - V(add) has the volume take another recovery key.
      - V(clear) takes out what a crash left in doubt, and recovery keys that are not in force any more.
      - V(settle) opens the volume, and has it opened and mounted now and at every start.
    type: str
    choices: [look, form, add, clear, settle]
    default: look
  name:
    description: The volume that a step is for.
    type: str
  version:
    description: The version of the recovery key in the escrow.
    type: str
  key:
    description: The recovery key. With O(step=settle) one that opens the volume, where the host has none.
    type: str
  by:
    description: A key that opens the volume now, where the host has none.
    type: str
  current:
    description: The version that the escrow has as being in force.
    type: str
  keep:
    description: With O(step=clear), the version that stays. Without it only what a crash left goes.
    type: str
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Then it only looks.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
    details:
      - Linux with systemd.
requirements:
  - Python 3.9 or newer on the host, standard library only
  - cryptsetup 2.6 or newer, and util-linux
seealso:
  - module: msp.ops.disk_encryption
"""

EXAMPLES = r"""
- name: See how the volumes stand
  msp.ops.luks_volume:
    volumes:
      data:
        device: /dev/disk/by-id/virtio-data
        mount: /srv/data
  become: true
"""

RETURN = r"""
seen:
  description: By the name of each volume its facts. No key is in them.
  returned: success
  type: dict
  sample: {data: {there: true, mapped: true, mounted: [/srv/data]}}
error:
  description: What is wrong, with its code.
  returned: when the task failed
  type: dict
  sample: {code: MSP-ENC-003}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.encryption import doing
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError


def main() -> None:
    module = AnsibleModule(argument_spec=doing.SPEC, required_if=doing.NEEDS, supports_check_mode=True)
    given = {**module.params, "step": doing.LOOK} if module.check_mode else module.params
    try:
        seen = doing.answer(given)
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    module.exit_json(changed=given["step"] != doing.LOOK, seen=seen)


if __name__ == "__main__":
    main()
