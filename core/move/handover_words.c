/* handover_words: what is said about a state: its names, texts, default time-outs and properties. Apart from
 * the table so that each stays one page. A state added to the enum without its row here fails test_handover.
 * Pure, any thread. */
#include "move/handover.h"
#include <errno.h>
#include <string.h>

enum { FROZEN = 1, UNDOABLE = 2, RECORDED = 4, TERMINAL = 8 };

static const struct {
        const char *name, *text;
        int timeout_ms;
        unsigned flags;
        enum hb_ho_event answer;
} states[HB_HO_STATES] = {
        [HB_S_PREPARE] = {"s-prepare", "making the target ready", 60000, UNDOABLE | RECORDED,
                          HB_EV_VERDICT_PENDING},
        [HB_S_CONVERGE] = {"s-converge", "bringing the rest down below the allowed downtime", 0, UNDOABLE,
                           HB_EV_VERDICT_PENDING},
        [HB_S_FREEZE] = {"s-freeze", "stopping the guest", 10000, FROZEN | UNDOABLE, HB_EV_VERDICT_PENDING},
        [HB_S_DELTA] = {"s-delta", "sending the last pages", 30000, FROZEN | UNDOABLE, HB_EV_VERDICT_PENDING},
        [HB_S_STATE] = {"s-state", "sending the device state", 30000, FROZEN | UNDOABLE,
                        HB_EV_VERDICT_PENDING},
        [HB_S_LOADED] = {"s-loaded", "waiting for the target to have loaded it", 30000, FROZEN | UNDOABLE,
                         HB_EV_VERDICT_PENDING},
        [HB_S_RELEASE] = {"s-release", "releasing the guest", 0, FROZEN, HB_EV_VERDICT_PENDING},
        [HB_S_COMMIT] = {"s-commit", "released; waiting for the target to take it", 3000, FROZEN,
                         HB_EV_MSG_COMMIT},
        [HB_S_DOUBT] = {"s-doubt", "released; asking the target whether it took the guest", 1000, FROZEN,
                        HB_EV_MSG_COMMIT},
        [HB_S_FINISH] = {"s-finish", "moved; ending the copy left here", 10000, RECORDED,
                         HB_EV_VERDICT_COMMITTED},
        [HB_S_ABORT] = {"s-abort", "given up; letting the guest go on here", 10000, RECORDED,
                        HB_EV_VERDICT_ABORTED},
        [HB_S_DONE] = {"s-done", "moved", 0, RECORDED | TERMINAL, HB_EV_VERDICT_COMMITTED},
        [HB_S_ABORTED] = {"s-aborted", "given up; the guest runs here as before", 0, RECORDED | TERMINAL,
                          HB_EV_VERDICT_ABORTED},
        [HB_S_DEAD] = {"s-dead", "the guest's VMM ended during the move", 0, RECORDED | TERMINAL,
                       HB_EV_VERDICT_ABORTED},
        [HB_S_KEPT] = {"s-kept", "the guest was taken and died on the target; its frozen copy is kept here",
                       0, RECORDED | TERMINAL, HB_EV_VERDICT_COMMITTED},
        [HB_T_PREPARE] = {"t-prepare", "making a VMM ready", 60000, RECORDED, HB_EV_VERDICT_PENDING},
        [HB_T_PREPARED] = {"t-prepared", "ready; waiting for the guest to stop on the source", 10000, 0,
                           HB_EV_VERDICT_PENDING},
        [HB_T_DELTA] = {"t-delta", "completing the image", 30000, 0, HB_EV_VERDICT_PENDING},
        [HB_T_STATE] = {"t-state", "receiving the device state", 30000, 0, HB_EV_VERDICT_PENDING},
        [HB_T_JOURNAL] = {"t-journal", "loading the device state", 20000, 0, HB_EV_VERDICT_PENDING},
        [HB_T_LOADED] = {"t-loaded", "loaded; waiting for the source to release the guest", 3000, 0,
                         HB_EV_VERDICT_PENDING},
        [HB_T_DOUBT] = {"t-doubt", "loaded; asking the source whether it released the guest", 1000, 0,
                        HB_EV_VERDICT_PENDING},
        [HB_T_TAKE] = {"t-take", "taking the guest", 0, 0, HB_EV_VERDICT_PENDING},
        [HB_T_RESUME] = {"t-resume", "starting the guest", 5000, 0, HB_EV_VERDICT_PENDING},
        [HB_T_UNLOAD] = {"t-unload", "not taken; ending the VMM", 6000, 0, HB_EV_VERDICT_PENDING},
        [HB_T_REFUSE] = {"t-refuse", "refusing the guest", 0, 0, HB_EV_VERDICT_REFUSED},
        [HB_T_ABORT] = {"t-abort", "given up; ending the VMM", 6000, RECORDED, HB_EV_VERDICT_REFUSED},
        [HB_T_DONE] = {"t-done", "the guest runs here", 0, RECORDED | TERMINAL, HB_EV_VERDICT_COMMITTED},
        [HB_T_ABORTED] = {"t-aborted", "given up", 0, RECORDED | TERMINAL, HB_EV_VERDICT_REFUSED},
        [HB_T_DEAD] = {"t-dead", "the guest was taken and its VMM ended here", 0, RECORDED | TERMINAL,
                       HB_EV_VERDICT_DEAD},
};

