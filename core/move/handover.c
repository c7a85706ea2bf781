/* handover: the table of a formal migration.
 *
 * Why one table: tests walk it (every state is killed, cut and aborted), the explorer of tests/unit/move runs
 * both roles of it against each other over a bad network, and the daemon holds no rule of its own. Invariants
 * (explored exhaustively): the guest runs on at most one host; a source leaves S_COMMIT and S_DOUBT for
 * S_ABORT only on the target's word; a target that has said LOADED leaves it only by taking the guest, by
 * ending its VMM, or on the source's word. Pure, no allocation, any thread. */
#include "move/handover.h"
#include <errno.h>
#include <string.h>

#define ROW(state, event, target, ...)                                                                       \
        {                                                                                                    \
                HB_##state, HB_EV_##event, HB_##target, {                                                    \
                        __VA_ARGS__                                                                          \
                }                                                                                            \
        }

/* Before RELEASED the source undoes whatever goes wrong. The guest first: it stands still. */
#define UNDO(state, event) ROW(state, event, S_ABORT, HB_ACT_THAW, HB_ACT_SEND_ABORT)
#define UNDO_ALL(state)                                                                                      \
        UNDO(state, FAIL), UNDO(state, TIMEOUT), UNDO(state, LINK_LOST), UNDO(state, OPERATOR_ABORT),        \
                UNDO(state, MSG_REFUSED), UNDO(state, MSG_ABORTED), UNDO(state, MSG_ABORT),                  \
                UNDO(state, RECOVER)
#define DIES(state) ROW(state, VMM_GONE, S_DEAD, HB_ACT_SEND_ABORT, HB_ACT_FINISHED)

/* Before LOADED the target gives up whatever goes wrong: nobody relies on it yet. */
#define DROP(state, event) ROW(state, event, T_ABORT, HB_ACT_QUIT_VMM, HB_ACT_SEND_ABORTED)
#define DROP_ALL(state)                                                                                      \
        DROP(state, FAIL), DROP(state, LINK_LOST), DROP(state, OPERATOR_ABORT), DROP(state, MSG_ABORT),      \
                DROP(state, VERDICT_ABORTED), DROP(state, VMM_GONE), DROP(state, RECOVER)

/* Released: only the target's word leads out. ABORTED is not it: that is what a target says which never
 * loaded. */
#define TOLD(state)                                                                                          \
        ROW(state, MSG_COMMITTED, S_FINISH, HB_ACT_QUIT_VMM),                                                \
                ROW(state, VERDICT_COMMITTED, S_FINISH, HB_ACT_QUIT_VMM), UNDO(state, MSG_REFUSED),          \
                UNDO(state, VERDICT_REFUSED), ROW(state, VERDICT_DEAD, S_KEPT, HB_ACT_FINISHED)

