# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0007: security. Who did what with secrets and logins, and the escrow's ciphertexts.

Never changed after a release, and never imports the present schema: it says what revision 0007 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APPEND_ONLY = ("security_events", "escrow_secrets", "escrow_marks")


def upgrade() -> None:
    op.create_table(
        "security_events",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_security_events_customer_asset", "security_events", ["customer", "asset"])
    op.create_table(
        "escrow_secrets",
        *_version(),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "escrow_marks",
        *_version(),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    _append_only()


def _version() -> tuple[sa.Column[str], ...]:
    names = ("customer", "asset", "purpose", "name", "version")
    return tuple(sa.Column(name, sa.Text(), primary_key=True) for name in names)


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