static const char *const events[HB_HO_EVENTS] = {
        [HB_EV_START] = "start",
        [HB_EV_OK] = "ok",
        [HB_EV_FAIL] = "fail",
        [HB_EV_TIMEOUT] = "timeout",
        [HB_EV_LINK_LOST] = "link-lost",
        [HB_EV_LINK_BACK] = "link-back",
        [HB_EV_OPERATOR_ABORT] = "operator-abort",
        [HB_EV_VMM_GONE] = "vmm-gone",
        [HB_EV_CANNOT_CONVERGE] = "cannot-converge",
        [HB_EV_MSG_PREPARED] = "prepared",
        [HB_EV_MSG_FREEZE] = "freeze",
        [HB_EV_MSG_COMPLETE] = "complete",
        [HB_EV_MSG_STATE_END] = "state-end",
        [HB_EV_MSG_LOADED] = "loaded",
        [HB_EV_MSG_COMMIT] = "commit",
        [HB_EV_MSG_COMMITTED] = "committed",
        [HB_EV_MSG_REFUSED] = "refused",
        [HB_EV_MSG_ABORT] = "abort",
        [HB_EV_MSG_ABORTED] = "aborted",
        [HB_EV_VERDICT_COMMITTED] = "verdict-committed",
        [HB_EV_VERDICT_REFUSED] = "verdict-refused",
        [HB_EV_VERDICT_ABORTED] = "verdict-aborted",
        [HB_EV_VERDICT_PENDING] = "verdict-pending",
        [HB_EV_VERDICT_UNKNOWN] = "verdict-unknown",
        [HB_EV_VERDICT_DEAD] = "verdict-dead",
        [HB_EV_RECOVER] = "recover",
};

static const char *const actions[HB_HO_ACTIONS] = {
        [HB_ACT_NONE] = "none",
        [HB_ACT_CHECK_SOURCE] = "check-source",
        [HB_ACT_SEND_PREPARE] = "send-prepare",
        [HB_ACT_CONVERGE] = "converge",
        [HB_ACT_FREEZE] = "freeze",
        [HB_ACT_FINAL_SCAN] = "final-scan",
        [HB_ACT_SEND_FREEZE] = "send-freeze",
        [HB_ACT_SEND_STATE] = "send-state",
        [HB_ACT_SEND_STATE_END] = "send-state-end",
        [HB_ACT_JOURNAL_RELEASED] = "journal-released",
        [HB_ACT_SEND_COMMIT] = "send-commit",
        [HB_ACT_SEND_QUERY] = "send-query",
        [HB_ACT_QUIT_VMM] = "quit-vmm",
        [HB_ACT_THAW] = "thaw",
        [HB_ACT_SEND_ABORT] = "send-abort",
        [HB_ACT_FINISHED] = "finished",
        [HB_ACT_START_VMM] = "start-vmm",
        [HB_ACT_RECEIVE_START] = "receive-start",
        [HB_ACT_SEND_PREPARED] = "send-prepared",
        [HB_ACT_COMPLETE_IMAGE] = "complete-image",
        [HB_ACT_SEND_COMPLETE] = "send-complete",
        [HB_ACT_RECEIVE_STATE] = "receive-state",
        [HB_ACT_JOURNAL_LOADED] = "journal-loaded",
        [HB_ACT_SEND_LOADED] = "send-loaded",
        [HB_ACT_JOURNAL_OWNED] = "journal-owned",
        [HB_ACT_RESUME] = "resume",
        [HB_ACT_SEND_COMMITTED] = "send-committed",
        [HB_ACT_JOURNAL_REFUSED] = "journal-refused",
        [HB_ACT_SEND_REFUSED] = "send-refused",
        [HB_ACT_SEND_ABORTED] = "send-aborted",
        [HB_ACT_SEND_DEAD] = "send-dead",
        [HB_ACT_CHECK_LOADED] = "check-loaded",
};

enum hb_role hb_ho_role(enum hb_ho_state s) {
        return s < HB_T_PREPARE ? HB_ROLE_SOURCE : HB_ROLE_TARGET;
}

bool hb_ho_terminal(enum hb_ho_state s) {
        return states[s].flags & TERMINAL;
}

bool hb_ho_frozen(enum hb_ho_state s) {
        return states[s].flags & FROZEN;
}

bool hb_ho_undoable(enum hb_ho_state s) {
        return states[s].flags & UNDOABLE;
}

bool hb_ho_recorded(enum hb_ho_state s) {
        return states[s].flags & RECORDED;
}

enum hb_ho_event hb_ho_answer(enum hb_ho_state s) {
        return states[s].answer;
}

int hb_ho_timeout_ms(enum hb_ho_state s) {
        return states[s].timeout_ms;
}

const char *hb_ho_state_name(enum hb_ho_state s) {
        return (unsigned)s < HB_HO_STATES ? states[s].name : "?";
}

const char *hb_ho_state_text(enum hb_ho_state s) {
        return (unsigned)s < HB_HO_STATES ? states[s].text : "?";
}

int hb_ho_state_from_name(const char *name) {
        for (int s = 0; s < HB_HO_STATES; s++)
                if (name && strcmp(states[s].name, name) == 0)
                        return s;
        return -ENOENT;
}

const char *hb_ho_event_name(enum hb_ho_event e) {
        return (unsigned)e < HB_HO_EVENTS ? events[e] : "?";
}

const char *hb_ho_action_name(enum hb_ho_action a) {
        return (unsigned)a < HB_HO_ACTIONS ? actions[a] : "?";
}
