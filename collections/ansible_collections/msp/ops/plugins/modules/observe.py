#!/usr/bin/python
# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: observe
short_description: Look at a customer's network through every source there is
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Asks the discovery sources of one customer, live or from a file that a tool exported, and records in the evidence
    store what each saw and whether it saw everything. It decides nothing; M(msp.ops.reconcile) does.
  - The list of sources is checked as a whole first. Every error in it is reported at once, and nothing is asked.
  - A source that fails stops no other. Its look is recorded as incomplete with the reason, so that it never proves that
    something is gone, and RV(failed_sources) names it. The task does not fail, so that the other sources still count;
    end the playbook in an error afterwards.
  - What a tool exported is as old as it says (nmap), or as the file. The same file read again is no second look.
  - A network scan touches only prefixes of this customer that NetBox marks as allowed for scanning, without the
    addresses that are excluded there, and without what inside them is somebody else's in the same VRF. Anything else
    is refused with the prefix named.
options:
  customer:
    description:
      - Slug of the customer's tenant.
    type: str
    required: true
  sources:
    description:
      - Where to look. Each entry is a mapping with C(source) and the options of that kind; C(label) tells several of
        one kind apart.
      - "C(nmap): a scan from this controller. C(prefixes) (of those that are allowed; all of them if not set),
        C(services) (ask open ports what they are), C(os) (guess the system, as root only), C(rate) (packets a second,
        200 if not set), C(seconds) (limit, 3600 if not set), C(interface) (of this controller, to scan through; as root
        only). A prefix that another customer allows for scanning too is refused without C(interface). Or C(file), the
        XML that C(nmap -oX) wrote."
      - "C(dhcp): leases. C(file), and C(format) as C(isc), C(dnsmasq), C(kea) or C(windows); C(timezone) of a Windows
        server, because its export does not say."
      - "C(directory): computers of a directory. C(server) as C(ldaps://...), or C(ldap://...) with StartTLS, C(user),
        C(password), C(base), C(filter) (C(active-directory) if not set, C(openldap), or a filter written out),
        C(ca_file). Or C(file), an LDIF or CSV export. C(stale_days) after which an account without a logon is no
        computer any more."
      - "C(mdm): managed devices of Intune. C(token) for Microsoft Graph, which lives about an hour; or C(tenant),
        C(client_id) and C(client_secret) of an application in Entra, which gets a new one for every look, with C(login)
        where Entra's address is another. C(base) where Graph's address is another, C(ca_file) to trust instead of the
        system's certificates. Or C(file), Graph's JSON or the portal's CSV export. C(stale_days) after which a device
        that did not check in is not seen any more."
      - "C(network): what a switch or router printed. C(device) (its name), C(platform) (as ntc-templates calls it,
        for instance C(cisco_ios)), and C(answers), a list of C(command) and C(file)."
    type: list
    elements: raw
    required: true
  store_url:
    description:
      - The evidence store, as URL of SQLAlchemy. If not set, the environment variable E(MSP_STORE_URL), then an SQLite
        file in the state directory of this user.
    type: str
extends_documentation_fragment:
  - msp.ops.netbox
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
      - Looks, also with a scan, and records nothing.
  diff_mode:
    support: none
  platform:
    platforms: all
notes:
  - Recording what was seen is no change; the task never reports one.
  - The token needs C(view) on C(ipam.prefix) and C(tenancy.tenant), those of all customers. What it does not see of
    others can't be left out of a scan.
  - Passwords and tokens belong into Ansible Vault or a lookup. They are in no result, log or record.
seealso:
  - module: msp.ops.reconcile
"""

EXAMPLES = r"""
- name: Look at everything that a customer has
  msp.ops.observe:
    customer: bakkerij-jansen
    sources:
      - source: nmap
      - source: dhcp
        format: isc
        file: /srv/exports/jansen/dhcpd.leases
      - source: directory
        server: ldaps://dc01.jansen.example.com
        user: CN=msp reader,CN=Users,DC=jansen,DC=example,DC=com
        password: "{{ vault_jansen_directory_password }}"
        base: DC=jansen,DC=example,DC=com
        ca_file: /etc/msp/jansen-ca.pem
      - source: network
        label: sw01
        device: jansen-sw01
        platform: cisco_ios
        answers:
          - command: show lldp neighbors detail
            file: /srv/exports/jansen/sw01-lldp.txt
          - command: show mac address-table
            file: /srv/exports/jansen/sw01-macs.txt
"""

RETURN = r"""
looks:
  description: What became of each source.
  returned: success
  type: list
  elements: dict
  sample:
    - source: nmap
      at: "2026-03-01T10:00:00+00:00"
      complete: true
      seen: 41
      skipped: []
      covered: [10.20.30.0/24]
      problems: []
failed_sources:
  description: Sources that could not be asked or read, each with the reason and what to do.
  returned: success
  type: dict
  sample: {}
incomplete:
  description: Sources of which a part could not be read. What they saw counts, what they did not see proves nothing.
  returned: success
  type: list
  elements: str
  sample: []
observations:
  description: How many things were recorded, each as often as a source saw it.
  returned: success
  type: int
  sample: 41
summary:
  description: The same for a person, one line for each source.
  returned: success
  type: list
  elements: str
  sample:
    - "nmap: 41 seen, complete (10.20.30.0/24)"
error:
  description: What went wrong, with its code.
  returned: failure
  type: dict
  sample:
    code: MSP-OBS-051
    expected: source to be one of nmap, dhcp, directory, mdm, network (source 1 of bakkerij-jansen)
    found: "'nmapp'"
    action: correct the list of sources; docs/discovery.md shows every form
"""
