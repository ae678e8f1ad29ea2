# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0010: telling. What goes to people and to tickets, and answers that were drafted for tickets.

Never changed after a release, and never imports the present schema: it says what revision 0010 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

APPEND_ONLY = ("messages", "message_outcomes", "answer_drafts", "answer_decisions")


def upgrade() -> None:
    _outbox()
    _answers()
    _append_only()


def _outbox() -> None:
    op.create_table(
        "messages",
        sa.Column("key", sa.Text(), primary_key=True),
        *_texts("customer", "kind", "channel", "subject", "body"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_messages_customer_recorded_at", "messages", ["customer", "recorded_at"])
    op.create_table(
        "message_work",
        sa.Column("key", sa.Text(), sa.ForeignKey("messages.key"), primary_key=True),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger()),
    )
    op.create_index("ix_message_work_due", "message_work", ["due"])
    op.create_table(
        "message_outcomes",
        sa.Column("key", sa.Text(), sa.ForeignKey("messages.key"), primary_key=True),
        sa.Column("fence", sa.BigInteger(), primary_key=True),
        *_texts("outcome", "ref", "reason"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )


def _answers() -> None:
    op.create_table(
        "answer_drafts",
        sa.Column("key", sa.Text(), primary_key=True),
        *_texts("customer", "source", "ref", "problem", "language", "text", "why"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_answer_drafts_customer_recorded_at", "answer_drafts", ["customer", "recorded_at"])
    op.create_table(
        "answer_decisions",
        sa.Column("draft", sa.Text(), sa.ForeignKey("answer_drafts.key"), primary_key=True),
        *_texts("decision", "by", "reason", "text"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "ticket_positions",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
    )


def _texts(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.Text(), nullable=False) for name in names)


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
