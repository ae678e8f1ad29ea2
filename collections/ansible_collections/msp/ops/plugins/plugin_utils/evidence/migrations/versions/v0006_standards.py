# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0006: standards. What an asset's controls were whenever somebody looked, and what is installed where.

Never changed after a release, and never imports the present schema: it says what revision 0006 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

APPEND_ONLY = ("standard_checks", "control_changes")


def upgrade() -> None:
    _standards()
    _software()
    _append_only()


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _said() -> tuple[sa.Column[str], ...]:
    names = ("status", "standard", "severity", "desired", "found", "reason")
    return tuple(sa.Column(name, sa.Text(), nullable=False) for name in names)


def _standards() -> None:
    op.create_table(
        "standard_checks",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("standard", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("facts_id", _number(), sa.ForeignKey("facts.id")),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("run", sa.Text()),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("customer", "asset", "at", "phase"),
    )
    op.create_index("ix_standard_checks_facts_id", "standard_checks", ["facts_id"])
    op.create_table(
        "control_changes",
        sa.Column("customer", sa.Text(), primary_key=True),
        sa.Column("asset", sa.Text(), primary_key=True),
        sa.Column("control", sa.Text(), primary_key=True),
        sa.Column("at", sa.BigInteger(), primary_key=True),
        sa.Column("phase", sa.Text(), primary_key=True),
        *_said(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "control_states",
        sa.Column("customer", sa.Text(), primary_key=True),
        sa.Column("asset", sa.Text(), primary_key=True),
        sa.Column("control", sa.Text(), primary_key=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        *_said(),
        sqlite_with_rowid=False,
    )


def _software() -> None:
    op.create_table(
        "packages",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.UniqueConstraint("name", "version", "architecture", "platform", "origin"),
    )
    op.create_table(
        "package_lists",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("facts_hash", sa.Text(), nullable=False),
        sa.UniqueConstraint("customer", "asset"),
    )
    op.create_table(
        "software",
        sa.Column("list_id", _number(), sa.ForeignKey("package_lists.id"), primary_key=True),
        sa.Column("package_id", _number(), sa.ForeignKey("packages.id"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_software_package_id", "software", ["package_id"])


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
