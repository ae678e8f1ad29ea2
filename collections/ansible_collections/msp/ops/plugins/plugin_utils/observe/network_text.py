# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a network device printed to rows, with the names of what stood in between and could not be read.

Pure: text in, rows out; it reads nothing but the templates that ntc-templates carries in its own package. What a row
means is for network.py to judge.

The templates are run line by line here and not by ntc_templates.parse, which gives up a whole answer at the first line
that a template refuses: that line is named, and the rest is used.
"""

from __future__ import annotations

import io
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any
from xml.etree.ElementTree import ParseError

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.network_layouts import Layout, abbreviates
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Skip

try:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse
    from textfsm import TextFSM
except ImportError:  # pragma: no cover - in the lock file
    TextFSM = object

# The biggest switches know some hundred thousand addresses, a line of under a hundred characters each.
LARGEST = 32 * 1024 * 1024
# No device prints longer lines in its tables; templates take long over what is.
LONGEST_LINE = 1024
# So many places are named one by one for each reason.
NAMED = 5

Row = Mapping[str, object]


@dataclass(slots=True)
class Answer:
    """What was read of one answer: its rows, and what was not used, by reason."""

    rows: list[Row] = field(default_factory=list)
    lines: list[tuple[int, str]] = field(default_factory=list)  # what the rows were read from, with line numbers
    damage: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def skipped(self) -> tuple[Skip, ...]:
        """The damage as a person wants to read it: a reason, and where."""
        return tuple(Skip(_where(numbers), why) for why, numbers in self.damage.items())


def _where(numbers: Sequence[int]) -> str:
    if not any(numbers):
        return "the whole answer"
    named = ", ".join(str(number) for number in numbers[:NAMED])
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"line {named}" if len(numbers) == 1 else f"lines {named}{more}"


def read(content: bytes, layout: Layout, device: str, origin: str) -> Answer:
    """The rows of one answer, under the names that its template or reader uses."""
    answer = Answer()
    text = _text(content, origin)
    for number, line in enumerate(_printable(text).split("\n"), start=1):
        kept = _kept(line, number, layout, device, answer.damage)
        if kept is not None:
            answer.lines.append((number, kept))
    if kept is not None and kept.strip() and not layout.marked_up:
        answer.damage["the last line has no end: it may be cut off"].append(number)
    if not any(line.strip() for _number, line in answer.lines):
        if not answer.damage:
            answer.damage["an empty answer"].append(0)
        return answer
    reader = _OWN.get((layout.platform, layout.command), _through_template)
    reader(answer, layout)
    if not answer.rows and [0] not in answer.damage.values():
        answer.damage[f'no row of "{layout.command}" as {layout.platform} prints it'].append(0)
    return answer


# --- what a terminal adds ---

_ESCAPE = re.compile(r"\x1b\[[0-9;?]{0,20}([@-~])|\x1b[()][0-9A-Za-z]|\x1b[=>78]")
_PAGER = re.compile(
    r"[ \t\x08]*(?:<?-{1,4} ?\(?more ?(?:\d{1,3}%)?\)? ?-{1,4}>?"
    r"(?:, next page: space, next line: enter, quit: control-c)?"
    r"|press <space> to continue or <q> to quit:?)(?:[ \x08]*\x08)?",
    re.IGNORECASE,
)
# switch-1(config)#, user@switch-1>, [user@host ~]$
_PROMPT = re.compile(
    r"\s?(?:(?P<name>[\w.@:/~-]{1,64})(?: ?\([\w. -]{1,40}\))? ?[#>$]|\[[\w.@:/~ -]{1,80}\][#$]) ?(?P<rest>.*)"
)
# <switch-1> and [switch-1]
_COMWARE_PROMPT = re.compile(r"\s?[<\[](?P<name>[\w.@:/~-]{1,64})[>\]](?P<rest>.*)")
_COMWARE = ("hp_comware", "huawei_vrp")
_COMMAND = re.compile(
    r"(?:sh[a-z]*|di[a-z]*|get|exec[a-z]*|arp|ip|lldpctl|exit|quit|logout|term[a-z]*|en[a-z]*)(?: .*)?"
)
_REFUSAL = re.compile(
    r"\s*(?:%|error:|invalid (?:input|command)|syntax error|unknown (?:command|action|option)|unrecognized command"
    r"|incomplete command|ambiguous (?:command|input)|command fail|command parse error|permission denied"
    r"|lldp is not enabled|-?(?:ba|z|da)?sh: |\S{1,40}: command not found)",
    re.IGNORECASE,
)
# Junos says which of its routing engines answered; Cisco points at the word it did not know.
_OF_NO_INTEREST = re.compile(r"\s*(?:\{(?:master|backup|primary|secondary|linecard)[:\w]*\}|\^)\s*")


def _text(content: bytes, origin: str) -> str:
    if len(content) > LARGEST:
        raise MspError(
            "MSP-OBS-042",
            f"{origin} to be what a network device printed, at most {LARGEST // 2**20} MiB",
            f"{len(content) // 2**20} MiB",
            "give the answer to one command of one device",
        )
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"), (b"", "latin-1")):
        if content.startswith(mark):
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError:
                continue
            break
    if "\0" in text:
        raise MspError(
            "MSP-OBS-042", f"{origin} to be text that a network device printed", "bytes that are no text",
            "save the terminal's output as plain text",
        )  # fmt: skip
    return text


def _printable(text: str) -> str:
    """Line ends as one, and what moves the cursor gone; a jump to another line is a new line."""
    text = re.sub("\r+\n", "\n", text).replace("\r", "\n")
    text = _ESCAPE.sub(lambda found: "\n" if found[1] in ("H", "f") else "", text)
    return re.sub("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", text)


def _kept(line: str, number: int, layout: Layout, device: str, damage: dict[str, list[int]]) -> str | None:
    """A line of the answer itself, or None for one that is none; what that means for the answer is noted."""
    if len(line) > LONGEST_LINE:
        damage[f"longer than {LONGEST_LINE} characters"].append(number)
        return None
    pager = _PAGER.match(line)
    if pager is not None and len(line.strip()) > 0:
        damage["a pager had stopped the answer"].append(number)
        line = line[pager.end() :]
        if not line.strip():
            return None
    line = line.replace("\b", "")
    if _OF_NO_INTEREST.fullmatch(line):
        return None
    if _REFUSAL.match(line):
        damage[f'the device says "{_quoted(line)}"'].append(number)
        return None
    if _is_prompt(line, layout, device):
        damage["a prompt: what a terminal showed may be a part of the answer"].append(number)
        return None
    return line


def _is_prompt(line: str, layout: Layout, device: str) -> bool:
    """A prompt alone, one with a command behind it, or the echo of the command."""
    if abbreviates(line, layout.command):
        return True
    found = (_COMWARE_PROMPT if layout.platform in _COMWARE else _PROMPT).fullmatch(line)
    if found is None:
        return False
    rest = found["rest"].strip()
    ours = (found["name"] or "").casefold() == device.strip().casefold()
    return not rest or ours or abbreviates(rest, layout.command) or _COMMAND.fullmatch(rest.lower()) is not None


def _quoted(text: str) -> str:
    """A device's words, fit for a message."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return words if len(words) <= 60 else f"{words[:57]}..."


