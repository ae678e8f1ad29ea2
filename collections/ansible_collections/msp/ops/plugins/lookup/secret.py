# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A secret of a customer, out of an encrypted file. The work is in plugin_utils/playbook_secrets/reading.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: A secret of a customer, out of a file that ansible-vault or SOPS encrypted
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Gives a named secret from the file of a customer, C(DIRECTORY/CUSTOMER.yml), which is encrypted as a whole. Its own
    content says by what.
  - A file of C(ansible-vault) is opened with the vault passwords of this run.
  - A file of C(SOPS) is opened by the program C(sops), which finds its key as always (C(SOPS_AGE_KEY_FILE),
    C(SOPS_AGE_KEY)). With SOPS, names can be read by anybody, and the secrets only with the key.
  - A file in plain text, a name that is not there and an empty secret are errors. No error shows a secret.
  - A secret is text, and is never taken for a template.
notes:
  - A task that takes a secret as an argument needs C(no_log), for Ansible shows arguments in verbose runs.
options:
  _terms:
    description: Names of secrets, the levels of each joined by dots.
    type: list
    elements: str
    required: true
  customer:
    description: The customer's slug, as C(msp.customer) has it.
    type: str
    required: true
  directory:
    description: Where the files are; a relative one from where the run was started, C(secrets) if none is given.
    type: path
    env:
      - name: MSP_SECRETS
"""

EXAMPLES = r"""
- name: Give the backup program its password
  ansible.builtin.copy:
    content: "{{ lookup('msp.ops.secret', 'backup.password', customer=msp.customer) }}"
    dest: /etc/backup/password
    owner: root
    group: root
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The secrets, in the order of their names.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.playbook_secrets import reading


class LookupModule(LookupBase):
    """Options, one call for each name."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        place = reading.directory(self.get_option("directory"))
        customer = self.get_option("customer")
        opened = self._loader.get_text_file_contents
        try:
            return [reading.read(place, customer, str(term), opened) for term in terms]
        except MspError as error:
            raise AnsibleLookupError(str(error)) from None
