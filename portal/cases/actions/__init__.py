"""The verbs of a case: each holds the case, checks the rules, changes rows and records its event, in one transaction.

``core`` is the one way a case moves; ``opening`` starts cases and ``linking`` those that belong to others, ``custody``
and ``movement`` pass them on, ``promising`` keeps and watches promises, ``waiting`` reminds and closes, ``notes`` says
and attaches, ``authorizing`` asks the payer, ``changing`` severity and kind of help, ``correcting`` what was said,
``reclassifying`` lets severity be disputed, ``resolution``, ``challenge`` and ``closing`` end them, ``history`` serves
a new integrator. Forms carry ``seq``; an action refuses a stale one and names what happened since.
"""

from portal.cases.actions.authorizing import (
    ask_authorization,
    ask_beyond_limit,
    authorize,
    authorize_spoken,
    begin_emergency,
    billable_begins,
    refuse_authorization,
    use_standing,
)
from portal.cases.actions.beginning import NewCase, checklist
from portal.cases.actions.challenge import (
    challenge,
    climb_due,
    climb_ladder,
    decide_as_neutral,
    propose_outcome,
    withdraw_challenge,
)
from portal.cases.actions.changing import (
    buy_cover,
    change_severity,
    change_task_class,
    confirm_known_issue,
    cover_anew,
    link_known_issue,
    open_known_issue,
)
from portal.cases.actions.closing import close_case, close_due, confirm_fixed
from portal.cases.actions.correcting import correct_circumstances
from portal.cases.actions.custody import (
    accept_by_link,
    accept_by_phone,
    accept_custody,
    answer_information,
    ask_information,
    decline_custody,
    hand_back,
    offer_custody,
    pause,
    resume,
    return_offers_of,
    take_back,
    withdraw_offer,
    withdraw_question,
)
from portal.cases.actions.history import hand_over_history, hand_over_later_cases
from portal.cases.actions.intake import answer_checklist, unanswered
from portal.cases.actions.linking import follow_up, open_sister
from portal.cases.actions.notes import (
    NewNote,
    NewUpload,
    add_note,
    attach_files,
    drop_upload,
    keep_upload,
    own_uploads,
    set_reference,
    stale_uploads,
)
from portal.cases.actions.opening import (
    check_new_case,
    coverage_before,
    escalate,
    log_call,
    open_by_contact,
    record_coverage,
)
from portal.cases.actions.promising import cases_to_watch, keep_promise, watch_case
from portal.cases.actions.reclassifying import (
    answer_severity,
    challenge_severity,
    decide_severity,
)
from portal.cases.actions.resolution import (
    Resolving,
    answer_silence,
    confirm,
    deemed_due_at,
    reopen,
    resolve,
    restart_clocks,
    undo_deemed,
    weights_for,
)
from portal.cases.actions.waiting import questions_to_watch, remind_of_closing, watch_question

__all__ = [
    "NewCase",
    "NewNote",
    "NewUpload",
    "Resolving",
    "accept_by_link",
    "accept_by_phone",
    "accept_custody",
    "add_note",
    "answer_checklist",
    "answer_information",
    "answer_severity",
    "answer_silence",
    "ask_authorization",
    "ask_beyond_limit",
    "ask_information",
    "attach_files",
    "authorize",
    "authorize_spoken",
    "begin_emergency",
    "billable_begins",
    "buy_cover",
    "cases_to_watch",
    "challenge",
    "challenge_severity",
    "change_severity",
    "change_task_class",
    "check_new_case",
    "checklist",
    "climb_due",
    "climb_ladder",
    "close_case",
    "close_due",
    "confirm",
    "confirm_fixed",
    "confirm_known_issue",
    "correct_circumstances",
    "cover_anew",
    "coverage_before",
    "decide_as_neutral",
    "decide_severity",
    "decline_custody",
    "deemed_due_at",
    "drop_upload",
    "escalate",
    "follow_up",
    "hand_back",
    "hand_over_history",
    "hand_over_later_cases",
    "keep_promise",
    "keep_upload",
    "link_known_issue",
    "log_call",
    "offer_custody",
    "open_by_contact",
    "open_known_issue",
    "open_sister",
    "own_uploads",
    "pause",
    "propose_outcome",
    "questions_to_watch",
    "record_coverage",
    "refuse_authorization",
    "remind_of_closing",
    "reopen",
    "resolve",
    "restart_clocks",
    "resume",
    "return_offers_of",
    "set_reference",
    "stale_uploads",
    "take_back",
    "unanswered",
    "undo_deemed",
    "use_standing",
    "watch_case",
    "watch_question",
    "weights_for",
    "withdraw_challenge",
    "withdraw_offer",
    "withdraw_question",
]
