/* view_guest: the parts of the guest view: the frame (which pages a cell holds), the maps that both hosts
 * give of it, and what is said of them in words. */
#pragma once
#include "views/common.h"

/* Which part of a guest's memory is on the screen. memory->first and span say what to show (span 0: all),
 * memory->cell is the page under the cursor, so that it stays when the window or the zoom changes. */
struct hb_map_frame {
        uint64_t pages;         /* of the guest; 0: unknown, nothing can be shown */
        uint64_t first, span;   /* shown */
        uint64_t cell_pages;    /* of each cell; the last one may hold fewer */
        unsigned columns, rows; /* room */
        unsigned cells, chosen; /* chosen: the cell under the cursor */
        bool two;               /* room for two pictures, one below the other */
        unsigned top;           /* rows for the hottest blocks */
};
void hb_map_frame(struct hb_view_ctx *c, const struct hb_guest_seen *g, struct hb_map_frame *ret);
/* What zooming, moving and jumping make of it; false: it changes nothing. (view_guest_frame.c) */
bool hb_map_zoom(struct hb_view_memory *m, const struct hb_map_frame *f, bool in);
bool hb_map_move(struct hb_view_memory *m, const struct hb_map_frame *f, int64_t cells);

enum hb_map_picture {
        HB_PICTURE_STATE,
        HB_PICTURE_READS,
        HB_PICTURE_WRITES,
        HB_PICTURE_EXPECTED,
        HB_PICTURES
};

/* guest.map of both sides for one frame; NULL: not known (yet), then `why` says why. */
struct hb_map_seen {
        struct hb_map_frame frame;
        const json_t *source, *target;
        char why_source[256], why_target[256];
};
void hb_map_ask(struct hb_view_ctx *c, const struct hb_guest_seen *g, struct hb_map_seen *ret);
/* Sum over the pages of a cell; NaN: not known. plane: of guest.map, "reads". The side that knows it. */
double hb_map_value(const struct hb_map_seen *m, const char *plane, unsigned cell);
bool hb_map_knows(const struct hb_map_seen *m, const char *plane);
/* One picture; key: in --json. (view_guest_map.c) */
void hb_map_grid(hb_doc *d, const struct hb_map_seen *m, const char *key, enum hb_map_picture p);

/* view_guest_words.c */
const char *hb_guest_rate(double accesses_per_s, char buf[HB_PART_TEXT]); /* "12 k/s" */
void hb_guest_cell_words(hb_doc *d, const struct hb_map_seen *m);
void hb_guest_top(hb_doc *d, const struct hb_map_seen *m, unsigned most);
void hb_guest_trails(const struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g);
/* view_guest_explain.c: memory->detail is "explain PAGE" while a page is explained. */
bool hb_guest_explaining(const struct hb_view_memory *m, uint64_t *ret_page);
void hb_guest_explain(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g);
int hb_guest_ask_explain(struct hb_view_ctx *c, const struct hb_guest_seen *g, const char *const *answers,
                         unsigned nanswers, struct hb_order *ret);
