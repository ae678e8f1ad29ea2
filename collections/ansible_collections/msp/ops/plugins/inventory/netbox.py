# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dynamic inventory: options in, hosts out. What is read, and what becomes of it, is decided in plugin_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: netbox
short_description: Customers' assets from NetBox, with their contract status
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Devices and virtual machines of the customers asked for, as hosts named C(NAME.CUSTOMER), so that names of two
    customers can't collide. A name has lower-case letters, digits, dots, hyphens and underscores only. Of several
    assets with one name, the one with the lowest id keeps it; the others get C(-d57) or C(-v12), their own id, behind
    it, and a warning says so. An asset without a name is called C(device-57) or C(virtual-machine-12).
  - Groups are C(customer_SLUG), C(status_CONTRACT_STATUS), C(platform_SLUG), C(role_SLUG), C(site_SLUG),
    C(class_ASSET_CLASS), C(tag_SLUG), and C(ring_NAME) for the tag C(msp-ring-NAME); a hyphen in a slug becomes C(_).
    What discovery found makes the groups C(unlisted), C(missing), C(conflict) and C(changed), and with O(seen_today)
    C(seen_today).
  - The variable C(msp) holds the customer, the contract, the contract status that counts today, the asset, and the
    standard and patch plan of the asset's config context (its keys C(msp_standard) and C(msp_patch_plan)), and in
    C(msp.standards_own) the standards that an MSP made itself (C(msp_standards)), and in C(msp.access) what accounts
    are for (C(msp_access)). A contract past its end counts as
    ended, whatever the asset's field says. Prices are not in it. C(msp.asset.exposed) says whether the asset has the
    tag C(msp-exposed), because the internet reaches it.
  - C(ansible_host) is the primary address; C(ansible_connection) and C(ansible_port) come from the custom fields
    C(msp_connection) and C(msp_port). A C(local) connection is refused, because it would run on the controller.
  - Text of NetBox reaches Ansible as it is and is never a template. With C(ansible-inventory --list) keep to JSON;
    Ansible itself marks the strings of C(--list --yaml) as templates when they are read back.
  - Anything that is not certain is an error and no inventory, for instance a refused permission, an incomplete answer
    or an unknown filter. Set C(any_unparsed_is_failed) in the section C(inventory) of ansible.cfg, as the one shipped
    with msp.ops does, or Ansible goes on with a warning.
requirements:
  - pynetbox
extends_documentation_fragment:
  - ansible.builtin.constructed
