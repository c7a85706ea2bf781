/* replay_view: what a replay gave, as a page for people and as JSON. */
#pragma once
#include "cli/command.h"
#include "replay/replay.h"

#define HB_CURVE_POINTS 512u

/* A curve of any number of points in bounded room: when it is full, neighbours are averaged. */
struct hb_curve {
        double sum[HB_CURVE_POINTS];
        unsigned n, each, in_last; /* sums; points a sum is of; points in the last one */
};
void hb_curve_add(struct hb_curve *c, double v);
/* `width` characters, 0..1 as bar glyphs; ASCII without UTF-8. out: 3 * width + 1 bytes. */
void hb_curve_draw(const struct hb_curve *c, unsigned width, bool utf8, char *out);

void hb_cli_replay_show(struct hb_cli *c, const struct hb_replay_result *r, const struct hb_curve *coverage);
/* `points`: NULL or an array, stolen. */
json_t *hb_cli_replay_json(const char *file, const struct hb_replay_result *r, json_t *points);
json_t *hb_cli_replay_point_json(const struct hb_replay_point *p);
