# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether data of standards and controls has its form: each kind of them has one code for all that is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract import forms
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, Source

LIBRARY = "MSP-STD-001"


def violations(
    data: Any, form: Mapping[str, Any], here: Path, code: str, source: Source | None = None
) -> Iterator[MspError]:
    """Every way in which data has not the form, as contract/forms.py tells it."""
    return forms.violations(data, form, here, forms.Codes(LIBRARY, code, code, code), source)
