# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A quote in sentences, for a report and for whoever asks a run what it would take. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.standards.quoting import Quote


def sentences(quote: Quote, t: Words, f: Formats, who: Callable[[tuple[str, ...]], str]) -> Iterator[str]:
    """What it takes and how sure that is; who names some assets by their keys. Nothing to change is no sentence."""
    if quote.lines:
        changes = t.count("srep.quote.changes", quote.changes)
        on = t.count("srep.quote.machines", len(quote.assets))
        yield t("srep.quote", of=quote.of, changes=changes, on=on, hours=f.duration(quote.minutes))
        yield from _hours(quote, t, f)
    if quote.undecided:
        yield t.count("srep.quote.undecided", len(quote.undecided), who=who(quote.undecided))
    if quote.unmeasured:
        yield t.count("srep.quote.unmeasured", len(quote.unmeasured), who=who(quote.unmeasured))
    if quote.uncertain:
        yield t.count("srep.quote.uncertain", len(quote.uncertain), who=who(quote.uncertain))


def _hours(quote: Quote, t: Words, f: Formats) -> Iterator[str]:
    """How much of it is done by hand, and whence the hours of either part are."""
    left = quote.left
    if left.changes and not quote.by_run.changes:
        yield t("srep.quote.left.all")
        return
    if left.changes:
        parts = {"run": quote.by_run.changes, "left": left.changes}
        told = {name: t.count("srep.quote.changes", number) for name, number in parts.items()}
        yield t("srep.quote.parts", **told, hours=f.duration(left.minutes))
    if quote.low is not None and quote.high is not None:
        between = {"low": f.duration(quote.low), "high": f.duration(quote.high)}
        yield t.count("srep.quote.mixed" if left.changes else "srep.quote.measured", len(quote.jobs), **between)
    else:
        yield t("srep.quote.table")
