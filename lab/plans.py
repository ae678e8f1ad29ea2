"""The demo's patch plans: a config context for each of its customers, and ring tags on their assets.

Everything in them is made up. It writes to the lab's own NetBox only, as a person would in its pages.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from ansible_collections.msp.ops.plugins.plugin_utils.patching.reading_plan import read_context
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import SECURITY
from ansible_collections.msp.ops.plugins.plugin_utils.patching.windows import open_at
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from lab.api import NetBox
from lab.customers import HERE, SLUGS

ENDPOINTS = ("dcim/devices", "virtualization/virtual-machines")


@dataclass(frozen=True)
class Planned:
    """A customer's config context, and the names of its assets by ring."""

    context: Mapping[str, Any]
    rings: Mapping[str, list[str]]


def of(slug: str, now: dt.datetime) -> Planned:
    """A customer's plan, with a window that opened an hour ago."""
    text = (HERE / slug / "plan.yml").read_text(encoding="utf-8")
    zone = ZoneInfo(yaml.safe_load(text)["plan"]["timezone"])
    opened = (now - dt.timedelta(hours=1)).astimezone(zone)
    found = yaml.safe_load(Template(text).substitute(opened=f"{opened:%H:%M}", year=f"{opened:%Y}"))
    return Planned({names.CONTEXT_PATCH_PLAN: found["plan"]}, found["rings"])


def load(netbox: NetBox, now: dt.datetime | None = None) -> None:
    """Give every customer of the demo its plan. They are onboarded, and our fields and tags are there."""
    now = now or dt.datetime.now(dt.UTC)
    (profile,) = netbox.all(f"extras/config-context-profiles/?name={names.PROFILE_PATCH_PLAN}")
    for slug in SLUGS:
        planned = of(slug, now)
        (tenant,) = netbox.all(f"tenancy/tenants/?slug={slug}")
        body = {"profile": profile["id"], "tenants": [tenant["id"]], "data": planned.context}
        name = f"Patch plan of {tenant['name']}"
        there = [context for context in netbox.all("extras/config-contexts/") if context["name"] == name]
        if not there:
            netbox.create("extras/config-contexts/", {"name": name, **body})
        elif not _open(there[0]["data"], now):
            netbox.change(f"extras/config-contexts/{there[0]['id']}/", body)
        _tag(netbox, slug, {asset: ring for ring, assets in planned.rings.items() for asset in assets})


def _open(context: Mapping[str, Any], now: dt.datetime) -> bool:
    """Whether the window that was made for an earlier run of the demo still takes hosts: then the plan stays."""
    opening = open_at(read_context(context), SECURITY, now)
    return opening is not None and opening.accepts(now)


def _tag(netbox: NetBox, slug: str, ring_of: Mapping[str, str]) -> None:
    """The ring tag of each asset, beside what other tags it has."""
    for endpoint in ENDPOINTS:
        for asset in netbox.all(f"{endpoint}/?tenant={slug}"):
            kept = {tag["slug"] for tag in asset["tags"] if not tag["slug"].startswith(names.TAG_RING_PREFIX)}
            ring = ring_of.get(asset["name"])
            wanted = kept | ({f"{names.TAG_RING_PREFIX}{ring}"} if ring else set())
            if wanted != {tag["slug"] for tag in asset["tags"]}:
                netbox.change(f"{endpoint}/{asset['id']}/", {"tags": [{"slug": one} for one in sorted(wanted)]})
