"""The tasks: one per job name, each a few lines that call an action; and the schedule.

A sweep (``every=...``) finds facts whose job was lost and enqueues it again; it never does the work itself.
"""

from __future__ import annotations

import portal.worker.adjustment_tasks
import portal.worker.billing_tasks
import portal.worker.case_tasks
import portal.worker.company_tasks
import portal.worker.history_tasks
import portal.worker.leaver_tasks
import portal.worker.mail_tasks
import portal.worker.payment_tasks
import portal.worker.people_tasks
import portal.worker.security_tasks
import portal.worker.self_billing_tasks
import portal.worker.selling_tasks
import portal.worker.settlement_tasks
import portal.worker.whatif_tasks  # noqa: F401
