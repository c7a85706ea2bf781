/* handover_states: the hand-over's states, for scripts that must not forget one. One line a state that is not
 * an end: NAME source|target undoable|released|other. */
#include "move/handover.h"
#include <stdio.h>

static const char *kind(enum hb_ho_state s) {
        if (hb_ho_role(s) == HB_ROLE_SOURCE && hb_ho_undoable(s))
                return "undoable";
        if (hb_ho_role(s) == HB_ROLE_SOURCE && hb_ho_frozen(s))
                return "released";
        return "other";
}

int main(void) {
        for (int i = 0; i < HB_HO_STATES; i++) {
                enum hb_ho_state s = (enum hb_ho_state)i;
                if (!hb_ho_terminal(s))
                        printf("%s %s %s\n", hb_ho_state_name(s),
                               hb_ho_role(s) == HB_ROLE_SOURCE ? "source" : "target", kind(s));
        }
        return 0;
}
