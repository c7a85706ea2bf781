/* cell: one cell computed: a replay, watched. Any thread; touches nothing shared but what tick does. */
#pragma once
#include "compare/compare.h"

/* `tick` as hb_replay_run's. On success *ret is the caller's to fini. */
int hb_compare_cell_run(const struct hb_compare_plan *p, unsigned cell, hb_compare_replay *replay,
                        int (*tick)(void *arg, double share, const struct hb_replay_point *p), void *arg,
                        struct hb_compare_cell *ret, struct hb_err *e);
