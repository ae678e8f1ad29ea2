# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What it would take to bring hosts to their standard, out of what a run just measured and what earlier jobs took.

The store is only read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.desk import standard_pace
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import named
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.standards import quote_words, quoting, scanning
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue


def quote(store: Store, customer: str, measured: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The result of msp.ops.standard_quote. measured has by host its result of msp.ops.standard_scan, None for none."""
    found = {host: scanning.records(result) for host, result in measured.items()}
    now = store.now()
    # What is to be brought about the measurement decided, by the customer's own day.
    made = quoting.quote(found, catalogue(), standard_pace.pace(store, [customer], now), today=now.date())
    words = Words(language)
    said = list(quote_words.sentences(made, words, Formats(language, ZoneInfo("UTC")), lambda who: named(list(who))))
    return {
        "summary": said if made.lines else [words("srep.empty.quote"), *said],
        "machines": made.of,
        "changes": made.changes,
        "on": list(made.assets),
        "hours": round(made.hours, 2),
        "by_run": {"changes": made.by_run.changes, "hours": round(made.by_run.hours, 2)},
        "by_hand": {"changes": made.left.changes, "hours": round(made.left.hours, 2)},
        "between": None if made.low is None or made.high is None else [round(x / 60, 2) for x in (made.low, made.high)],
        "basis": made.basis,
        "controls": {line.control: list(line.assets) for line in made.lines},
        "left": {line.control: list(line.left) for line in made.lines if line.left},
        "unmeasured": list(made.unmeasured),
        "undecided": list(made.undecided),
    }