# --- through a template ---


class _Patient(TextFSM):  # type: ignore[misc]
    """A template that notes the lines it refuses, and goes on with the next."""

    def __init__(self, template: Any) -> None:
        super().__init__(template)
        self.refused: list[str] = []

    def _CheckRule(self, rule: Any, line: str) -> Any:
        matched = super()._CheckRule(rule, line)
        if matched and rule.line_op == "Error":
            self.refused.append(line)
            return None
        return matched


def _through_template(answer: Answer, layout: Layout) -> None:
    if TextFSM is object:
        raise MspError(
            "MSP-OBS-043", "ntc-templates, textfsm and defusedxml beside ansible-core", "they are not there",
            "run through ./msp, or install what requirements.lock names",
        )  # fmt: skip
    template = resources.files("ntc_templates") / "templates" / layout.template
    with template.open(encoding="utf-8") as file:
        machine = _Patient(file)
    names = [name.lower() for name in machine.header]
    values = machine.ParseText("\n".join(line for _number, line in answer.lines))
    answer.rows = [dict(zip(names, row, strict=True)) for row in values]
    at = 0
    for refused in machine.refused:
        # The same words may stand in several lines: then this is the next of them.
        at = next((place for place in range(at, len(answer.lines)) if answer.lines[place][1] == refused), at)
        answer.damage["no line of this table"].append(answer.lines[at][0])
        at = min(at + 1, len(answer.lines) - 1)


# --- readers of our own ---


def _ip_neigh(answer: Answer, _layout: Layout) -> None:
    """192.0.2.1 dev eth0 lladdr 00:00:5e:00:53:01 router REACHABLE"""
    for number, line in answer.lines:
        words = line.split()
        told = dict(itertools.pairwise(words[1:]))
        if not words:
            continue
        if "dev" not in told:
            answer.damage["no line of this table"].append(number)
            continue
        mac = told.get("lladdr", "incomplete")
        answer.rows.append({"ip_address": words[0], "mac_address": mac, "interface": told["dev"]})


