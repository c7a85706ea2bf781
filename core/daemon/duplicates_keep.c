/* duplicates_keep: the memory of guests that moved away.
 *
 * The guest is gone and its memory stands still; descriptors of our own hold it. A job of the lowest priority
 * reads what holds data, prints it, and writes both into the keep (core/keep), which counts nothing before
 * all of it is there: a full disk, a stopping daemon or a kill leaves no trace but a warning. Only then is it
 * in the index. The hand-over and its answer know nothing of this. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/duplicates_priv.h"
#include "daemon/events.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIDE         64u
#define LOWEST_NICE  19
#define HISTORY_LOOK 10000u

struct leave {
        struct hb_duplicates *x;
        struct hb_dup_source *source;
        char dir[256];
        struct hb_kept m;
        uint64_t max_pages;
        struct hb_err err;
};

/* ---- the job ---- */

/* Of a run that lies side by side in one file: pages of zeros are left out. */
static int write_run(struct leave *l, hb_keep_writer *w, const uint8_t *pages, uint64_t gfn, uint64_t n,
                     int fd, uint64_t offset) {
        struct hb_print prints[SIDE];
        int r = 0;

        hb_fingerprint_pages(l->x->f, pages, n, prints);
        for (uint64_t i = 0, k; i < n && r == 0; i += k) {
                bool zero = hb_dup_is_zero(l->x, &prints[i]);

                for (k = 1; i + k < n && hb_dup_is_zero(l->x, &prints[i + k]) == zero;)
                        k++;
                if (!zero)
                        r = hb_keep_write_pages(w, gfn + i, k, pages + i * HB_PAGE_SIZE, prints + i, fd,
                                                offset + i * HB_PAGE_SIZE);
        }
        return r;
}

static int write_part(struct leave *l, hb_keep_writer *w, const struct hb_dup_part *p, uint8_t *pages) {
        uint64_t end = p->offset + p->pages * HB_PAGE_SIZE, at = p->offset;
        int r = 0;

        while (at < end && r == 0) {
                off_t data = lseek(p->fd, (off_t)at, SEEK_DATA);
                uint64_t n;

                if (data < 0 && errno == ENXIO)
                        return 0;
                if (data >= 0)
                        at = (uint64_t)data & ~(uint64_t)(HB_PAGE_SIZE - 1);
                if (at >= end)
                        return 0;
                n = (end - at) / HB_PAGE_SIZE < SIDE ? (end - at) / HB_PAGE_SIZE : SIDE;
                if (atomic_load(&l->x->stopping))
                        return -ECANCELED;
                r = hb_dup_source_read(l->source, p->first + (at - p->offset) / HB_PAGE_SIZE, n, pages);
                if (r == 0)
                        r = write_run(l, w, pages, p->first + (at - p->offset) / HB_PAGE_SIZE, n, p->fd, at);
                at += n * HB_PAGE_SIZE;
        }
        return r;
}

static int leave_work(void *arg) {
        struct leave *l = arg;
        uint8_t *pages = aligned_alloc(HB_PAGE_SIZE, SIDE * HB_PAGE_SIZE);
        hb_keep_writer *w = NULL;
        int r;

        hb_dup_low_priority(LOWEST_NICE);
        hb_fault("duplicates.leave");
        if (!pages)
                return hb_err_set(&l->err, -ENOMEM, l->m.guest, NULL, "no memory to keep a guest's memory");
        r = hb_keep_write(l->dir, &l->m, l->max_pages, &w, &l->err);
        for (unsigned i = 0; i < l->source->nparts && r == 0; i++)
                r = write_part(l, w, &l->source->parts[i], pages);
        free(pages);
        if (r == -ENOSPC && w && !l->err.code) /* the budget, or the disk: what is there is worth having */
                r = 0;
        if (r < 0 && w) {
                hb_keep_write_abandon(w);
                return hb_err_set(
                        &l->err, r, l->m.guest, "it will be fetched in whole when the guest comes back",
                        r == -ECANCELED ? "harbingerd stops" : "the memory of a guest that left is not kept");
        }
        return r < 0 ? r : hb_keep_write_end(w, &l->m, &l->err);
}

static void leave_done(void *owner, void *arg, int rc) {
        struct hb_duplicates *x = owner;
        struct leave *l = arg;

        x->coming_bytes -= l->max_pages * HB_PAGE_SIZE;
        if (rc < 0) {
                x->n.kept_failed++;
                hb_daemon_event_err(x->d, HB_LOG_WARNING, HB_ON_GUEST, l->m.guest, NULL,
                                    "keeping the memory of a guest that left", &l->err);
                return;
        }
        if (!x->keep || hb_keep_add(x->keep, &l->m) < 0)
                return;
        hb_daemon_event(x->d, HB_LOG_NOTICE, HB_ON_GUEST, l->m.guest, NULL, NULL,
                        "guest %s: %.1f MiB of its memory are kept in case it comes back", l->m.guest,
                        (double)l->m.pages * HB_PAGE_SIZE / (1 << 20));
        hb_dup_fill_kept(x, &l->m);
}

