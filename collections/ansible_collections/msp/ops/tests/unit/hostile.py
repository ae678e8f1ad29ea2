# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a hostile host, source or person may say, and the ways to say it in every place of a record.

TEXTS          one of each kind: template, markup, shell, formula, escape sequence, Markdown, path, line break, ...
anything       strategy: any of them, in and around other text
places(record) the way to every text in a record: dataclasses, mappings, lists, tuples and sets of them
put(record, place, text)
               the same record with another text there
Markup         the tags and attributes of a page
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

TEXTS = (
    "{{ 7 * 7 }}{% for x in y %}{# c #}",
    "{{ lookup('pipe', 'touch /tmp/msp-hostile') }}",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'><b onmouseover=alert(1)>",
    "</td></tr></table><iframe src=//evil.example>",
    "--></style><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "$(touch /tmp/msp-hostile)`touch /tmp/msp-hostile`;touch /tmp/msp-hostile|&&",
    "-rf --help\t-oProxyCommand=touch",
    '=HYPERLINK("http://evil.example","click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "\x1b[2J\x1b]0;title\x07\x1b[31mred",
    "\x9b31mred\x90q\x9c",
    "a\rb\nMSP-XXX-001: forged line\n\n# heading",
    "![i](http://evil.example/i.png) [l](javascript:alert(1)) **b** `c` ~~d~~ | e |",
    "\u202egnp.exe \u2066x\u2069 \u200bzero\ufeff",
    "../../../../etc/passwd",
    "%s%n{0}{0.__class__}%(x)s",
    "' OR '1'='1'; DROP TABLE audits; --",
    "&lt;script&gt;&#60;b&#62;&amp;",
    "🐴ẛ̣\u0300é日本語",
    "A" * 5000,
    " ",
)

anything = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=40),
    st.tuples(st.text(max_size=8), st.sampled_from(TEXTS), st.text(max_size=8)).map("".join),
)

Place = tuple[Any, ...]


def places(record: Any, before: Place = ()) -> Iterator[Place]:
    """The way to every text. Keys of mappings are names that we gave, and no texts."""
    if isinstance(record, str):
        yield before
    elif dataclasses.is_dataclass(record) and not isinstance(record, type):
        for one in dataclasses.fields(record):
            if one.init:
                yield from places(getattr(record, one.name), (*before, one.name))
    elif isinstance(record, Mapping):
        for key, value in record.items():
            yield from places(value, (*before, key))
    elif isinstance(record, list | tuple):
        for number, value in enumerate(record):
            yield from places(value, (*before, number))
    elif isinstance(record, set | frozenset):
        for value in sorted(record, key=repr):
            yield from places(value, (*before, value))


def put(record: Any, place: Place, text: str) -> Any:
    if not place:
        return text
    first, rest = place[0], place[1:]
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return dataclasses.replace(record, **{first: put(getattr(record, first), rest, text)})
    if isinstance(record, Mapping):
        return {**record, first: put(record[first], rest, text)}
    if isinstance(record, set | frozenset):
        return type(record)([*(record - {first}), put(first, rest, text)])
    values = [put(value, rest, text) if number == first else value for number, value in enumerate(record)]
    return type(record)(*values) if hasattr(record, "_fields") else type(record)(values)


class Markup(HTMLParser):
    """The elements of a page, each with the names of its attributes; where links lead; the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[tuple[str, str]] = set()
        self.links: set[str] = set()
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements |= {(tag, ""), *((tag, name) for name, _value in attrs)}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src", "action", "formaction", "data")}

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_comment(self, _data: str) -> None:
        self.elements.add(("<!--", ""))

    def handle_pi(self, _data: str) -> None:
        self.elements.add(("<?", ""))
