/* undo: what a view looked like before each change of it: another view, subject, filter, order, zoom. Moving
 * the selection is no change. A ring of copies; the oldest fall out. */
#include "console/app.h"
#include <string.h>

/* The selection and scrolling do not count. */
static bool same_look(const struct hb_app_look *x, const struct hb_app_look *y) {
        struct hb_view_memory a = x->memory, b = y->memory;

        memset(&a.place, 0, sizeof(a.place));
        memset(&b.place, 0, sizeof(b.place));
        return x->view == y->view && memcmp(&a, &b, sizeof(a)) == 0;
}

void hb_app_remember(struct hb_app *a) {
        struct hb_app_look now;

        memset(&now, 0, sizeof(now));
        now.view = a->view;
        memcpy(&now.memory, &a->memory[a->view], sizeof(now.memory));
        if (a->nundo > 0 && same_look(&a->undo[a->nundo - 1], &now))
                return;
        if (a->nundo == HB_APP_UNDO) {
                memmove(a->undo, a->undo + 1, (HB_APP_UNDO - 1) * sizeof(a->undo[0]));
                a->nundo--;
        }
        a->undo[a->nundo++] = now;
}

static void restore(struct hb_app *a, const struct hb_app_look *l) {
        a->view = l->view;
        a->memory[l->view] = l->memory;
}

bool hb_app_undo(struct hb_app *a) {
        struct hb_app_look now = {.view = a->view, .memory = a->memory[a->view]};

        while (a->nundo > 0) {
                struct hb_app_look *l = &a->undo[--a->nundo];

                if (same_look(l, &now))
                        continue;
                restore(a, l);
                return true;
        }
        return false;
}

bool hb_app_back(struct hb_app *a) {
        enum hb_view_id here = a->view;

        while (a->nundo > 0) {
                struct hb_app_look *l = &a->undo[--a->nundo];

                if (l->view == here)
                        continue;
                restore(a, l);
                return true;
        }
        return false;
}
