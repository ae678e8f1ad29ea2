"""Fills an empty NetBox with made-up customers and devices in bulk. Runs in NetBox's environment.

Reads its parameters as JSON on standard input, writes counts as JSON. Bulk inserts bypass signals: there are no change
log rows, no search index and no event rule fires, which is what makes it a hundred times faster than the API. Every
choice comes from one random generator, so the same parameters make the same objects.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import django

django.setup()

from dcim import models as dcim  # noqa: E402 (models need Django to be set up)
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.db.models import Count, OuterRef, Subquery  # noqa: E402
from django.db.models.functions import Coalesce  # noqa: E402
from extras import models as extras  # noqa: E402
from ipam import models as ipam  # noqa: E402
from seed_plan import patch_plan  # noqa: E402 (it lies beside this file)
from tenancy import models as tenancy  # noqa: E402
from virtualization import models as virtualization  # noqa: E402

BATCH = 2000
CITIES = {
    "Netherlands": ("Amsterdam", "Rotterdam", "Utrecht", "Groningen"),
    "United Kingdom": ("London", "Leeds", "Bristol"),
    "Belgium": ("Antwerp", "Ghent"),
    "Germany": ("Berlin", "Cologne", "Hamburg"),
}
SECTORS = {"Trade": ("Bakeries", "Shops"), "Care": ("Dentists", "Clinics"), "Offices": ("Law", "Accounting")}
SITE_GROUPS = {"Head offices": ("Listed buildings", "Towers"), "Branches": ("Shops", "Depots")}
ROLES = {"Server": ("File server", "Database server", "Web server"), "Endpoint": ("Workstation", "Till", "Laptop")}
PLATFORMS = {"Linux": ("Debian 12", "Debian 13", "Ubuntu 24.04"), "Windows": ("Windows 11", "Windows Server 2022")}
CLASSES = {"Server": "server", "Endpoint": "workstation"}


def slug(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())


def tree(model: Any, groups: Mapping[str, Sequence[str]], top: str | None = None, **values: Any) -> list[Any]:
    """Two levels of nested groups, or three under a top; returns the leaves. Paths are the database's own business."""
    root = model.objects.create(name=top, slug=slug(top), **values) if top else None
    leaves = []
    for name, children in groups.items():
        parent = model.objects.create(name=name, slug=slug(name), parent=root, **values)
        for child in children:
            leaves.append(model.objects.create(name=child, slug=f"{slug(name)}-{slug(child)}", parent=parent, **values))
    return leaves


