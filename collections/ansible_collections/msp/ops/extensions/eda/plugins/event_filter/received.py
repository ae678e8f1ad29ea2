# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An event filter of ansible-rulebook: what a webhook brought is in the evidence store before its sender is answered.

A filter runs while the webhook's source waits to answer, and what it raises becomes the answer. So the sender is told
200 when the event is kept, 400 when it can't be read, and 503 when the store did not take it, and tries again.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from aiohttp import web

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import receiving
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

DOCUMENTATION = r"""
---
author: The msp.ops founders (@msp-ops)
short_description: Keep an event in the evidence store before its sender is answered
description:
  - Reads what the webhook of C(sender) brought, gives each event an id that is the same however often it is told, and
    keeps it in the evidence store that the environment variable E(MSP_STORE_URL) names. An event that is known already
    is not kept again, and one that is too old is not kept at all.
  - The work is done by C(./msp worker), which takes events from the store. A rule needs to do nothing.
options:
  sender:
    description: Whose webhook it is.
    type: str
    choices: [netbox, alertmanager, zabbix]
    required: true
  customer:
    description:
      - The slug of the customer whose monitoring sends here. Its alerts are about this customer's hosts, whatever they
        say. Without it an alert may name any customer's.
    type: str
"""

EXAMPLES = r"""
- eda.builtin.webhook:
    host: 127.0.0.1
    port: 5000
  filters:
    - msp.ops.received:
        sender: netbox
"""

LOGGER = logging.getLogger(__name__)
# Longer, and the sender's own patience ends first.
STORE_SECONDS = 5.0


class _Kept:
    """The store, opened at the first event and kept open; opened anew after an error."""

    store: Store | None = None

    @classmethod
    def open(cls) -> Store:
        if cls.store is None:
            cls.store = Store.open(timeout=STORE_SECONDS)
        return cls.store

    @classmethod
    def close(cls) -> None:
        store, cls.store = cls.store, None
        if store is not None:
            store.close()


def main(event: dict[str, Any], sender: str, customer: str = "") -> dict[str, Any]:
    """Keep what came in, or answer why not."""
    try:
        events = receiving.read(sender, event.get("payload"), customer)
    except MspError as error:
        LOGGER.warning("%s", error)
        raise web.HTTPBadRequest(text=f"{error}\n") from None
    try:
        answers = receiving.take(_Kept.open(), events, dt.datetime.now(dt.UTC))
    except MspError as error:
        _Kept.close()
        LOGGER.error("%s", error)
        raise web.HTTPServiceUnavailable(text=f"{error}\n", headers={"Retry-After": "30"}) from None
    for one in answers:
        LOGGER.info("%s %s: %s", one.event.subject, one.event.id, one.answer)
    event["msp"] = [{"event": one.event.id, "subject": one.event.subject, "answer": one.answer} for one in answers]
    return event
