# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0008: access. Who could log in where with what, whenever somebody looked.

Never changed after a release, and never imports the present schema: it says what revision 0008 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

APPEND_ONLY = ("access_checks",)


def upgrade() -> None:
    op.create_table(
        "access_checks",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("facts_id", _number(), sa.ForeignKey("facts.id")),
        sa.Column("error", sa.Text()),
        sa.Column("run", sa.Text()),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("customer", "asset", "at", "outcome"),
    )
    op.create_index("ix_access_checks_facts_id", "access_checks", ["facts_id"])
    _append_only()


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _append_only() -> None:
    """An event that was written is never changed, whoever tries. Retention may delete it."""
    for table in APPEND_ONLY:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION msp_append_only()"
            )
        else:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
