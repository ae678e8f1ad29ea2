# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people are told, in words. Pure.

What a host or an alert says is data: it comes to one line, of a length that somebody reads.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import Result

SENTENCES = 20
LONGEST = 300
SUBJECT = 120


def gave_up(result: Result, language: str, zone: ZoneInfo) -> tuple[str, str]:
    """Subject and text for the one who has to go on."""
    t = Words(language)
    subject = one_line(t("tell.gave_up", host=result.host, title=result.title), SUBJECT)
    facts = {"customer": result.customer, "host": result.host, "at": _clock(result.at, zone)}
    head = [one_line(t(f"tell.{name}", **{name: value})) for name, value in facts.items()]
    parts = [[t("tell.gave_up.intro")], head]
    if result.reason:
        parts.append([t("tell.why"), f"  {one_line(result.reason)}"])
    parts += [[t(f"tell.{name}"), *_listed(said, t)] for name, said in _said(result) if said]
    return subject, "\n\n".join("\n".join(part) for part in parts) + "\n"


def mended(result: Result, language: str, zone: ZoneInfo) -> str:
    """One line for the text of a day, with what was done below it."""
    t = Words(language)
    line = t("tell.mended", at=_clock(result.at, zone), host=result.host, title=result.title)
    return "\n".join([one_line(line), *_listed(result.did, t)])


def day(lines: Sequence[str], customer: str, language: str) -> tuple[str, str]:
    """Subject and text of what was mended in a day."""
    t = Words(language)
    subject = one_line(t.count("tell.day", len(lines), customer=customer), SUBJECT)
    return subject, "\n\n".join([t("tell.day.intro"), *lines]) + "\n"


def one_line(text: str, longest: int = LONGEST) -> str:
    """A text on one line, without characters that steer, cut where it gets long."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def _said(result: Result) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("found", result.found), ("did", result.did))


def _listed(sentences: Sequence[str], t: Words) -> list[str]:
    lines = [f"  - {one_line(sentence)}" for sentence in sentences[:SENTENCES]]
    more = len(sentences) - SENTENCES
    return [*lines, *([f"  {t('tell.more', n=more)}"] if more > 0 else [])]


def _clock(at: dt.datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"
