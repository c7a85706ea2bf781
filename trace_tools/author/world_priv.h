/* world_priv: what the files of a world share. */
#pragma once
#include "author/world.h"

struct hb_made_world_access { /* of a page in an epoch */
        uint16_t reads, writes;
};

struct hb_made_world_page {
        float read_heat, write_heat; /* as of last_s */
        double last_s, written_s;
        bool touched, written;
};

struct hb_made_world_lesson { /* open; gfn NULL: none */
        uint32_t *gfn;
        uint8_t *class_of;
        uint32_t n, asked, budget, budget_writes;
        uint64_t number;
};

struct hb_made_world {
        uint32_t npages, epoch, touched, columns_of;
        uint64_t seed, next_lesson;
        double horizon_s;
        unsigned npatterns;
        struct hb_pattern patterns[HB_WORLD_PATTERNS];
        struct hb_history *history;
        struct hb_made_world_page *page;                 /* by gfn */
        struct hb_made_world_access *now;                /* of the last epoch, by gfn */
        uint64_t accessed, written;                      /* pages of the last epoch */
        struct hb_made_world_lesson lessons[HB_LESSONS]; /* oldest first */
        uint32_t *gfn;                                   /* of the touched pages */
        float *read_heat, *write_heat, *age_s, *version_age_s, *run_length, *bytes_to_send, *known, *zeros;
};

/* world_pattern.c: what is accessed in that epoch (from 1), by gfn; depends on nothing else. */
void hb_made_world_accesses(const hb_made_world *w, uint32_t epoch, struct hb_made_world_access *ret);
/* Bits of each page over [first, last]: 1 accessed, 2 written. -ENOMEM. */
int hb_made_world_between(const hb_made_world *w, uint32_t first, uint32_t last, uint8_t *ret);
/* world_lesson.c: the epoch just over, to a predictor. */
int hb_made_world_teach(hb_made_world *w, hb_plugin *p, char message[HB_PLUGIN_MESSAGE]);
