# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0009: events. What came in, who works on it, what became of it; and what runbooks did.

Never changed after a release, and never imports the present schema: it says what revision 0009 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

APPEND_ONLY = ("incoming_events", "event_outcomes", "runbook_runs", "runbook_outcomes")


def upgrade() -> None:
    _events()
    _runbooks()
    _append_only()


def _events() -> None:
    op.create_table(
        "incoming_events",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_incoming_events_recorded_at", "incoming_events", ["recorded_at"])
    op.create_table(
        "event_work",
        sa.Column("event", sa.Text(), sa.ForeignKey("incoming_events.id"), primary_key=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
    )
    op.create_index("ix_event_work_due", "event_work", ["due"])
    op.create_index("ix_event_work_subject", "event_work", ["subject"])
    op.create_table(
        "event_outcomes",
        sa.Column("event", sa.Text(), sa.ForeignKey("incoming_events.id"), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("work", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_event_outcomes_customer_asset", "event_outcomes", ["customer", "asset", "at"])


def _runbooks() -> None:
    op.create_table(
        "runbook_runs",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("runbook", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("event", sa.Text()),
        sa.Column("run", sa.Text()),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_runbook_runs_customer_asset", "runbook_runs", ["customer", "asset", "at"])
    op.create_index("ix_runbook_runs_runbook", "runbook_runs", ["runbook", "at"])
    op.create_table(
        "runbook_outcomes",
        sa.Column("key", sa.Text(), sa.ForeignKey("runbook_runs.key"), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("minutes_by_hand", sa.Float(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )


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