options:
  plugin:
    description: Marks the file as a source of this plugin.
    required: true
    choices: [msp.ops.netbox]
    type: str
  netbox_api:
    description: Address of NetBox. In the inventory source it may be a template, for instance a lookup.
    type: str
    env:
      - name: NETBOX_API
  token:
    description:
      - API token. Better from the environment or O(token_file) than from the inventory source.
      - In the inventory source it may be a template, for instance a lookup in a vault. A template that renders to
        nothing is an error.
    type: str
    env:
      - name: NETBOX_TOKEN
  token_file:
    description:
      - A file with the API token, used when O(token) is not set. Nobody but its owner may read it.
      - In the inventory source it may be a template.
    type: path
    env:
      - name: NETBOX_TOKEN_FILE
  timeout:
    description: Seconds to wait for one answer of NetBox, from 0.1 to 3600.
    type: float
    default: 60
  verify:
    description: Whether to verify NetBox's certificate.
    type: bool
    default: true
  ca_path:
    description: A file of certificate authorities to verify NetBox's certificate with, instead of the usual ones.
    type: path
  customers:
    description: Slugs of the customers to read. All tenants with a contract when not set. An unknown slug is an error.
    type: list
    elements: str
    default: []
    env:
      - name: MSP_INVENTORY_CUSTOMERS
  statuses:
    description:
      - Contract statuses whose assets become hosts; all when not set. What counts is the status of today, so an ended
        contract's assets are C(ended).
    type: list
    elements: str
    choices: [contracted, unlisted, tracked, excluded, ended]
    default: []
  filters:
    description:
      - NetBox filters for devices and virtual machines, for instance C(status=[active, staged]). Several are joined by
        "and", several values of one by "or".
      - An unknown filter is an error, because NetBox would answer with the whole table.
    type: dict
    default: {}
  device_filters:
    description: More filters, for devices only.
    type: dict
    default: {}
  virtual_machine_filters:
    description: More filters, for virtual machines only.
    type: dict
    default: {}
  custom_fields:
    description:
      - Names of other custom fields of assets to put into C(msp.custom_fields). One that neither devices nor virtual
        machines have is an error.
    type: list
    elements: str
    default: []
  config_context:
    description:
      - Whether the whole rendered config context becomes the variable C(config_context).
      - Not by default. The standard and the patch plan are in C(msp) anyway; the rest often holds what other tools
        need, and every host's variables end up in job logs and memory.
    type: bool
    default: false
  seen_today:
    description:
      - Whether to make the group C(seen_today), of the assets that discovery saw on this day of the customer's
        calendar. That is in the evidence store, not in NetBox. A store that does not answer is an error and no
        inventory.
    type: bool
    default: false
  store_url:
    description: The evidence store for O(seen_today), as URL of SQLAlchemy; the usual one when not set.
    type: str
    env:
      - name: MSP_STORE_URL
  slices:
    description: How many parts of a large table to read at the same time, from 1 to 64.
    type: int
    default: 4
  cache:
    description:
      - Whether to keep what was read, and next time read only what changed since, by NetBox's change log. The token
        then needs the right to view C(core.objectchange).
      - Contract data are read anew every time, and a contract status is never older than NetBox's. Where it is not
        certain what changed, everything is read again. When NetBox does not answer there is no inventory, cache or not.
    type: bool
    default: false
    env:
      - name: ANSIBLE_INVENTORY_CACHE
    ini:
      - section: inventory
        key: cache
  cache_timeout:
    description: Seconds after which everything is read again, even if the change log has no gap.
    type: int
    default: 86400
    env:
      - name: ANSIBLE_INVENTORY_CACHE_TIMEOUT
    ini:
      - section: inventory
        key: cache_timeout
  cache_connection:
    description: Directory of the cache. Its files have mode 0600 and never hold the token.
    type: path
    default: ~/.cache/msp.ops/inventory
    env:
      - name: ANSIBLE_INVENTORY_CACHE_CONNECTION
    ini:
      - section: inventory
        key: cache_connection
  cache_prefix:
    description: Put before the names of cache files.
    type: str
    default: ""
    env:
      - name: ANSIBLE_INVENTORY_CACHE_PLUGIN_PREFIX
    ini:
      - section: inventory
        key: cache_prefix
"""

EXAMPLES = r"""
# msp.yml: address and token come from NETBOX_API and NETBOX_TOKEN
plugin: msp.ops.netbox
cache: true

---
# one customer's servers that are in the contract, grouped by the first letters of their serial number as well
plugin: msp.ops.netbox
netbox_api: https://netbox.example.com
token_file: ~/.config/netbox-token
customers: [bakkerij-jansen]
statuses: [contracted]
filters:
  status: active
  role: server
keyed_groups:
  - key: msp.asset.serial[:3]
    prefix: batch
groups:
  has_plan: msp.plan is not none
compose:
  msp_window: msp.plan.window | default(none)