static void leave_drop(void *arg) {
        struct leave *l = arg;

        hb_dup_source_unref(l->source);
        free(l);
}

static const struct hb_job_ops leave_job = {leave_work, leave_done, leave_drop};

/* ---- the budget ---- */

static struct hb_dup_source *source_of(struct hb_duplicates *x, const struct hb_kept *m) {
        for (struct hb_dup_source *s = x->sources; s; s = s->next)
                if (s->kind == HB_DUP_KEPT && s->kept.visit_ns == m->visit_ns &&
                    strcmp(s->kept.guest, m->guest) == 0)
                        return s;
        return NULL;
}

static void dropping(void *arg, const struct hb_kept *m) {
        struct hb_duplicates *x = arg;

        hb_daemon_event(x->d, HB_LOG_INFO, HB_ON_GUEST, m->guest, NULL, NULL,
                        "the kept memory of guest %s gives way", m->guest);
        hb_dup_source_drop(x, source_of(x, m));
}

struct visits {
        const char *guest, *here;
        uint64_t arrived_ns, absent_ns; /* arrived: the later one of the pair looked for */
        uint32_t departures, returns;
};

/* Newest first: an arrival, then the departure before it. */
static int count_visits(void *arg, const struct hb_history_entry *h) {
        struct visits *v = arg;

        if (strcmp(h->kind, "migration") != 0 || strcmp(h->guest, v->guest) != 0 ||
            strcmp(h->result, "done") != 0)
                return 0;
        if (strcmp(h->to, v->here) == 0) {
                v->arrived_ns = h->wall_ns;
        } else if (strcmp(h->from, v->here) == 0) {
                v->departures++;
                if (v->arrived_ns > h->wall_ns) {
                        v->absent_ns += v->arrived_ns - h->wall_ns;
                        v->returns++;
                }
                v->arrived_ns = 0;
        }
        return 0;
}

static struct leave *leave_new(struct hb_duplicates *x, const char *guest, uint64_t pages, uint64_t resident,
                               uint64_t budget) {
        struct leave *l = calloc(1, sizeof *l);
        struct visits v = {.guest = guest, .here = x->d->settings->name};

        if (!l)
                return NULL;
        hb_history_list(x->d->store, HISTORY_LOOK, count_visits, &v);
        l->x = x;
        snprintf(l->dir, sizeof l->dir, "%s", hb_keep_dir(x->keep));
        snprintf(l->m.guest, sizeof l->m.guest, "%s", guest);
        l->m.visit_ns = hb_wall_ns();
        l->m.secret_id = hb_fingerprint_id(x->f);
        l->m.departures = v.departures ? v.departures : 1;
        l->m.absence_ns = v.returns ? v.absent_ns / v.returns : 0;
        l->m.pages_total = pages;
        l->max_pages = resident < budget / HB_PAGE_SIZE ? resident : budget / HB_PAGE_SIZE;
        return l;
}

static void keep_it(struct hb_duplicates *x, const char *guest, struct hb_dup_source *source, uint64_t pages,
                    uint64_t resident) {
        uint64_t budget = x->d->settings->keep_bytes;
        struct leave *l;

        if (!x->keep || !x->d->settings->find_duplicates || budget < HB_PAGE_SIZE || resident == 0)
                return;
        l = leave_new(x, guest, pages, resident, budget);
        if (!l)
                return;
        hb_keep_set_budget(x->keep, budget);
        if (hb_keep_make_room(x->keep, &l->m, l->max_pages * HB_PAGE_SIZE + x->coming_bytes, l->m.visit_ns,
                              dropping, x) < 0) {
                hb_log(HB_LOG_INFO, "guest %s: its memory is not kept: what is kept already is worth more",
                       guest);
                free(l);
                return;
        }
        l->source = hb_dup_source_ref(source);
        x->coming_bytes += l->max_pages * HB_PAGE_SIZE;
        hb_jobs_run(x->keeping, &leave_job, l);
}

void hb_dup_guest_departed(struct hb_guest *g) {
        if (g->dup)
                keep_it(g->dup->x, g->name, g->dup->source, g->target->shape.pages,
                        hb_page_map_resident_pages(g->map));
}

void hb_dup_image_given_up(struct hb_incoming *in) {
        struct hb_engine_stats st;

        if (!in->dup)
                return;
        hb_engine_stats(in->engine, &st);
        keep_it(in->dup->x, in->guest, in->dup->source, in->shape.pages,
                st.fresh > st.zero_pages ? st.fresh - st.zero_pages : 0);
}

/* ---- at start ---- */

