# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hands a verification over: the report as HTML, the sheet as XLSX, and the sheet's record in the evidence store.

A sheet file that exists is never written again: somebody may have filled it in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.desk import files
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sheet
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.verification import page, workbook
from ansible_collections.msp.ops.plugins.plugin_utils.verification.sheet import SheetDocument, document
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification


@dataclass(frozen=True, slots=True)
class Handover:
    """What was written where. changed is False when both files were there already and say the same."""

    report: Path
    sheet: Path
    sheet_id: str
    changed: tuple[str, ...]

    def as_dict(self, verification: Verification) -> dict[str, Any]:
        """The result of msp.ops.verification_report."""
        return {
            "changed": bool(self.changed),
            "report": str(self.report),
            "sheet": str(self.sheet),
            "sheet_id": self.sheet_id,
            "counts": asdict(verification.counts),
            "questions": len(verification.questions),
        }


def hand_over(store: Store, verification: Verification, folder: Path, *, dry_run: bool = False) -> Handover:
    """Write what is not there yet. With dry_run nothing is written, and the answer says what would be."""
    slug = verification.customer.slug
    waiting = [(s.id, s.written, s.digest) for s in store.sheets(slug) if s.applied is None]
    sheet = document(verification, waiting)
    report = folder / slug / f"verification-{verification.today:%Y-%m-%d}.html"
    target = folder / slug / f"{sheet.id}.xlsx"
    body = page.page(verification, sheet.id).encode()
    changed = []
    if not files.holds(report, body):
        changed.append(str(report))
        if not dry_run:
            files.write(report, body)
    if not target.exists():
        changed.append(str(target))
        if not dry_run:
            # Recorded first: a sheet that is in somebody's hands must be one that we know.
            store.record_sheet(_record(sheet))
            files.write(target, workbook.write(sheet, verification))
    return Handover(report, target, sheet.id, tuple(changed))


def _record(sheet: SheetDocument) -> Sheet:
    return Sheet(id=sheet.id, customer=sheet.customer, written=sheet.written, digest=sheet.digest)
