# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An event as we speak of it, whoever told it, and how it is told from others. Pure: no I/O.

An event says that something may have changed; it never says what to do. Nothing acts on what is in it: the object is
read again first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Incoming

NETBOX, ALERTMANAGER, ZABBIX = SOURCES = ("netbox", "alertmanager", "zabbix")
CREATED, UPDATED, DELETED = NETBOX_ACTIONS = ("created", "updated", "deleted")
FIRING, RESOLVED = ALERT_ACTIONS = ("firing", "resolved")

# An identity is cut to this many letters: 160 bits.
NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Event:
    """source is one of SOURCES, action one of NETBOX_ACTIONS or ALERT_ACTIONS.

    kind and object say what it is about: an object type of NetBox and its id, or "host" and a host's name. identity
    tells it from every other of its source, and is the same however often it is told. changed names what changed, as
    far as the sender says so: properties of the object, custom fields as "custom_fields.NAME", None where nobody says.
    labels are the words of an alert.
    """

    source: str
    kind: str
    object: str
    action: str
    at: dt.datetime
    identity: tuple[str, ...]
    user: str = ""
    changed: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Hexadecimal, 40 letters."""
        return _digest(self.source, *self.identity)

    @property
    def subject(self) -> str:
        """What events are handled together by: one object, or one alert about one host."""
        told = [self.source, self.kind, self.object]
        if self.labels:
            told.append(_digest(json.dumps(dict(self.labels), sort_keys=True))[:16])
        return " ".join(told)


def incoming(event: Event) -> Incoming:
    """The event as the store keeps it."""
    body = asdict(event)
    del body["at"]
    return Incoming(event.id, event.source, event.subject, event.at, body)


def event_of(stored: Incoming) -> Event:
    """The event that was stored."""
    body: dict[str, Any] = dict(stored.body)
    changed = body["changed"]
    return Event(
        **{
            **body,
            "at": stored.at,
            "identity": tuple(body["identity"]),
            "changed": None if changed is None else tuple(changed),
        }
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:NAME_LENGTH]
