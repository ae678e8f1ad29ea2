# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The commands that are read, against the templates that ntc-templates really has."""

from __future__ import annotations

from importlib import resources

import pytest
from textfsm import TextFSM

from ansible_collections.msp.ops.plugins.plugin_utils.observe.network_layouts import (
    ALIASES,
    COLUMNS,
    COMMANDS,
    CUT,
    OF_THE_PORT,
    OWN,
    TEMPLATES,
    Table,
    abbreviates,
    layout,
)

EVERY = [(platform, command) for platform, commands in COMMANDS.items() for command in commands]
# Without these a row is no row of that table: one of each group.
NEEDED = {
    Table.MACS: (("mac",), ("port",)),
    Table.ARP: (("mac",), ("address",)),
    Table.LLDP: (("port",), ("name", "chassis")),
    Table.LEASES: (("mac",), ("address",)),
}


@pytest.mark.parametrize(("platform", "command"), [one for one in EVERY if one not in OWN])
def test_every_command_has_a_template_with_the_columns_that_its_table_needs(platform: str, command: str) -> None:
    found = layout(platform, command)

    file = resources.files("ntc_templates") / "templates" / found.template
    with file.open() as template:
        header = {name.lower() for name in TextFSM(template).header}
    for group in NEEDED[found.table]:
        assert any(name in header for column in group for name in COLUMNS[found.table][column])


@pytest.mark.parametrize(("platform", "command"), EVERY)
def test_a_command_in_full_is_itself_and_no_other(platform: str, command: str) -> None:
    found = layout(platform, command)

    assert (found.platform, found.command) == (platform, command)


def test_what_is_said_of_a_command_is_said_of_one_that_is_read() -> None:
    assert {*OWN, *CUT, *OF_THE_PORT, *TEMPLATES} <= set(EVERY)
    assert set(ALIASES.values()) <= set(COMMANDS)
    assert not set(ALIASES) & set(COMMANDS)


@pytest.mark.parametrize(
    ("text", "command", "same"),
    [
        ("sh mac add", "show mac address-table", True),
        ("SHOW  MAC  ADDRESS-TABLE", "show mac address-table", True),
        ("show mac", "show mac address-table", False),
        ("show mac address-table dynamic", "show mac address-table", False),
        ("show arp", "show ip arp", False),
        ("", "show arp", False),
    ],
)
def test_a_command_may_be_abbreviated_word_by_word(text: str, command: str, same: bool) -> None:
    assert abbreviates(text, command) is same