"""

import contextlib
import datetime as dt
import gc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk.lately import last_seen
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.hosts import Host, Hosts, Wishes, build
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.options import (
    RANGES,
    check_names,
    check_ranges,
    filters_by_kind,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection
from ansible_collections.msp.ops.plugins.plugin_utils.register.source import connect, load

# Where NetBox is and what opens it: often in a vault or another variable. What chooses hosts is never a template.
TEMPLATES = ("netbox_api", "token", "token_file")


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of objects are made here and hardly any let go: looking for garbage among them costs a tenth."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _no_value(name: str, found: str) -> MspError:
    return MspError(
        "MSP-INV-006",
        f"a value behind the template of {name}",
        found,
        "correct the template, set what it looks up, or leave the option out for the environment's",
    )


class InventoryModule(BaseInventoryPlugin, Constructable):
    """The plugin Ansible loads."""

    NAME = "msp.ops.netbox"

    def verify_file(self, path: str) -> bool:
        """Only YAML files that name this plugin, so that a static inventory beside it is left to others."""
        if not super().verify_file(path) or not path.endswith((".yml", ".yaml")):
            return False
        return self.NAME in Path(path).read_text(encoding="utf-8", errors="replace")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        with _without_collector():
            try:
                self._configure(path)
                hosts = self._hosts(use_cache=cache)
            except MspError as error:
                raise AnsibleParserError(str(error)) from error
            for warning in hosts.warnings:
                self.display.warning(warning)
            self._fill(hosts)

    def _configure(self, path: str) -> None:
        """Options of the file. _read_config_data would look for a cache plugin, and let a misspelt option pass."""
        config = self.loader.load_from_file(path, cache="none", trusted_as_template=True)
        if not isinstance(config, Mapping) or config.get("plugin") != self.NAME:
            raise AnsibleParserError(f"{path} does not say 'plugin: {self.NAME}'")
        self.set_options(direct={**config, **self._rendered(config)}, var_options=self._vars)
        check_names(path, config, self.option_definitions)
        check_ranges({name: self.get_option(name) for name in RANGES})

    def _rendered(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The templates of the file, which Ansible trusts as it trusts a playbook; not what the environment says."""
        self.templar.available_variables = self._vars
        rendered = {}
        for name in TEMPLATES:
            if not self.templar.is_template(config.get(name)):
                continue
            try:
                rendered[name] = self.templar.template(config[name])
            except AnsibleError as error:
                raise _no_value(name, str(error)) from error
            if not rendered[name]:
                raise _no_value(name, "nothing behind the template")
        return rendered

    def _hosts(self, *, use_cache: bool) -> Hosts:
        option = self.get_option
        with connect(
            option("netbox_api"),
            option("token"),
            option("token_file"),
            timeout=option("timeout"),
            verify=option("ca_path") or option("verify"),
        ) as register:
            served = customers(register, option("customers") or None)
            selection = Selection(
                tenants=tuple(customer.id for customer in served),
                filters=filters_by_kind(option("filters"), option("device_filters"), option("virtual_machine_filters")),
                custom_fields=tuple(option("custom_fields")),
                slices=option("slices"),
            )
            directory = Path(option("cache_connection")) if option("cache") else None
            loaded = load(
                register,
                selection,
                directory=directory,
                prefix=option("cache_prefix"),
                max_age=option("cache_timeout"),
                use_kept=use_cache,
            )
        self.display.vv(f"msp.ops.netbox: {loaded.how}")
        if loaded.not_kept:
            self.display.warning(f"msp.ops.netbox: the next run reads everything again: {loaded.not_kept}")
        now = dt.datetime.now(dt.UTC)
        wishes = Wishes(
            frozenset(option("statuses")),
            tuple(option("custom_fields")),
            option("config_context"),
            last_seen(option("store_url"), [one.slug for one in served], now) if option("seen_today") else None,
        )
        return build(loaded.snapshot, served, now, wishes)

    def _fill(self, hosts: Hosts) -> None:
        """Give Ansible the hosts.

        Variables go into the host itself: InventoryData.set_variable, as plugins see it, copies every value node by
        node to tag it with its origin, which takes longer than all the rest. Without a tag a string is not a template.
        """
        wanted = sorted({name for host in hosts.hosts for name in host.groups})
        groups = {name: self.inventory.groups[self.inventory.add_group(name)] for name in wanted}
        constructed = any(self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        for host in hosts.hosts:
            self.inventory.add_host(host.name)
            entry = self.inventory.hosts[host.name]
            for name, value in host.variables.items():
                entry.set_variable(name, value)
            for name in host.groups:
                groups[name].add_host(entry)
            if constructed:
                self._construct(host)

    def _construct(self, host: Host) -> None:
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), host.variables, host.name, strict=strict)
        variables = self.inventory.hosts[host.name].get_vars()
        self._add_host_to_composed_groups(
            self.get_option("groups"), variables, host.name, strict=strict, fetch_hostvars=False
        )
        self._add_host_to_keyed_groups(
            self.get_option("keyed_groups"), variables, host.name, strict=strict, fetch_hostvars=False
        )
