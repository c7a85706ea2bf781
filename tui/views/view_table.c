/* view_table: the one list of views, in the order of enum hb_view_id. */
#include "views/view.h"
#include <string.h>

static const struct hb_view *const views[HB_VIEWS] = {
        [HB_VIEW_OVERVIEW] = &hb_view_overview,   [HB_VIEW_GUEST] = &hb_view_guest,
        [HB_VIEW_PLACEMENT] = &hb_view_placement, [HB_VIEW_POLICIES] = &hb_view_policies,
        [HB_VIEW_MIGRATION] = &hb_view_migration, [HB_VIEW_TRACES] = &hb_view_traces,
        [HB_VIEW_NETWORK] = &hb_view_network,     [HB_VIEW_EVENTS] = &hb_view_events,
        [HB_VIEW_HELP] = &hb_view_help,
};

const struct hb_view *hb_view_by_id(enum hb_view_id id) {
        return (unsigned)id < HB_VIEWS ? views[id] : NULL;
}

const struct hb_view *hb_view_by_name(const char *name) {
        for (unsigned i = 0; name && i < HB_VIEWS; i++)
                if (strcmp(views[i]->name, name) == 0)
                        return views[i];
        return NULL;
}
