/* guest_port: what is common to all guests. Pure. */
#include "move/guest_port.h"

const char *hb_guest_state_name(enum hb_guest_state s) {
        static const char *const names[] = {
                [HB_GUEST_RUNNING] = "running",   [HB_GUEST_PAUSED] = "paused",
                [HB_GUEST_INCOMING] = "incoming", [HB_GUEST_FROZEN] = "frozen",
                [HB_GUEST_MOVED] = "moved",       [HB_GUEST_GONE] = "gone",
        };

        return (unsigned)s < sizeof(names) / sizeof(names[0]) ? names[s] : "?";
}
