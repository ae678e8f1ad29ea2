"""The worker of NetBox's background jobs in a lab. Runs in NetBox's environment.

It does each job itself. RQ's usual worker makes a process for each, and each object that is written is a job: on a
machine of two processors that takes more than writing it.
"""

from django.db import close_old_connections
from rq import Queue, SimpleWorker
from rq.job import Job


class Worker(SimpleWorker):
    """RQ's worker without processes, which notices that its database was brought back to an earlier state."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        close_old_connections()
        super().execute_job(job, queue)
