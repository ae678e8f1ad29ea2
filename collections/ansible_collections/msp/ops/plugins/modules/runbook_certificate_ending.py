#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook certificate_ending on a host. What it does is in module_utils/runbooks/certificate_ending.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_certificate_ending
short_description: Renew a certificate that ends, by the means that is set up
version_added: 0.1.0
author:
  - The msp.ops founders (@msp-ops)
description:
  - The part of the runbook C(certificate_ending) that runs on a host. M(msp.ops.runbook) asks for it, keeps its
    limits and puts it on record. Called by itself it does the same without either.
  - Reads a certificate from a file, or at a port of the host by a handshake, and says who issued it, for which names,
    until when, and which ports show it.
  - Renews it with certbot where certbot made it, else with the command of the customer's policy, and proves the new
    one by handshakes. Without either it leaves it to a person.
options:
  path:
    description: The certificate's file, in PEM.
    type: path
  port:
    description: The port of the host that shows it.
    type: int
  name:
    description: The name that is asked for at the port (SNI).
    type: str
    default: ""
  protocol:
    description: What is spoken at the port before TLS begins.
    type: str
    choices: [tls, smtp, imap, pop3]
    default: tls
  days:
    description: From how many days before its end on it is a problem.
    type: int
    default: 21
  command:
    description: The command that renews it, a word each. No shell reads it.
    type: list
    elements: str
    default: []
  reload:
    description: The services that read it anew afterwards.
    type: list
    elements: str
    default: []
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
- name: Renew a certificate that ends, by the means that is set up
  msp.ops.runbook_certificate_ending:
    port: 443
    name: www.example.com
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
  sample: ["the certificate of www.example.com ends on 2026-12-03 (in 5 days)"]
did:
  description: What was changed, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["ran the renewal (renew it with certbot)"]
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
  sample: "nothing is set up on this host that renews it: get a new one for www.example.com from Example CA"
before:
  description: What was measured before anything was done.
  returned: success
  type: dict
  sample: {days_left: 5, ends: "2026-12-03"}
after:
  description: The same after it.
  returned: success
  type: dict
  sample: {days_left: 89, ends: "2027-02-24"}
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-RUN-020
"""

from ansible_collections.msp.ops.plugins.module_utils.runbooks import certificate_ending
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import play


def main() -> None:
    play(
        certificate_ending.SPEC,
        certificate_ending.act,
        required_one_of=[("path", "port")],
        mutually_exclusive=[("path", "port")],
    )


if __name__ == "__main__":
    main()
