/* handover: the state machine of a formal migration, as one table; pure. Source and target each run one; the
 * daemon performs the actions and feeds the outcomes back as events. tests/faults walks the table, so no
 * state escapes a fault test.
 *
 * Ownership. The source owns the guest. It gives it up in two journalled steps (both fsynced before the
 * message that follows): source  RELEASED   it will not run the guest unless the target says REFUSED ->
 * COMMIT target  OWNED      it has taken the guest: THE commit point                            -> resume,
 * COMMITTED target  REFUSED    it has not and never will (its VMM died, operator ...)              ->
 * REFUSED, source resumes A target that has LOADED and loses the source waits (never runs, never forgets) and
 * asks (QUERY); a source that has RELEASED and loses the target waits and asks. Everything before RELEASED is
 * the source's alone to undo. After OWNED the source never runs it. docs/DECISIONS.md says why the commit
 * point lies at the target; tests/unit/move/handover.pml is the Promela model. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hb_role { HB_ROLE_SOURCE, HB_ROLE_TARGET };

enum hb_ho_state {
        /* source */
        HB_S_PREPARE,  /* target's VMM is being made ready; local checks */
        HB_S_CONVERGE, /* draining until the estimate is below max downtime */
        HB_S_FREEZE,   /* guest being stopped */
        HB_S_DELTA,    /* final scan announced, target completes the image */
        HB_S_STATE,    /* device state flows */
        HB_S_LOADED,   /* sent; wait for the target's LOADED */
        HB_S_RELEASE,  /* journalling RELEASED */
        HB_S_COMMIT,   /* COMMIT sent; wait for COMMITTED or REFUSED */
        HB_S_DOUBT,    /* released and the link is gone: ask until answered */
        HB_S_FINISH,   /* committed: end the local VMM */
        HB_S_ABORT,    /* undoing: thaw, tell the target */
        HB_S_DONE,     /* end: moved */
        HB_S_ABORTED,  /* end: guest runs here as before */
        HB_S_DEAD,     /* end: the guest's VMM died under us (its own death), reported */
        HB_S_KEPT,     /* end: the target took it and its VMM died there; the frozen copy here is kept for the
                          operator */
        /* target */
        HB_T_PREPARE,  /* start or find the VMM, check it */
        HB_T_PREPARED, /* VMM takes device state as it comes; waits for freeze */
        HB_T_DELTA,    /* frozen: image being completed */
        HB_T_STATE,    /* image complete; device state comes in */
        HB_T_JOURNAL,  /* VMM confirms that it has loaded; journalling LOADED */
        HB_T_LOADED,   /* waits for COMMIT */
        HB_T_DOUBT,    /* loaded, source gone: ask until answered */
        HB_T_TAKE,     /* VMM still there? journalling OWNED */
        HB_T_RESUME,   /* owned: cont */
        HB_T_UNLOAD,   /* loaded but not taken: ending the VMM, after which it can never run here */
        HB_T_REFUSE,   /* journalling REFUSED */
        HB_T_ABORT,    /* ending the VMM, image back to placement */
        HB_T_DONE,     /* end: runs here */
        HB_T_ABORTED,  /* end */
        HB_T_DEAD, /* end: VMM died after OWNED: the guest's own death, reported; source keeps its frozen copy
                      for the operator */
        HB_HO_STATES
};

enum hb_ho_event {
        HB_EV_START,
        HB_EV_OK,   /* the state's action succeeded */
        HB_EV_FAIL, /* ... failed */
        HB_EV_TIMEOUT,
        HB_EV_LINK_LOST,
        HB_EV_LINK_BACK,
        HB_EV_OPERATOR_ABORT,
        HB_EV_VMM_GONE,
        HB_EV_CANNOT_CONVERGE,
        HB_EV_MSG_PREPARED,
        HB_EV_MSG_FREEZE,
        HB_EV_MSG_COMPLETE,
        HB_EV_MSG_STATE_END,
        HB_EV_MSG_LOADED,
        HB_EV_MSG_COMMIT,
        HB_EV_MSG_COMMITTED,
        HB_EV_MSG_REFUSED,
        HB_EV_MSG_ABORT,
        HB_EV_MSG_ABORTED,
        HB_EV_VERDICT_COMMITTED,
        HB_EV_VERDICT_REFUSED,
        HB_EV_VERDICT_ABORTED,
        HB_EV_VERDICT_PENDING,
        HB_EV_VERDICT_UNKNOWN,
        HB_EV_VERDICT_DEAD, /* taken, and its VMM died over there */
        HB_EV_RECOVER,      /* daemon restarted: journal says we were in this state */
        HB_HO_EVENTS
};