def _junos_switching(answer: Answer, _layout: Layout) -> None:
    """VLAN, hardware address, flags or type, age and interface, in old and new Junos; other lines are headings."""
    for _number, line in answer.lines:
        words = line.split()
        if len(words) > 4 and _ADDRESS.fullmatch(words[1]):
            vlan = re.sub(r"(?i)^vlan(?=\d+$)", "", words[0])
            answer.rows.append(
                {"vlan_id": vlan, "mac_address": words[1], "type": words[2], "logical_interface": words[4]}
            )


def _junos_xml(answer: Answer, _layout: Layout) -> None:
    """<arp-table-entry> with mac-address, ip-address, hostname and interface-name, in any namespace."""
    text = "\n".join(line for _number, line in answer.lines)
    body = re.sub(r"^\s*<\?xml[^>]{0,200}\?>", "", text).encode("utf-8")
    try:
        for _event, element in iterparse(io.BytesIO(body), events=("end",)):
            if _local(element.tag) == "arp-table-entry":
                told = {_local(child.tag).replace("-", "_"): (child.text or "").strip() for child in element}
                told["interface"] = told.get("interface_name", "")
                answer.rows.append(told)
                element.clear()
    except ParseError as error:
        answer.damage[f"the XML ends or breaks here ({_quoted(str(error.msg))})"].append(
            _original(answer.lines, error.position[0])
        )
    except DefusedXmlException:
        answer.damage["XML that declares entities is not read"].append(0)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _original(lines: Sequence[tuple[int, str]], place: int) -> int:
    return lines[min(max(place, 1), len(lines)) - 1][0]


_KEYVALUE = re.compile(
    r"lldp\.(?P<interface>.+?)\.(?P<key>via|rid|age|ttl\.ttl|(?:chassis|port|vlan|lldp-med|unknown-tlvs|ppvid|pi)\b.*?)"
    r"=(?P<value>.*)"
)
# Keys of lldpctl, and what they are called here. The name of a far port before its description before its number.
_LLDPCTL = {
    "chassis.mac": "chassis_id",
    "chassis.name": "neighbor_name",
    "chassis.descr": "neighbor_description",
    "chassis.mgmt-ip": "mgmt_address",
    "port.ifname": "neighbor_port_id",
    "port.descr": "neighbor_interface",
    "port.local": "remote_port",
    "port.mac": "mac_address",
    "vlan.vlan-id": "vlan_id",
    "lldp-med.inventory.serial": "serial",
    "lldp-med.inventory.manufacturer": "manufacturer",
    "lldp-med.inventory.model": "platform",
}


def _lldpctl(answer: Answer, _layout: Layout) -> None:
    """lldp.eth0.chassis.name=switch-1: a line a value. "via" begins a neighbour; a description may go on below."""
    told: dict[str, list[str]] = {}
    last: list[str] = []
    for number, line in answer.lines:
        found = _KEYVALUE.fullmatch(line.strip())
        if found is None:
            if last and not line.startswith("lldp."):
                last[-1] = f"{last[-1]} {line.strip()}"
            elif line.strip():
                answer.damage["no line of this table"].append(number)
            continue
        interface, key, value = found["interface"], found["key"], found["value"]
        if key == "via" or told.get("local_interface") != [interface]:
            told = {"local_interface": [interface]}
            answer.rows.append(told)
        last = []
        if key in _LLDPCTL and value.strip():
            values = told.setdefault(_LLDPCTL[key], [])
            values.append(value.strip())
            last = values if key.endswith("descr") else []
        elif key.startswith("chassis.") and key.endswith(".enabled") and value.strip() == "on":
            told.setdefault("capabilities", []).append(key.split(".")[1])


_OWN = {
    ("linux", "ip neigh"): _ip_neigh,
    ("juniper_junos", "show ethernet-switching table"): _junos_switching,
    ("juniper_junos", "show arp | display xml"): _junos_xml,
    ("linux", "lldpctl -f keyvalue"): _lldpctl,
}

# --- what rows must not have missed ---

_ADDRESS = re.compile(
    r"(?<![0-9a-z.:-])(?:[0-9a-f]{4}[.-][0-9a-f]{4}[.-][0-9a-f]{4}|[0-9a-f]{6}-[0-9a-f]{6}"
    r"|[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5})(?![0-9a-z:-])",
    re.IGNORECASE,
)


def addresses_in(lines: Iterable[tuple[int, str]]) -> Iterable[tuple[int, str]]:
    """Every hardware address that stands in the text, with its line: some templates pass over lines without a word."""
    for number, line in lines:
        for found in _ADDRESS.finditer(line):
            yield number, found[0]
