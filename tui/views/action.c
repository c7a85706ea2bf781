/* action: the rows of HB_ACTIONS as arrays; the order is that of the enum. Pure. */
#include "views/action.h"
#include <stddef.h>
#include <string.h>

static const struct {
        const char *name, *help;
        enum hb_action_group group;
} actions[HB_DO_COUNT] = {
#define X(id, name, group, help) {name, help, HB_GROUP_##group},
        HB_ACTIONS(X)
#undef X
};

static const char *const groups[] = {
        [HB_GROUP_MOVE] = "moving about", [HB_GROUP_VIEW] = "views",
        [HB_GROUP_LOOK] = "looking",      [HB_GROUP_ACT] = "acting",
        [HB_GROUP_PLAY] = "replaying",    [HB_GROUP_KEEP] = "keeping and leaving",
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static enum hb_action known(enum hb_action a) {
        return (unsigned)a < HB_DO_COUNT ? a : HB_DO_NONE;
}

const char *hb_action_name(enum hb_action a) {
        return actions[known(a)].name;
}

const char *hb_action_help(enum hb_action a) {
        return actions[known(a)].help;
}

enum hb_action_group hb_action_group(enum hb_action a) {
        return actions[known(a)].group;
}

const char *hb_action_group_title(enum hb_action_group g) {
        return (unsigned)g < GROUPS ? groups[g] : "";
}

enum hb_action hb_action_from_name(const char *name) {
        for (unsigned a = HB_DO_NONE + 1; a < HB_DO_COUNT; a++)
                if (strcmp(actions[a].name, name) == 0)
                        return (enum hb_action)a;
        return HB_DO_NONE;
}
