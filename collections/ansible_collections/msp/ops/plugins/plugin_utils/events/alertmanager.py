# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what Alertmanager's webhook sends to events, one for each alert of the group. Pure.

Alertmanager tells a group again and again while it fires; an alert is the same one as long as it began at the same
time.
Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config (version 4)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.events.reading import bad, part, time
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import ALERT_ACTIONS, ALERTMANAGER, FIRING, Event

VERSION = "4"
# The label that names the host, in this order: ours, then what Prometheus puts there, with its port.
HOST_LABELS = ("msp_host", "instance")
MOST = 1000


def of_webhook(body: Mapping[str, Any]) -> list[Event]:
    """The events in a webhook's body."""
    where = "Alertmanager's webhook"
    if body.get("version") != VERSION:
        raise bad(f"version {VERSION} of {where}", repr(body.get("version"))[:40])
    alerts = part(body, "alerts", list, where)
    if len(alerts) > MOST:
        raise bad(f"at most {MOST} alerts in one call of {where} (max_alerts)", str(len(alerts)))
    return [_event(alert, where) for alert in alerts]


def _event(alert: Any, where: str) -> Event:
    if not isinstance(alert, dict):
        raise bad(f"a mapping for each alert of {where}", type(alert).__name__)
    action = part(alert, "status", str, where)
    if action not in ALERT_ACTIONS:
        raise bad(f"one of {', '.join(ALERT_ACTIONS)} as status of {where}", repr(action[:40]))
    labels = {str(name): value for name, value in part(alert, "labels", dict, where).items() if isinstance(value, str)}
    began = part(alert, "startsAt", str, where)
    at = time(began if action == FIRING else alert.get("endsAt"), f"the time of {where}")
    fingerprint = alert.get("fingerprint")
    known = fingerprint if isinstance(fingerprint, str) and fingerprint else repr(sorted(labels.items()))
    return Event(
        source=ALERTMANAGER,
        kind="host",
        object=host_of(labels),
        action=action,
        at=at,
        identity=(known, began, action),
        labels=labels,
    )


def host_of(labels: Mapping[str, str]) -> str:
    """The host's name; of "web01.example.com:9100" without the port. Empty where no label names one."""
    for name in HOST_LABELS:
        if value := labels.get(name, "").strip():
            host, _colon, port = value.rpartition(":")
            return host if host and port.isdigit() and ":" not in host else value
    return ""
