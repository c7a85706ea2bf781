/* columns: see the header. Cost: one pass over the pages' records, which lie anywhere in memory, so those to
 * come are asked for early. Only additions, multiplications and comparisons: the same on every machine. */
#include "place/columns.h"
#include "map/heat.h"
#include <errno.h>
#include <stdlib.h>

#define COLUMNS 10u

int hb_columns_init(struct hb_columns *c, uint32_t cap) {
        size_t n = cap;

        *c = (struct hb_columns){.cap = cap, .gfn = malloc(n * sizeof(*c->gfn))};
        c->read_heat = malloc(COLUMNS * n * sizeof(*c->read_heat));
        if (!c->gfn || !c->read_heat) {
                hb_columns_fini(c);
                return -ENOMEM;
        }
        c->write_heat = c->read_heat + n;
        c->age_s = c->read_heat + 2 * n;
        c->version_age_s = c->read_heat + 3 * n;
        c->run_length = c->read_heat + 4 * n;
        c->bytes_to_send = c->read_heat + 5 * n;
        c->known = c->read_heat + 6 * n;
        c->predicted = c->read_heat + 7 * n;
        c->predicted_writes = c->read_heat + 8 * n;
        c->score = c->read_heat + 9 * n;
        c->view = (struct hb_policy_pages){.read_heat = c->read_heat,
                                           .write_heat = c->write_heat,
                                           .age_s = c->age_s,
                                           .version_age_s = c->version_age_s,
                                           .run_length = c->run_length,
                                           .bytes_to_send = c->bytes_to_send,
                                           .known = c->known,
                                           .predicted = c->predicted,
                                           .predicted_writes = c->predicted_writes,
                                           .gfn = c->gfn};
        return 0;
}

void hb_columns_fini(struct hb_columns *c) {
        free(c->gfn);
        free(c->read_heat);
        *c = (struct hb_columns){0};
}

/* The version's age: an invalidation newer than the last access is not a write anyone saw (a catch-up names
 * its last epoch, lost state names every page), so the write was at that access or before. */
static uint32_t written_at(const struct hb_image_page *p) {
        return p->last_access < p->c.invalid ? p->last_access : p->c.invalid;
}

/* Pages share epochs: of those seen last, what follows from them is kept for the length of a batch. */
#define AGES  512u
#define AHEAD 16u

struct ages {
        const struct hb_plan_inputs *in;
        struct {
                uint32_t epoch;
                float age_s, decay;
        } of[AGES];
};

static struct ages ages_begin(const struct hb_plan_inputs *in) {
        struct ages a = {.in = in};

        for (uint32_t i = 0; i < AGES; i++)
                a.of[i].epoch = ~i; /* has another place */
        return a;
}

static uint32_t age_of(struct ages *a, uint32_t epoch) {
        uint32_t i = epoch % AGES;

        if (a->of[i].epoch != epoch) {
                a->of[i].epoch = epoch;
                a->of[i].age_s = hb_epochs_age_s(a->in->epochs, epoch, a->in->now_ns);
                a->of[i].decay = hb_decay((double)a->of[i].age_s, HB_HEAT_TAU_S);
        }
        return i;
}

/* The records of a guest fit no cache, and a plan looks at them in no pattern a processor sees. */
void hb_columns_fill(struct hb_columns *c, const struct hb_plan_inputs *in, uint32_t n) {
        const struct hb_image_page *pages = in->ledger->pages;
        const float bytes = (float)in->wire_bytes_per_page;
        const struct hb_columns to = *c; /* in registers: stores cannot change it */
        struct ages a = ages_begin(in);

        c->view.n = n;
        c->view.history = in->history;
        c->view.window = in->window;
        for (uint32_t i = 0; i < n; i++) {
                struct hb_image_page page = pages[to.gfn[i]];
                uint32_t k, written;

                if (i + AHEAD < n)
                        __builtin_prefetch(&pages[to.gfn[i + AHEAD]]);
                if (in->words)
                        hb_block_words_fill(in->words, to.gfn[i], &page);
                k = age_of(&a, page.last_access);
                written = written_at(&page);
                to.age_s[i] = a.of[k].age_s;
                to.write_heat[i] = page.write_q ? hb_heat_of(page.write_q) * a.of[k].decay : 0.0f;
                to.version_age_s[i] =
                        written == page.last_access ? to.age_s[i] : a.of[age_of(&a, written)].age_s;
                to.read_heat[i] = hb_heat_of(page.read_q);
                to.known[i] = page.flags & HB_IP_KNOWN ? 1.0f : 0.0f;
                to.bytes_to_send[i] = page.flags & HB_IP_KNOWN ? 0.0f : bytes;
        }
}