static const struct hb_ho_transition table[] = {
        /* ---- source ---- */
        ROW(S_PREPARE, START, S_PREPARE, HB_ACT_CHECK_SOURCE, HB_ACT_SEND_PREPARE),
        ROW(S_PREPARE, MSG_PREPARED, S_CONVERGE, HB_ACT_CONVERGE),
        UNDO_ALL(S_PREPARE),
        DIES(S_PREPARE),

        ROW(S_CONVERGE, OK, S_FREEZE, HB_ACT_FREEZE),
        UNDO(S_CONVERGE, CANNOT_CONVERGE),
        UNDO_ALL(S_CONVERGE),
        DIES(S_CONVERGE),

        ROW(S_FREEZE, OK, S_DELTA, HB_ACT_FINAL_SCAN, HB_ACT_SEND_FREEZE),
        UNDO_ALL(S_FREEZE),
        DIES(S_FREEZE),

        ROW(S_DELTA, MSG_COMPLETE, S_STATE, HB_ACT_SEND_STATE),
        UNDO_ALL(S_DELTA),
        DIES(S_DELTA),

        ROW(S_STATE, OK, S_LOADED, HB_ACT_SEND_STATE_END),
        UNDO_ALL(S_STATE),
        DIES(S_STATE),

        /* No VMM_GONE from here to the verdict: the target has, or will have, a whole guest, and may save it.
         */
        ROW(S_LOADED, MSG_LOADED, S_RELEASE, HB_ACT_JOURNAL_RELEASED),
        UNDO_ALL(S_LOADED),

        ROW(S_RELEASE, OK, S_COMMIT, HB_ACT_SEND_COMMIT),
        UNDO(S_RELEASE, FAIL), /* not recorded, so not released */
        UNDO(S_RELEASE, MSG_REFUSED),
        ROW(S_RELEASE, RECOVER, S_DOUBT, HB_ACT_SEND_QUERY),

        TOLD(S_COMMIT),
        ROW(S_COMMIT, MSG_LOADED, S_COMMIT, HB_ACT_SEND_COMMIT),
        ROW(S_COMMIT, LINK_LOST, S_DOUBT),
        ROW(S_COMMIT, LINK_BACK, S_DOUBT, HB_ACT_SEND_QUERY),
        ROW(S_COMMIT, TIMEOUT, S_DOUBT, HB_ACT_SEND_QUERY),
        ROW(S_COMMIT, RECOVER, S_DOUBT, HB_ACT_SEND_QUERY),

        TOLD(S_DOUBT),
        ROW(S_DOUBT, MSG_LOADED, S_COMMIT, HB_ACT_SEND_COMMIT),
        ROW(S_DOUBT, VERDICT_PENDING, S_COMMIT, HB_ACT_SEND_COMMIT),
        ROW(S_DOUBT, LINK_BACK, S_DOUBT, HB_ACT_SEND_QUERY),
        ROW(S_DOUBT, TIMEOUT, S_DOUBT, HB_ACT_SEND_QUERY),
        ROW(S_DOUBT, RECOVER, S_DOUBT, HB_ACT_SEND_QUERY),

        ROW(S_FINISH, OK, S_DONE, HB_ACT_FINISHED),
        ROW(S_FINISH, VMM_GONE, S_DONE, HB_ACT_FINISHED),
        ROW(S_FINISH, TIMEOUT, S_FINISH, HB_ACT_QUIT_VMM),
        ROW(S_FINISH, RECOVER, S_FINISH, HB_ACT_QUIT_VMM),

        ROW(S_ABORT, OK, S_ABORTED, HB_ACT_FINISHED),
        ROW(S_ABORT, VMM_GONE, S_DEAD, HB_ACT_SEND_ABORT, HB_ACT_FINISHED),
        UNDO(S_ABORT, TIMEOUT), /* a thaw that failed is tried again for as long as there is a VMM */
        UNDO(S_ABORT, RECOVER),

        /* ---- target ---- */
        ROW(T_PREPARE, START, T_PREPARE, HB_ACT_START_VMM),
        ROW(T_PREPARE, OK, T_PREPARED, HB_ACT_RECEIVE_START, HB_ACT_SEND_PREPARED),
        DROP(T_PREPARE, TIMEOUT),
        DROP_ALL(T_PREPARE),

        ROW(T_PREPARED, MSG_FREEZE, T_DELTA, HB_ACT_COMPLETE_IMAGE),
        ROW(T_PREPARED, TIMEOUT, T_PREPARED,
            HB_ACT_SEND_QUERY), /* converging takes what it takes; is the source still at it? */
        DROP_ALL(T_PREPARED),

        ROW(T_DELTA, OK, T_STATE, HB_ACT_SEND_COMPLETE),
        DROP(T_DELTA, TIMEOUT),
        DROP_ALL(T_DELTA),

        ROW(T_STATE, MSG_STATE_END, T_JOURNAL, HB_ACT_RECEIVE_STATE, HB_ACT_JOURNAL_LOADED),
        DROP(T_STATE, TIMEOUT),
        DROP_ALL(T_STATE),

        ROW(T_JOURNAL, OK, T_LOADED, HB_ACT_SEND_LOADED),
        DROP(T_JOURNAL, FAIL),
        DROP(T_JOURNAL, TIMEOUT),
        DROP(T_JOURNAL, LINK_LOST),
        DROP(T_JOURNAL, OPERATOR_ABORT),
        DROP(T_JOURNAL, MSG_ABORT),
        DROP(T_JOURNAL, VERDICT_ABORTED),
        DROP(T_JOURNAL, VMM_GONE),
        ROW(T_JOURNAL, RECOVER, T_DOUBT, HB_ACT_SEND_QUERY), /* recorded, and perhaps told */

        ROW(T_LOADED, MSG_COMMIT, T_TAKE, HB_ACT_CHECK_LOADED, HB_ACT_JOURNAL_OWNED),
        DROP(T_LOADED, MSG_ABORT),
        DROP(T_LOADED, VERDICT_ABORTED),
        ROW(T_LOADED, OPERATOR_ABORT, T_UNLOAD, HB_ACT_QUIT_VMM),
        ROW(T_LOADED, VMM_GONE, T_REFUSE, HB_ACT_JOURNAL_REFUSED),
        ROW(T_LOADED, LINK_LOST, T_DOUBT),
        ROW(T_LOADED, TIMEOUT, T_DOUBT, HB_ACT_SEND_QUERY),
        ROW(T_LOADED, RECOVER, T_DOUBT, HB_ACT_SEND_QUERY),

        ROW(T_DOUBT, MSG_COMMIT, T_TAKE, HB_ACT_CHECK_LOADED, HB_ACT_JOURNAL_OWNED),
        ROW(T_DOUBT, VERDICT_PENDING, T_LOADED, HB_ACT_SEND_LOADED),
        DROP(T_DOUBT, MSG_ABORT),
        DROP(T_DOUBT, VERDICT_ABORTED),
        ROW(T_DOUBT, OPERATOR_ABORT, T_UNLOAD, HB_ACT_QUIT_VMM),
        ROW(T_DOUBT, VMM_GONE, T_REFUSE, HB_ACT_JOURNAL_REFUSED),
        ROW(T_DOUBT, LINK_BACK, T_DOUBT, HB_ACT_SEND_QUERY),
        ROW(T_DOUBT, TIMEOUT, T_DOUBT, HB_ACT_SEND_QUERY),
        ROW(T_DOUBT, RECOVER, T_DOUBT, HB_ACT_SEND_QUERY),

        /* VMM_GONE while OWNED is being written waits for the outcome: only then is it known whose death it
           was. */
        ROW(T_TAKE, OK, T_RESUME, HB_ACT_RESUME, HB_ACT_SEND_COMMITTED),
        ROW(T_TAKE, FAIL, T_UNLOAD, HB_ACT_QUIT_VMM),
        ROW(T_TAKE, RECOVER, T_RESUME, HB_ACT_RESUME, HB_ACT_SEND_COMMITTED),

        ROW(T_RESUME, OK, T_DONE, HB_ACT_FINISHED),
        ROW(T_RESUME, VMM_GONE, T_DEAD, HB_ACT_SEND_DEAD, HB_ACT_FINISHED),
        ROW(T_RESUME, TIMEOUT, T_RESUME, HB_ACT_RESUME, HB_ACT_SEND_COMMITTED),
        ROW(T_RESUME, RECOVER, T_RESUME, HB_ACT_RESUME, HB_ACT_SEND_COMMITTED),

        /* A dead VMM cannot be resumed whatever the journal says: its end is the refusal, the record only
           spares questions. */
        ROW(T_UNLOAD, OK, T_REFUSE, HB_ACT_JOURNAL_REFUSED),
        ROW(T_UNLOAD, VMM_GONE, T_REFUSE, HB_ACT_JOURNAL_REFUSED),
        ROW(T_UNLOAD, TIMEOUT, T_UNLOAD, HB_ACT_QUIT_VMM),
        ROW(T_UNLOAD, RECOVER, T_UNLOAD, HB_ACT_QUIT_VMM),

        ROW(T_REFUSE, OK, T_ABORT, HB_ACT_SEND_REFUSED, HB_ACT_QUIT_VMM),
        ROW(T_REFUSE, FAIL, T_ABORT, HB_ACT_SEND_REFUSED, HB_ACT_QUIT_VMM),
        ROW(T_REFUSE, RECOVER, T_ABORT, HB_ACT_SEND_REFUSED, HB_ACT_QUIT_VMM),

        ROW(T_ABORT, OK, T_ABORTED, HB_ACT_FINISHED),
        DROP(T_ABORT, TIMEOUT),
        DROP(T_ABORT, RECOVER),
};

const struct hb_ho_transition *hb_ho_table(size_t *ret_count) {
        *ret_count = sizeof(table) / sizeof(table[0]);
        return table;
}

const struct hb_ho_transition *hb_ho_next(enum hb_ho_state s, enum hb_ho_event ev) {
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
                if (table[i].from == s && table[i].on == ev)
                        return &table[i];
        return NULL;
}
