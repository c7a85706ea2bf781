/* gather: two passes over the traces' heads and one over their accesses: how many moments there will be is
 * known before any lesson is made, so that all of them fit into the memory that was given.
 *
 * Held back are the last moments of each trace (what comes later is not like what came before: to hold back
 * any moments would flatter the model), or all moments of traces named for it. */
#include "learn/gather.h"
#include "base/fault.h"
#include "trace/trace.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct source {
        const char *path;
        double seconds;
        uint64_t bytes, blocks;
};

struct gathering {
        const struct hb_train_options *o;
        struct hb_gathered *to;
        struct hb_dataset_options data;
        uint64_t held_from_ns, read, of; /* bytes: of the traces before; of all */
        int (*tick)(void *arg, uint64_t at, uint64_t of);
        void *arg;
};

static int measure(const char *path, struct source *ret, struct hb_err *e) {
        const struct hb_trace_header *h;
        struct hb_trace_info info;
        hb_trace_reader *r;
        int rc = hb_trace_reader_open(path, &r, e);

        if (rc < 0)
                return rc;
        h = hb_trace_reader_header(r);
        hb_trace_reader_info(r, &info);
        *ret = (struct source){.path = path,
                               .seconds = (double)(info.last_ns - info.first_ns + h->epoch_ns) / 1e9,
                               .bytes = info.bytes,
                               .blocks = (h->shape.pages + HB_BLOCK_PAGES - 1) / HB_BLOCK_PAGES};
        hb_trace_reader_free(r);
        return 0;
}

static uint64_t lesson_bytes(uint32_t pages, uint64_t blocks) {
        uint64_t most = blocks < pages ? blocks : pages;

        return pages * (HB_MODEL_PAGE_IN + HB_MODEL_OUT + 1) * sizeof(float) +
               most * HB_MODEL_STEPS * HB_MODEL_BLOCK_IN * sizeof(float);
}

static double room_needed(const struct hb_train_options *o, const struct hb_dataset_options *d,
                          const struct source *s, unsigned n) {
        double bytes = 0;

        for (unsigned i = 0; i < n; i++)
                bytes += (double)hb_dataset_moments(d, s[i].seconds) * d->nhorizons *
                         (double)lesson_bytes(d->pages, s[i].blocks);
        return bytes;
}

/* ---- taking ---- */

static int append(struct hb_model_lesson ***list, size_t *n, struct hb_model_lesson *l) {
        struct hb_model_lesson **more = *list;

        if ((*n & (*n - 1)) == 0) /* grown by doubling */
                more = hb_fault("learn.gather") ? NULL : realloc(*list, (*n ? 2 * *n : 1) * sizeof(*more));
        if (!more) {
                hb_model_lesson_free(l);
                return -ENOMEM;
        }
        *list = more;
        more[(*n)++] = l;
        return 0;
}

static int take(void *arg, uint64_t asked_ns, double horizon_s, struct hb_model_lesson *l) {
        struct gathering *g = arg;

        (void)horizon_s;
        g->to->pages += l->batch.n;
        if (asked_ns >= g->held_from_ns)
                return append(&g->to->held, &g->to->nheld, l);
        return append(&g->to->train, &g->to->ntrain, l);
}

static int on_read(void *arg, uint64_t at, uint64_t of) {
        struct gathering *g = arg;

        (void)of;
        return g->tick ? g->tick(g->arg, g->read + at, g->of) : 0;
}

static uint64_t held_from(const struct hb_train_options *o, bool validate, const struct source *s) {
        if (validate)
                return 0;
        if (o->nvalidate || o->validate_none)
                return UINT64_MAX;
        return (uint64_t)(s->seconds * (1 - o->validate_share) * 1e9);
}

static int gather_from(struct gathering *g, const struct source *s, unsigned n, struct hb_err *e) {
        int rc = 0;

        for (unsigned i = 0; i < n && rc >= 0; i++) {
                g->held_from_ns = held_from(g->o, i >= g->o->ntraces, &s[i]);
                g->data.seed = g->o->seed * 1000003 + i; /* each trace its own samples */
                rc = hb_dataset_read(s[i].path, &g->data, take, on_read, g, e);
                g->read += s[i].bytes;
        }
        return rc;
}

int hb_gather(const struct hb_train_options *o, int (*tick)(void *arg, uint64_t at, uint64_t of), void *arg,
              struct hb_gathered *ret, struct hb_err *e) {
        unsigned n = o->ntraces + o->nvalidate;
        struct hb_gathered got = {0};
        struct gathering g = {.o = o, .to = &got, .data = o->data, .tick = tick, .arg = arg};
        struct source *s = calloc(n, sizeof(*s));
        double needed;
        int rc = s ? 0 : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");

        for (unsigned i = 0; i < n && rc == 0; i++) {
                rc = measure(i < o->ntraces ? o->traces[i] : o->validate[i - o->ntraces], &s[i], e);
                g.of += s[i].bytes;
        }
        needed = rc == 0 ? room_needed(o, &g.data, s, n) : 0;
        if (needed > (double)o->memory_bytes)
                g.data.every_s *= needed / (double)o->memory_bytes;
        if (rc == 0)
                rc = gather_from(&g, s, n, e);
        free(s);
        if (rc < 0) {
                hb_gathered_fini(&got);
                return rc;
        }
        *ret = got;
        return 0;
}

static void free_list(struct hb_model_lesson **list, size_t n) {
        for (size_t i = 0; i < n; i++)
                hb_model_lesson_free(list[i]);
        free(list);
}

void hb_gathered_fini(struct hb_gathered *g) {
        free_list(g->train, g->ntrain);
        free_list(g->held, g->nheld);
        *g = (struct hb_gathered){0};
}

static void *copy(const void *from, size_t bytes) {
        void *to = malloc(bytes + 1);

        if (to && bytes)
                memcpy(to, from, bytes);
        return to;
}

struct hb_model_lesson *hb_lesson_copy(const struct hb_model_lesson *l) {
        const struct hb_model_batch *b = &l->batch;
        struct hb_model_lesson *c = hb_fault("learn.copy") ? NULL : calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->batch = *b;
        c->batch.page = copy(b->page, (size_t)b->n * HB_MODEL_PAGE_IN * sizeof(float));
        c->batch.block = copy(b->block, (size_t)b->n * sizeof(*b->block));
        c->batch.sequence =
                copy(b->sequence, (size_t)HB_MODEL_STEPS * b->blocks * HB_MODEL_BLOCK_IN * sizeof(float));
        c->labels = copy(l->labels, (size_t)b->n * HB_MODEL_OUT * sizeof(float));
        c->weights = l->weights ? copy(l->weights, (size_t)b->n * sizeof(float)) : NULL;
        if (!c->batch.page || !c->batch.block || !c->batch.sequence || !c->labels ||
            (l->weights && !c->weights))
                return hb_model_lesson_free(c);
        return c;
}
