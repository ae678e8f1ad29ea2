# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which package manager a host has: the one place that knows both. It runs nothing."""

from __future__ import annotations

import os

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packages import DPKG_STATUS
from ansible_collections.msp.ops.plugins.module_utils.patching import dnf as asking_dnf
from ansible_collections.msp.ops.plugins.module_utils.patching.install.apt import Apt
from ansible_collections.msp.ops.plugins.module_utils.patching.install.dnf import Dnf
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import Manager
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs


def choose(host: Host, programs: Programs) -> tuple[Manager | None, str]:
    """The manager, or None and why there is none.

    A machine of the RHEL family may have apt and dpkg as tools, with an empty database; a Debian one may have dnf.
    """
    status = host.path(DPKG_STATUS)
    if host.program("apt-get") and os.path.exists(status) and os.path.getsize(status):
        return Apt(host, programs), ""
    interpreter, why = asking_dnf.find_interpreter(host)
    if interpreter is None:
        return None, "neither apt nor dnf 4: %s" % why
    return Dnf(host, programs, interpreter), ""