class Seed:
    """One run. The attributes are what later steps draw from."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.wanted = wanted
        self.random = random.Random(wanted["seed"])  # noqa: S311 (made-up data, not a secret)
        self.fields = wanted["fields"]

    def run(self) -> dict[str, int]:
        self.custom_fields()
        self.groups()
        self.customers()
        self.contexts()
        self.devices()
        self.machines()
        self.addresses()
        self.tag_assets()
        return {
            model._meta.label_lower: model.objects.count()
            for model in (
                tenancy.Tenant,
                dcim.Site,
                dcim.Location,
                dcim.Device,
                virtualization.VirtualMachine,
                ipam.IPAddress,
                extras.ConfigContext,
            )
        }

    def custom_fields(self) -> None:
        """Only those that are not there: whoever declared them before knows better."""
        for name, field in self.fields.items():
            if extras.CustomField.objects.filter(name=name).exists():
                continue
            choices = None
            if field["choices"]:
                choices, _ = extras.CustomFieldChoiceSet.objects.get_or_create(
                    name=name, defaults={"extra_choices": [[value, value] for value in field["choices"]]}
                )
            made = extras.CustomField.objects.create(name=name, type=field["type"], choice_set=choices)
            made.object_types.set([ContentType.objects.get_by_natural_key(*o.split(".")).pk for o in field["objects"]])

    def groups(self) -> None:
        self.regions = tree(dcim.Region, CITIES, top="Europe")
        self.site_groups = tree(dcim.SiteGroup, SITE_GROUPS)
        self.tenant_groups = tree(tenancy.TenantGroup, SECTORS)
        self.roles = tree(dcim.DeviceRole, ROLES)
        self.platforms = tree(dcim.Platform, PLATFORMS)
        maker = dcim.Manufacturer.objects.create(name="Example Machines", slug="example-machines")
        self.types = [
            dcim.DeviceType.objects.create(manufacturer=maker, model=f"Model {letter}", slug=f"model-{letter.lower()}")
            for letter in "ABCDEFGH"
        ]
        names = ["msp-remediate", "msp-ring-pilot", "msp-ring-broad", "msp-ring-late", "on-loan", "shared", "spare"]
        self.tags = [extras.Tag.objects.get_or_create(name=name, slug=name)[0] for name in names]
        kind = virtualization.ClusterType.objects.create(name="Example hypervisor", slug="example-hypervisor")
        self.cluster_type = kind
        self.cluster_groups = [
            virtualization.ClusterGroup.objects.create(name=name, slug=slug(name)) for name in ("On site", "Hosted")
        ]

    def customers(self) -> None:
        """Customers with two to four sites, each with floors and rooms, and one cluster."""
        self.tenants, self.sites, self.clusters = [], {}, {}
        self.locations: dict[int, list[Any]] = {}
        for number in range(1, self.wanted["customers"] + 1):
            tenant = tenancy.Tenant.objects.create(
                name=f"Customer {number:03}",
                slug=f"customer-{number:03}",
                group=self.random.choice(self.tenant_groups),
                custom_field_data=self.contract(number),
            )
            self.tenants.append(tenant)
            self.sites[tenant.pk] = [self.site(tenant, n) for n in range(1, self.random.randint(2, 4) + 1)]
            self.clusters[tenant.pk] = virtualization.Cluster.objects.create(
                name=f"{tenant.name} cluster",
                type=self.cluster_type,
                group=self.random.choice(self.cluster_groups),
                tenant=tenant,
                scope=self.sites[tenant.pk][0],
            )

    def contract(self, number: int) -> dict[str, Any]:
        dutch = self.random.random() < 0.6
        values = {
            "msp_contract_id": f"C-{number:05}",
            "msp_contract_start": "2025-01-01",
            "msp_contract_end": "2099-12-31",
            "msp_monthly_fee": self.random.randint(200, 4000),
            "msp_included_hours": self.random.randint(1, 30),
            "msp_hourly_rate": self.random.randint(80, 140),
            "msp_currency": "EUR" if dutch else "GBP",
            "msp_language": "nl" if dutch else "en",
            "msp_timezone": "Europe/Amsterdam" if dutch else "Europe/London",
            "msp_report_contact": f"contact@customer-{number:03}.example.com",
        }
        return {key: value for key, value in values.items() if key in self.fields}

    def site(self, tenant: Any, number: int) -> Any:
        made = dcim.Site.objects.create(
            name=f"{tenant.name} site {number}",
            slug=f"{tenant.slug}-site-{number}",
            tenant=tenant,
            region=self.random.choice(self.regions),
            group=self.random.choice([*self.site_groups, None]),
        )
        self.locations[made.pk] = []
        for name in ("Ground floor", "First floor"):
            floor = dcim.Location.objects.create(name=name, slug=slug(name), site=made)
            room = dcim.Location.objects.create(name=f"{name} room", slug=f"{slug(name)}-room", site=made, parent=floor)
            self.locations[made.pk] += [floor, room]
        return made

    def contexts(self) -> None:
        """Config contexts on one to three dimensions each, at every level of the trees, some inactive."""
        ancestors = dcim.Region.objects, dcim.SiteGroup.objects, tenancy.TenantGroup.objects
        pools = {
            "regions": list(ancestors[0].order_by("pk")),
            "site_groups": list(ancestors[1].order_by("pk")),
            "sites": [site for sites in self.sites.values() for site in sites],
            "locations": [location for locations in self.locations.values() for location in locations],
            "device_types": self.types,
            "roles": list(dcim.DeviceRole.objects.order_by("pk")),
            "platforms": list(dcim.Platform.objects.order_by("pk")),
            "cluster_types": [self.cluster_type],
            "cluster_groups": self.cluster_groups,
            "clusters": list(self.clusters.values()),
            "tenant_groups": list(ancestors[2].order_by("pk")),
            "tenants": self.tenants,
            "tags": self.tags,
        }
        common = ("regions", "site_groups", "roles", "platforms", "tenant_groups", "tenants")
        for number in range(self.wanted["contexts"]):
            context = extras.ConfigContext.objects.create(
                name=f"Context {number:03}",
                weight=self.random.choice((100, 500, 1000, 1000, 2000)),
                is_active=self.random.random() > 0.05,
                data=self.context_data(number),
            )
            # The first applies to all; the next go through the dimensions one by one, so that each occurs.
            names = list(pools) if number <= len(pools) else list(common)
            chosen = [names[(number - 1) % len(names)]] if number else []
            chosen += self.random.sample(common, self.random.choice((0, 0, 1, 2))) if number else []
            for dimension in dict.fromkeys(chosen):
                pool = pools[dimension]
                getattr(context, dimension).set(self.random.sample(pool, min(len(pool), self.random.randint(1, 4))))

    def context_data(self, number: int) -> dict[str, Any]:
        """Overlapping keys at several depths: what merges, what is replaced, and lists, which are replaced whole."""
        plan = patch_plan(number, self.random.choice(("never", "if_needed", "always")))
        standard = {"name": f"standard-{number % 5}", "controls": [f"control-{number % 7}", f"control-{number % 11}"]}
        data: dict[str, Any] = {f"note_{number % 13}": {"from": number, f"only_{number}": True}}
        if self.random.random() < 0.5:
            data["msp_patch_plan"] = plan
        if self.random.random() < 0.5:
            data["msp_standard"] = standard
        if self.random.random() < 0.1:
            data["ntp"] = None
        return data

    def asset_values(self, group: str) -> dict[str, Any]:
        """Custom fields of an asset, as NetBox stores them."""
        bought = date(2019, 1, 1) + timedelta(days=self.random.randint(0, 2500))
        values = {
            "msp_contract_status": self.random.choices(
                ("contracted", "unlisted", "tracked", "excluded", "ended"), (80, 5, 5, 5, 5)
            )[0],
            "msp_asset_class": CLASSES.get(group, "other"),
            "msp_purchase_date": bought.isoformat(),
            "msp_warranty_end": (bought + timedelta(days=3 * 365)).isoformat(),
            "msp_facts_hash": f"{self.random.getrandbits(256):064x}",
            "msp_operating_system": "Debian GNU/Linux 12 (bookworm)",
            "msp_os_support_end": "2028-06-30",
            "msp_connection": "ssh",
        }
        return {key: value for key, value in values.items() if key in self.fields}

    def placement(self, number: int) -> dict[str, Any]:
        """What a device and a virtual machine have in common."""
        role = self.random.choice(self.roles)
        tenant = self.tenants[number % len(self.tenants)]
        local = self.random.random() < 0.05
        return {
            "name": f"{slug(role.name)}-{number:06}",
            "role": role,
            "tenant": tenant,
            "platform": self.random.choice(self.platforms),
            "site": self.random.choice(self.sites[tenant.pk]),
            "status": self.random.choices(("active", "offline", "planned"), (90, 7, 3))[0],
            "serial": f"SN{self.wanted['seed']:03}{number:08}",
            "custom_field_data": self.asset_values(role.parent.name),
            "local_context_data": {"ntp": ["192.0.2.123"], "note_1": {"local": number}} if local else None,
        }

    def devices(self) -> None:
        made = []
        for number in range(self.wanted["count"]):
            values = self.placement(number)
            made.append(
                dcim.Device(
                    **values,
                    device_type=self.random.choice(self.types),
                    location=self.random.choice([*self.locations[values["site"].pk], None]),
                    asset_tag=f"A{self.wanted['seed']:03}{number:08}",
                    interface_count=1,
                )
            )
        dcim.Device.objects.bulk_create(made, BATCH)
        types = dcim.Device.objects.filter(device_type=OuterRef("pk")).order_by().values("device_type")
        counted = types.annotate(n=Count("pk")).values("n")
        dcim.DeviceType.objects.filter(pk__in=[t.pk for t in self.types]).update(
            device_count=Coalesce(Subquery(counted), 0)
        )
        dcim.Interface.objects.bulk_create(
            (dcim.Interface(device=device, name="eth0", type="1000base-t", _site=device.site) for device in made),
            BATCH,
        )

    def machines(self) -> None:
        made = []
        for number in range(self.wanted["machines"]):
            values = self.placement(self.wanted["count"] + number)
            cluster = self.clusters[values["tenant"].pk]
            made.append(
                virtualization.VirtualMachine(
                    **{**values, "site": self.sites[values["tenant"].pk][0]}, cluster=cluster, interface_count=1
                )
            )
        virtualization.VirtualMachine.objects.bulk_create(made, BATCH)
        virtualization.VMInterface.objects.bulk_create(
            (virtualization.VMInterface(virtual_machine=machine, name="eth0") for machine in made), BATCH
        )

    def addresses(self) -> None:
        """A MAC and a primary address for every asset, out of 10.0.0.0/8, in the order of their keys."""
        number = 0
        for interface, asset, owner in (
            (dcim.Interface, dcim.Device, "device"),
            (virtualization.VMInterface, virtualization.VirtualMachine, "virtual_machine"),
        ):
            kind = ContentType.objects.get_for_model(interface)
            macs, addresses = [], []
            for pk, tenant in interface.objects.order_by("pk").values_list("pk", f"{owner}__tenant_id"):
                number += 1
                place = {"assigned_object_type": kind, "assigned_object_id": pk}
                octets = number.to_bytes(3, "big")
                macs.append(dcim.MACAddress(mac_address="02:00:00:" + ":".join(f"{o:02x}" for o in octets), **place))
                address = "10." + ".".join(str(octet) for octet in octets)
                addresses.append(ipam.IPAddress(address=f"{address}/16", tenant_id=tenant, **place))
            dcim.MACAddress.objects.bulk_create(macs, BATCH)
            ipam.IPAddress.objects.bulk_create(addresses, BATCH)
            mine = {"assigned_object_type": kind, "assigned_object_id": OuterRef("pk")}
            interface.objects.update(
                primary_mac_address=Subquery(dcim.MACAddress.objects.filter(**mine).order_by().values("pk")[:1])
            )
            chosen = interface.objects.filter(**{owner: OuterRef("pk")}).order_by()
            asset.objects.update(primary_ip4=Subquery(chosen.values("ip_addresses__pk")[:1]))

    def tag_assets(self) -> None:
        """None to three tags for each asset."""
        for model in (dcim.Device, virtualization.VirtualMachine):
            kind = ContentType.objects.get_for_model(model)
            extras.TaggedItem.objects.bulk_create(
                (
                    extras.TaggedItem(content_type=kind, object_id=pk, tag=tag)
                    for pk in model.objects.order_by("pk").values_list("pk", flat=True)
                    for tag in self.random.sample(self.tags, self.random.choice((0, 1, 1, 3)))
                ),
                BATCH,
            )


def main() -> None:
    wanted = json.load(sys.stdin)
    with transaction.atomic():
        counts = Seed(wanted).run()
    # A NetBox that has been left alone for a while has rendered every context.
    if wanted["rendered"]:
        call_command("rebuild_config_context_cache", stdout=sys.stderr)
    json.dump(counts, sys.stdout)


main()
