# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0003: the ids that matches taught, by which an asset is known again.

Never changed after a release, and never imports the present schema: it says what revision 0003 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "remembered",
        sa.Column("customer", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), primary_key=True),
        sa.Column("asset", sa.Text(), nullable=False),
    )
    op.create_index("ix_remembered_customer_asset", "remembered", ["customer", "asset"])
