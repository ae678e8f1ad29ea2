# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything of ours in NetBox, in the order in which it must be written.

Pure: declarations only. What each thing is stands in model_fields.py, model_desk.py and model_rights.py;
register/plan.py compares it with what is there. A thing that was renamed keeps its old names in "formerly", so that
what an older version left is upgraded in place.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.plugin_utils.register import (
    model_desk,
    model_events,
    model_fields,
    model_rights,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import Section


def sections(
    today: dt.date,
    wanted: Iterable[str] = (),
    receiver: model_events.Receiver | None = None,
    version: tuple[int, int, int] = model_events.CHANGED_SINCE,
) -> list[Section]:
    """The model, in the order in which it must be written. today sets the dates in the saved filters.

    Without a receiver of events nothing is declared that would send any. version is NetBox's.
    """
    every = [
        model_fields.choice_sets(),
        model_fields.custom_fields(),
        model_desk.tags(),
        model_desk.profiles(),
        model_desk.saved_filters(today),
        model_desk.custom_links(),
        model_desk.table_configs(),
        model_rights.groups(),
        model_rights.permissions(),
        model_rights.users(),
        *((model_events.webhooks(receiver), model_events.event_rules(version)) if receiver else ()),
    ]
    chosen = set(wanted)
    return [section for section in every if not chosen or section.name in chosen]


SECTION_NAMES = (
    "choice_sets",
    "custom_fields",
    "tags",
    "config_context_profiles",
    "saved_filters",
    "custom_links",
    "table_configs",
    "groups",
    "permissions",
    "users",
    *model_events.SECTIONS,
)
# What only an administrator of NetBox may see.
ADMINISTRATION = ("groups", "permissions", "users", *model_events.SECTIONS)
