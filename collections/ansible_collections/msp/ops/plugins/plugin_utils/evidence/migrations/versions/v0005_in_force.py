# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0005: of a scan also which machine answered, what it is blind for, and what is not in force yet.

Never changed after a release, and never imports the present schema: it says what revision 0005 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("patch_scans", sa.Column("machine_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("patch_scans", sa.Column("blind", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("patch_scans", sa.Column("booted_at", sa.BigInteger()))
    op.add_column("patch_scans", sa.Column("reboot", sa.Text()))
    op.add_column("patch_scans", sa.Column("services", sa.Text()))