int hb_dup_keep_begin(struct hb_duplicates *x) {
        const hb_settings *s = x->d->settings;
        char dir[300];
        struct hb_err e;
        unsigned thrown = 0;
        int r;

        snprintf(dir, sizeof dir, "%s", s->keep_dir[0] ? s->keep_dir : s->state_dir);
        if (!s->keep_dir[0])
                strncat(dir, "/kept", sizeof dir - strlen(dir) - 1);
        r = hb_keep_open(dir, s->keep_bytes, &x->keep, &thrown, &e);
        if (r < 0) {
                snprintf(x->keep_trouble, sizeof x->keep_trouble,
                         "no memory of guests that leave is kept: %.120s", e.what);
                hb_daemon_event_err(x->d, HB_LOG_WARNING, HB_ON_DAEMON, NULL, NULL,
                                    "opening the kept memory of guests", &e);
                return r;
        }
        if (thrown)
                hb_log(HB_LOG_NOTICE, "%u files of kept memory were half made or damaged, and are gone",
                       thrown);
        for (unsigned i = 0; hb_keep_get(x->keep, i); i++)
                hb_dup_fill_kept(x, hb_keep_get(x->keep, i));
        return 0;
}

/* Prints of another key say nothing: it only waits to be dropped. */
void hb_dup_fill_kept(struct hb_duplicates *x, const struct hb_kept *m) {
        struct hb_dup_source *s;
        struct hb_dup_part part = {.pages = m->pages_total, .fd = -1};
        struct hb_err e;

        if (m->secret_id != hb_fingerprint_id(x->f))
                return;
        if (hb_keep_open_memory(hb_keep_dir(x->keep), m, &part.fd, &e) < 0) {
                hb_daemon_event_err(x->d, HB_LOG_WARNING, HB_ON_GUEST, m->guest, NULL, "kept memory", &e);
                return;
        }
        if (hb_dup_source_new(x, HB_DUP_KEPT, m->guest, &part, 1, &s) < 0)
                return;
        s->kept = *m;
        hb_dup_fill(x, s);
}

/* ---- commands ---- */

static struct hb_duplicates *need(hb_daemon *d, hb_request *r) {
        struct hb_err e;

        if (d->duplicates && d->duplicates->keep)
                return d->duplicates;
        hb_err_set(&e, -EOPNOTSUPP, "[peer] secret", "harbinger doctor",
                   "no memory of guests that left is kept on this host");
        hb_request_fail(r, &e);
        return NULL;
}

static json_t *kept_json(const struct hb_duplicates *x, const struct hb_kept *m) {
        uint64_t now = hb_wall_ns();

        return json_pack("{s:s,s:I,s:f,s:I,s:I,s:i,s:o,s:f,s:b}", "guest", m->guest, "visit",
                         (json_int_t)m->visit_ns, "age_s",
                         now > m->visit_ns ? (double)(now - m->visit_ns) / 1e9 : 0.0, "bytes",
                         (json_int_t)(m->pages * HB_PAGE_SIZE), "guest_bytes",
                         (json_int_t)(m->pages_total * HB_PAGE_SIZE), "departures", (int)m->departures,
                         "absence_s", m->absence_ns ? json_real((double)m->absence_ns / 1e9) : json_null(),
                         "worth", hb_keep_worth(m, hb_keep_newer(x->keep, m), now), "usable",
                         m->secret_id == hb_fingerprint_id(x->f));
}

void hb_dup_cmd_kept_list(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_duplicates *x = need(d, r);
        json_t *a;

        if (!x)
                return;
        a = json_array();
        for (unsigned i = 0; hb_keep_get(x->keep, i); i++)
                json_array_append_new(a, kept_json(x, hb_keep_get(x->keep, i)));
        hb_request_ok(r, json_pack("{s:s,s:I,s:I,s:o}", "dir", hb_keep_dir(x->keep), "budget_bytes",
                                   (json_int_t)d->settings->keep_bytes, "bytes",
                                   (json_int_t)hb_keep_bytes(x->keep), "kept", a));
}

void hb_dup_cmd_kept_drop(hb_daemon *d, hb_request *r, json_t *args) {
        const char *guest = json_string_value(json_object_get(args, "guest"));
        json_t *visit = json_object_get(args, "visit");
        struct hb_duplicates *x = need(d, r);
        uint64_t bytes = 0;
        unsigned n = 0;
        struct hb_err e;

        if (!x)
                return;
        for (unsigned i = 0; hb_keep_get(x->keep, i);) {
                struct hb_kept m = *hb_keep_get(x->keep, i);

                if (strcmp(m.guest, guest) != 0 ||
                    (visit && (uint64_t)json_integer_value(visit) != m.visit_ns)) {
                        i++;
                        continue;
                }
                hb_dup_source_drop(x, source_of(x, &m));
                hb_keep_drop(x->keep, m.guest, m.visit_ns);
                bytes += m.pages * HB_PAGE_SIZE;
                n++;
        }
        if (n > 0) {
                hb_request_ok(r, json_pack("{s:s,s:i,s:I}", "guest", guest, "dropped", (int)n, "bytes",
                                           (json_int_t)bytes));
                return;
        }
        hb_err_set(&e, -ENOENT, guest, "harbinger kept list", "no memory of this guest is kept here");
        hb_request_fail(r, &e);
}
