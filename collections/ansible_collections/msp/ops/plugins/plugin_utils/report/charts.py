# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small charts as inline SVG without script or style attribute, so that they show under a strict content policy. Pure.

A chart repeats what a table beside it says; a screen reader gets its title. Colours are classes of the style sheet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar. tone is the name of a colour in style.css."""

    label: str
    value: int
    tone: str


def stacked_bar(parts: Sequence[Part], title: str) -> Markup:
    """One bar, divided. A part that is not zero stays visible however small it is."""
    shown = [part for part in parts if part.value > 0]
    total = sum(part.value for part in shown)
    if not total:
        return Markup("")
    width, gap = 600.0, 3.0
    room = width - gap * (len(shown) - 1)
    smallest = 10.0
    sizes = [max(smallest, room * part.value / total) for part in shown]
    scale = room / sum(sizes)
    out, x = [], 0.0
    for part, size in zip(shown, sizes, strict=True):
        out.append(
            Markup('<rect class="fill-{}" x="{:.1f}" y="0" width="{:.1f}" height="14" rx="3"/>').format(
                part.tone, x, size * scale
            )
        )
        x += size * scale + gap
    return Markup(
        '<svg class="bar" viewBox="0 0 600 14" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(title, Markup("").join(out))


def timeline(end: dt.date, today: dt.date, tone: str, title: str, *, years: int = 4) -> Markup:
    """A short track from a year ago to years - 1 ahead with today marked: is the end behind or before us."""
    first = today - dt.timedelta(days=365)
    span = 365.0 * years
    here = 100 * (today - first).days / span
    there = min(100.0, max(1.5, 100 * (end - first).days / span))
    return Markup(
        '<svg class="track" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="fill-line" x="0" y="3.5" width="100" height="3" rx="1.5"/>'
        '<rect class="fill-{}" x="{:.2f}" y="3.5" width="{:.2f}" height="3" rx="1.5"/>'
        '<rect class="fill-ink" x="{:.2f}" y="0" width="0.8" height="10"/></svg>'
    ).format(title, escape(tone), min(here, there), abs(there - here), here - 0.4)


@dataclass(frozen=True, slots=True)
class Point:
    """From at on, share (0 to 1) of something was so; None where nobody knows."""

    at: dt.datetime
    share: float | None


def course(points: Sequence[Point], end: dt.datetime, tone: str, title: str) -> Markup:
    """A share over time in steps, from the first point to end, oldest first: the top of the chart is all of it.

    Where nobody knows there is a gap, never a line.
    """
    if not points or end <= points[0].at:
        return Markup("")
    first = points[0].at
    width, height, margin = 300.0, 48.0, 3.0
    span = (end - first) / width
    lines: list[str] = []
    areas: list[str] = []
    level: float | None = None
    for point, until in zip(points, [*(one.at for one in points[1:]), end], strict=True):
        x0, x1 = (point.at - first) / span, (until - first) / span
        if point.share is None:
            level = None
            continue
        y = margin + (height - 2 * margin) * (1 - point.share)
        lines.append(f"{'M' if level is None else 'L'}{x0:.1f} {y:.1f}H{x1:.1f}")
        areas.append(f"M{x0:.1f} {height:.1f}V{y:.1f}H{x1:.1f}V{height:.1f}Z")
        level = y
    return Markup(
        '<svg class="course" viewBox="0 0 300 48" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="fill-wash" x="0" y="0" width="300" height="48" rx="4"/>'
        '<path class="area-{}" d="{}"/><path class="line-{}" d="{}"/></svg>'
    ).format(title, tone, "".join(areas), tone, "".join(lines))
