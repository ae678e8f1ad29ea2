# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a runbook's module is wired: the host to read, the programs to run, one answer or one error. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer


class Tools:
    """What every runbook works with. check: nothing may be changed."""

    def __init__(self, host: Host, programs: Programs, *, check: bool) -> None:
        self.host = host
        self.programs = programs
        self.check = check

    def must(self, *argv: str, seconds: float = 120) -> str:
        """What a program printed that only measures: MSP-RUN-020 where it fails. Never for what changes something."""
        done = self.programs.run(*argv, seconds=seconds)
        if done.status != 0:
            raise MspError(
                "MSP-RUN-020",
                "%s to succeed on the host" % argv[0],
                "%s %s" % (" ".join(argv)[:200], done.reason()),
                "run it on the host by hand; the runbook changes nothing by it, so nothing was begun",
            )
        return done.out


def play(spec: dict[str, Any], act: Callable[[Tools, dict[str, Any]], Answer], **more: Any) -> None:
    """A module from its arguments to its answer. more: of AnsibleModule's own arguments."""
    module = AnsibleModule(spec, supports_check_mode=True, **more)
    host = Host()
    try:
        found = act(Tools(host, Programs(), check=module.check_mode), module.params).as_dict()
    except MspError as error:
        module.fail_json(msg=str(error), error=error.as_dict())
    finally:
        host.close()
    module.exit_json(**found)
