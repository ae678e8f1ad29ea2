#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_encryption
short_description: Data volumes that are encrypted with LUKS2, with a recovery key in escrow
version_added: 0.2.0
author: The msp.ops founders (@msp-ops)
description:
  - Encrypts disks for data, opens and mounts them now and at every start, and renews their recovery keys.
  - A recovery key is kept in the customer's escrow first, added to the volume second, and tried on the host third, with
    what was kept. Then it is noted as being in force, and only then the one before it is taken out. A run that ends
    anywhere between leaves at least one key in escrow that opens the volume, and the next run goes on from there.
  - A disk with anything on it is refused, unless its backup is named; one that somebody uses is refused always. What is
    on a disk is lost when it is encrypted. Nothing is encrypted in place.
  - The encryption of the root file system is never changed. Key slots of others are never touched.
  - A recovery key goes to the host through the connection alone, so pipelining is needed.
options:
  volumes:
    description:
      - The volumes by their names. Each has a C(device) that stays with the disk (V(/dev/disk/by-id/...)) and a
        C(mount), and may have C(filesystem) (V(ext4), V(xfs)), C(options) of the mount, C(unlock) (V(key-file),
        V(by-hand)), C(cipher), C(key_size) in bits, C(memory) (KiB) and C(time) (milliseconds) that argon2id
        takes at most, C(backup) (where that of what is on the disk now is), and C(replaced) (the version of the
        recovery key of the disk that is gone).
    type: dict
    required: true
  days:
    description:
      - How old a recovery key may become. One that somebody was given, or that was sealed for others than may open it
        now, is renewed too. Without it none is renewed.
    type: int
  settle:
    description: Whether volumes are encrypted, opened and mounted too. Else only their recovery keys are renewed.
    type: bool
    default: true
  open_with:
    description: By the name of a volume, a key that opens it now, where its host has none.
    type: dict
    default: {}
  escrow_lost:
    description:
      - By the name of a volume, the version of its recovery key that is in no escrow any more, as a person says, or a
        list of them.
      - Else a volume whose header names a version that the escrow at hand does not have is left alone.
    type: dict
    default: {}
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details:
      - Tells the first step of each volume. Nothing is kept and nothing is changed.
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
    details:
      - Linux with systemd.
requirements:
  - The environment of C(./msp escrow) on the controller, C(MSP_ESCROW) and C(MSP_ESCROW_RECIPIENTS)
  - cryptsetup 2.6 or newer on the host
seealso:
  - module: msp.ops.luks_volume
"""

EXAMPLES = r"""
- name: Have the customer's files on an encrypted volume
  msp.ops.disk_encryption:
    volumes:
      data:
        device: /dev/disk/by-id/virtio-data
        mount: /srv/data
    days: 365
  become: true
"""

RETURN = r"""
steps:
  description: By the name of a volume what was done, in words. In check mode what would be done first.
  returned: always
  type: dict
  sample: {data: ["open and mount it, now and at every start"]}
lost:
  description: What was on a disk that was encrypted, or would be.
  returned: always
  type: dict
  sample: {data: [ext4]}
error:
  description: What is wrong, with its code.
  returned: when the task failed
  type: dict
  sample: {code: MSP-ENC-003}
"""
