# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NetBox tells us of: a webhook, and the rules that say which changes go to it.

Pure: declarations only, in the shape in which NetBox is written. Declared only where somebody says where events are
received: an MSP that has no receiver would fill NetBox's queue with calls that fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import ASSETS, Item, Section

WEBHOOK = f"{names.TITLE_PREFIX}events"
WEBHOOKS, RULES = SECTIONS = ("webhooks", "event_rules")
CONTEXT = "extras.configcontext"
CREATED, UPDATED, DELETED = "object_created", "object_updated", "object_deleted"
# Since when a condition can speak of what changed; before it, every change is told, and sorted out by who receives it.
CHANGED_SINCE = (4, 7, 0)
# So many letters, as NetBox's secret is a key of HMAC-SHA512; and nothing that a shell or a proxy would change.
SECRET = re.compile(r"[A-Za-z0-9_-]{32,128}")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where events go, and the secret that they are signed with. check_certificate False: for a test alone."""

    url: str
    secret: str
    check_certificate: bool = True

    def __repr__(self) -> str:
        return f"Receiver({self.url!r})"


def receiver(url: str | None, secret: str | None, *, check_certificate: bool = True) -> Receiver | None:
    """The receiver, checked; None where no address is given."""
    if not url:
        return None
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname or split.username or split.password:
        raise MspError(
            "MSP-MOD-007",
            "an address such as https://events.example.com/netbox as events_url, with no user or password in it",
            "one with a user or password" if split.username or split.password else repr(url[:80]),
            "correct events_url (netbox_model_events_url); see docs/events.md",
        )
    if not secret or not SECRET.fullmatch(secret):
        raise MspError(
            "MSP-MOD-008",
            "the secret that NetBox signs events with in MSP_WEBHOOK_SECRET: 32 to 128 letters, digits, - and _",
            "none" if not secret else "one of another form",
            "make one (openssl rand -hex 32) and set it here and where events are received",
        )
    # Of Ansible they come as a kind of text of its own, which no diff can show.
    return Receiver(str(url), str(secret), check_certificate)


def webhooks(to: Receiver) -> Section:
    body = {
        "description": "Changes that follow-up work may come of; docs/events.md",
        "payload_url": to.url,
        "http_method": "POST",
        "http_content_type": "application/json",
        "secret": to.secret,
        "ssl_verification": to.check_certificate,
    }
    return Section(
        WEBHOOKS,
        "extras/webhooks",
        "name",
        (names.TITLE_PREFIX,),
        (Item(WEBHOOK, body),),
        hidden=("secret",),
    )


def event_rules(version: tuple[int, int, int]) -> Section:
    watched = (f"custom_fields.{names.CONTRACT_STATUS}", "tags", "local_context_data")
    changed = {"or": [{"attr": attr, "op": "changed"} for attr in watched]}

    def rule(
        title: str, description: str, objects: list[str], events: list[str], when: Mapping[str, Any] | None
    ) -> Item:
        return Item(
            f"{names.TITLE_PREFIX}{title}",
            {
                "description": description,
                "object_types": objects,
                "event_types": events,
                "conditions": when,
                "action_type": "webhook",
                "action_object_type": "extras.webhook",
                "action_object_id": WEBHOOK,
            },
            # A person may stop one.
            once={"enabled": True},
        )

    items = (
        rule(
            "asset changed",
            "Contract status, tags or local context of a device or virtual machine",
            ASSETS,
            [CREATED, UPDATED],
            changed if version >= CHANGED_SINCE else None,
        ),
        rule(
            "config context changed",
            "A patch plan or standard may be another now",
            [CONTEXT],
            [CREATED, UPDATED, DELETED],
            None,
        ),
    )
    return Section(
        RULES,
        "extras/event-rules",
        "name",
        (names.TITLE_PREFIX,),
        items,
        references={"action_object_id": WEBHOOKS},
        told_by={"action_object_id": "action_object"},
    )