/* What to do on entering the new state, in this order; each blocks nobody: done by the daemon's worker. */
enum hb_ho_action {
        HB_ACT_NONE,
        /* source */
        HB_ACT_CHECK_SOURCE, /* port->prepare_source */
        HB_ACT_SEND_PREPARE,
        HB_ACT_CONVERGE,
        HB_ACT_FREEZE,     /* port->stream, tunnel, port->freeze; bytes flow from here on */
        HB_ACT_FINAL_SCAN, /* and announce W(f) */
        HB_ACT_SEND_FREEZE,
        HB_ACT_SEND_STATE,     /* port->send_state */
        HB_ACT_SEND_STATE_END, /* after the last byte of the stream */
        HB_ACT_JOURNAL_RELEASED,
        HB_ACT_SEND_COMMIT,
        HB_ACT_SEND_QUERY,
        HB_ACT_QUIT_VMM,
        HB_ACT_THAW,
        HB_ACT_SEND_ABORT,
        HB_ACT_FINISHED, /* end: close the journal's entry, history, free */
        /* target */
        HB_ACT_START_VMM,     /* start or find it; port->prepare_target */
        HB_ACT_RECEIVE_START, /* port->stream, receive_start */
        HB_ACT_SEND_PREPARED,
        HB_ACT_COMPLETE_IMAGE,
        HB_ACT_SEND_COMPLETE,
        HB_ACT_RECEIVE_STATE, /* port->receive_wait */
        HB_ACT_JOURNAL_LOADED,
        HB_ACT_SEND_LOADED,
        HB_ACT_JOURNAL_OWNED,
        HB_ACT_RESUME,
        HB_ACT_SEND_COMMITTED,
        HB_ACT_JOURNAL_REFUSED,
        HB_ACT_SEND_REFUSED,
        HB_ACT_SEND_ABORTED,
        HB_ACT_SEND_DEAD,    /* an unasked verdict: taken and dead */
        HB_ACT_CHECK_LOADED, /* port->receive_wait once more; after a restart, open it first */
        HB_HO_ACTIONS
};

/* How to drive the table.
 * - OK is fed when the last action of the state's entry succeeded, FAIL when one failed (the rest are not
 * done). A failure of a VMM operation with -ESRCH is fed as VMM_GONE where the state has a row for it, else
 * as FAIL. Sending never fails: a lost link is LINK_LOST, and again on entering a state while the link is
 * down. TIMEOUT comes hb_ho_timeout_ms() after entry.
 * - A transition drops what the previous entry has not begun, and the outcome of what it has (which may be
 * cancelled): OK and FAIL of an entry that was left must not be fed. Actions of the new entry begin when the
 * running one has ended.
 * - A state for which hb_ho_recorded() is true is put in the journal on entry, before its actions; the
 * JOURNAL_* actions put the name of the state they are done in, and must be durable before OK. Nothing else
 * writes the journal's state. A failed put leaves the former record. Recovery feeds RECOVER to the recorded
 * state.
 * - A QUERY is answered with hb_ho_answer() of the live state or, without one, of the recorded. No record at
 * all: a target records "t-refuse" durably, then answers REFUSED (it may still get the PREPARE, and must
 * refuse it); a source answers ABORTED.
 * - REFUSED is a promise on disk, or about a VMM that is dead: never to take this guest. A target that turns
 * a PREPARE down, or gives up before LOADED, says ABORTED: a released source does not listen to that.
 * - PREPARE must be recorded, or the hand-over does not start.
 * - QUIT_VMM in T_ABORT and T_UNLOAD must not return OK while the process lives. */

#define HB_HO_MAX_ACTIONS 3
struct hb_ho_transition {
        enum hb_ho_state from;
        enum hb_ho_event on;
        enum hb_ho_state to;
        enum hb_ho_action actions[HB_HO_MAX_ACTIONS];
};
const struct hb_ho_transition *hb_ho_table(size_t *ret_count);

/* The transition for (state, event), or NULL: the event means nothing here (late, twice) and is ignored. */
const struct hb_ho_transition *hb_ho_next(enum hb_ho_state s, enum hb_ho_event ev);
enum hb_role hb_ho_role(enum hb_ho_state s);
bool hb_ho_terminal(enum hb_ho_state s);
bool hb_ho_frozen(enum hb_ho_state s);   /* source: the guest stands still because of us */
bool hb_ho_undoable(enum hb_ho_state s); /* source: still ours alone to abort */
bool hb_ho_recorded(enum hb_ho_state s); /* journalled on entry */
/* What to tell a peer that asks: a VERDICT_*, or HB_EV_MSG_COMMIT: send COMMIT (again). */
enum hb_ho_event hb_ho_answer(enum hb_ho_state s);
int hb_ho_timeout_ms(
        enum hb_ho_state s); /* default per state; 0: none (waits for the operator or the peer) */
const char *hb_ho_state_name(enum hb_ho_state s); /* "s-freeze" ... */
const char *hb_ho_state_text(enum hb_ho_state s); /* "stopping the guest" */
int hb_ho_state_from_name(const char *name);      /* -ENOENT */
const char *hb_ho_event_name(enum hb_ho_event e);
const char *hb_ho_action_name(enum hb_ho_action a);
