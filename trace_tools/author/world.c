/* world: the state of a made-up guest. Invariant: w->gfn lists the touched pages in ascending order, and the
 * columns are those of the last epoch's end whenever `columns_of` is that epoch. Cost: O(pages) an epoch and
 * at each look. */
#include "author/world.h"
#include "author/world_priv.h"
#include "map/heat.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEVER_S 1e9f

static int alloc_pages(hb_made_world *w) {
        float **columns[] = {&w->read_heat,  &w->write_heat,    &w->age_s, &w->version_age_s,
                             &w->run_length, &w->bytes_to_send, &w->known, &w->zeros};

        for (unsigned k = 0; k < sizeof(columns) / sizeof(*columns); k++)
                if (!(*columns[k] = calloc(w->npages, sizeof(float))))
                        return -ENOMEM;
        w->gfn = calloc(w->npages, sizeof(*w->gfn));
        w->page = calloc(w->npages, sizeof(*w->page));
        w->now = calloc(w->npages, sizeof(*w->now));
        return w->gfn && w->page && w->now ? 0 : -ENOMEM;
}

int hb_made_world_new(uint32_t pages, uint64_t seed, hb_made_world **ret) {
        hb_made_world *w;
        int rc;

        if (!pages || pages > HB_WORLD_PAGES)
                return -EINVAL;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->npages = pages;
        w->seed = seed;
        w->horizon_s = 10;
        w->columns_of = UINT32_MAX;
        rc = alloc_pages(w);
        if (rc == 0)
                rc = hb_history_new(pages, &w->history);
        if (rc < 0) {
                hb_made_world_free(w);
                return rc;
        }
        *ret = w;
        return 0;
}

hb_made_world *hb_made_world_free(hb_made_world *w) {
        if (w) {
                float *columns[] = {w->read_heat,  w->write_heat,    w->age_s, w->version_age_s,
                                    w->run_length, w->bytes_to_send, w->known, w->zeros};
                for (unsigned k = 0; k < sizeof(columns) / sizeof(*columns); k++)
                        free(columns[k]);
                for (unsigned k = 0; k < HB_LESSONS; k++)
                        free(w->lessons[k].gfn);
                hb_history_free(w->history);
                free(w->gfn);
                free(w->page);
                free(w->now);
                free(w);
        }
        return NULL;
}

/* ---- an epoch ---- */

static int touch(hb_made_world *w, uint32_t gfn) {
        struct hb_made_world_page *p = &w->page[gfn];
        const struct hb_made_world_access *a = &w->now[gfn];
        double now_s = w->epoch;

        for (uint32_t i = 0; i < a->reads; i++)
                p->read_heat = hb_heat_touch(p->read_heat, i ? 0 : now_s - p->last_s, 1);
        if (!a->reads)
                p->read_heat *= hb_decay(now_s - p->last_s, HB_HEAT_TAU_S);
        p->write_heat = a->writes ? hb_heat_touch(p->write_heat, now_s - p->last_s, 1)
                                  : p->write_heat * hb_decay(now_s - p->last_s, HB_HEAT_TAU_S);
        p->last_s = now_s;
        if (a->writes)
                p->written_s = now_s;
        if (!p->touched)
                w->touched++;
        p->touched = true;
        p->written |= a->writes != 0;
        return hb_history_note(w->history, gfn, w->epoch, a->writes != 0);
}

static int step(hb_made_world *w) {
        int rc = 0;

        w->epoch++;
        w->accessed = w->written = 0;
        hb_made_world_accesses(w, w->epoch, w->now);
        for (uint32_t gfn = 0; gfn < w->npages && rc == 0; gfn++)
                if (w->now[gfn].reads || w->now[gfn].writes) {
                        w->accessed++;
                        w->written += w->now[gfn].writes != 0;
                        rc = touch(w, gfn);
                }
        return rc;
}

int hb_made_world_run(hb_made_world *w, uint32_t epochs, hb_plugin *with, char message[HB_PLUGIN_MESSAGE]) {
        int rc = 0;

        if (epochs > HB_WORLD_LONGEST || w->epoch + epochs > HB_WORLD_LONGEST)
                return -EINVAL;
        for (uint32_t i = 0; i < epochs && rc == 0; i++) {
                rc = step(w);
                if (rc == 0 && with)
                        rc = hb_made_world_teach(w, with, message);
        }
        return rc;
}

/* ---- looking ---- */

uint32_t hb_made_world_epoch(const hb_made_world *w) {
        return w->epoch;
}

double hb_made_world_horizon(const hb_made_world *w) {
        return w->horizon_s;
}

void hb_made_world_set_horizon(hb_made_world *w, double horizon_s) {
        w->horizon_s = fmin(fmax(floor(horizon_s), 1), 60);
}

static void fill_page(hb_made_world *w, uint32_t i, uint32_t gfn) {
        const struct hb_made_world_page *p = &w->page[gfn];
        double now_s = w->epoch;
        float decay = hb_decay(now_s - p->last_s, HB_HEAT_TAU_S);

        w->gfn[i] = gfn;
        w->read_heat[i] = p->read_heat * decay;
        w->write_heat[i] = p->write_heat * decay;
        w->age_s[i] = (float)(now_s - p->last_s);
        w->version_age_s[i] = p->written ? (float)(now_s - p->written_s) : NEVER_S;
        w->bytes_to_send[i] = 2048 + 64;
}

static void fill_runs(hb_made_world *w) {
        for (uint32_t i = 0, end; i < w->touched; i = end) {
                for (end = i + 1; end < w->touched && w->gfn[end] == w->gfn[end - 1] + 1; end++)
                        ;
                for (uint32_t k = i; k < end; k++)
                        w->run_length[k] = (float)(end - i);
        }
}

void hb_made_world_pages(hb_made_world *w, struct hb_policy_pages *ret) {
        if (w->columns_of != w->epoch) {
                uint32_t n = 0;
                for (uint32_t gfn = 0; gfn < w->npages; gfn++)
                        if (w->page[gfn].touched)
                                fill_page(w, n++, gfn);
                fill_runs(w);
                w->columns_of = w->epoch;
        }
        *ret = (struct hb_policy_pages){.n = w->touched,
                                        .read_heat = w->read_heat,
                                        .write_heat = w->write_heat,
                                        .age_s = w->age_s,
                                        .version_age_s = w->version_age_s,
                                        .run_length = w->run_length,
                                        .bytes_to_send = w->bytes_to_send,
                                        .predicted = w->zeros,
                                        .predicted_writes = w->zeros,
                                        .known = w->known,
                                        .gfn = w->gfn,
                                        .history = w->history,
                                        .window = w->epoch};
}

void hb_made_world_guest(const hb_made_world *w, struct hb_policy_guest *ret) {
        *ret = (struct hb_policy_guest){.now_s = w->epoch,
                                        .horizon_s = w->horizon_s,
                                        .pages = w->npages,
                                        .resident_pages = w->touched,
                                        .absent_pages = w->touched,
                                        .dirty_bytes_per_s = 4096.0 * w->written,
                                        .epoch_s = 1};
}
