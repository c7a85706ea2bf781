/* sim: what the daemons' loops do, as a list of moments in order.
 *
 * Invariants: everything that crosses between the hosts goes through the production codecs; the image's room
 * is never exceeded; all times come from the trace or the link, so the machine's speed changes nothing.
 * A page's first touch is announced like a write: until then it held nothing. Memory: about 60 bytes a page,
 * whatever the trace's length. Cost: that of the production code, plus one look at each record. */
#include "replay/sim.h"
#include "base/clock.h"
#include "base/fault.h"
#include "map/announce.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS             (100 * HB_NS_PER_MS)
#define LOOK_NS             HB_NS_PER_MS
#define IDLE_NS             (60 * HB_NS_PER_S) /* of a long silence this much is lived through tick by tick */
#define SUMMARY_BYTES_PER_S 1000000.0
#define SUMMARY_MOST        (1 << 20)
#define AHEAD               16u

/* ---- the target ---- */

static uint64_t newly_held(const struct hb_sim *s, uint64_t gfn, uint32_t pages) {
        uint64_t n = 0;

        for (uint64_t g = gfn; g < gfn + pages; g++)
                n += !hb_bitmap_test(&s->held, g);
        return n;
}

static int op_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        struct hb_sim *s = arg;
        uint64_t more = newly_held(s, gfn, pages);
        int rc;

        (void)c;
        if (s->held_pages + more > s->o.image_pages)
                return -EAGAIN;
        rc = hb_sim_link_fetch(&s->link, s->now_ns, gfn, pages);
        if (rc < 0)
                return rc;
        hb_bitmap_set_range(&s->held, gfn, pages);
        s->held_pages += more;
        return 0;
}

static void op_report(void *arg) {
        (void)arg; /* nobody waits for it: who asks looks at the engine */
}

static void op_complete(void *arg, uint32_t f) {
        (void)f;
        ((struct hb_sim *)arg)->complete = true;
}

static void op_resync(void *arg, uint32_t processed) {
        (void)processed;
        ((struct hb_sim *)arg)->failed = -EPROTO; /* announcements are never lost here */
}

static int op_zero(void *arg, uint64_t gfn, uint64_t pages) {
        (void)arg, (void)gfn, (void)pages;
        return 0;
}

static void feed_link(struct hb_sim *s) {
        struct hb_sim_link *l = &s->link;
        struct hb_policy_link p;

        hb_sim_link_measure(l, s->now_ns);
        p = (struct hb_policy_link){.latency_s = 2.0 * (double)l->way_ns / 1e9,
                                    .bytes_per_s = l->rate,
                                    .free_bytes_per_s = l->rate * (1 - l->used_share),
                                    .used_share = l->used_share};
        hb_engine_link(s->engine, s->now_ns, &p);
}

static void settle(struct hb_sim *s) {
        uint32_t completed = hb_page_map_epoch(s->map);
        struct hb_sim_flight f;

        while (hb_sim_link_take(&s->link, s->now_ns, completed, &f)) {
                s->arrived_pages += f.pages;
                s->arrived_wire += f.wire_bytes;
                hb_engine_fetched(s->engine, s->now_ns, f.gfn, f.pages, f.stamp, f.wire_bytes, 0);
        }
        hb_engine_step(s->engine, s->now_ns);
}

static void tick(struct hb_sim *s) {
        s->tick_ns += TICK_NS;
        feed_link(s);
        hb_engine_step(s->engine, s->now_ns);
}

/* When the target next looks at what has arrived. */
static uint64_t next_look(const struct hb_sim *s) {
        uint64_t done = hb_sim_link_next(&s->link);

        if (done == UINT64_MAX)
                return done;
        done = done > s->now_ns ? done : s->now_ns;
        return (done + LOOK_NS - 1) / LOOK_NS * LOOK_NS;
}

/* After a long silence nothing happens any more but that pages arrive. */
static void skip_ticks(struct hb_sim *s, uint64_t to_ns) {
        if (s->now_ns < s->idle_ns)
                return;
        if (s->tick_ns < to_ns)
                s->tick_ns += (to_ns - s->tick_ns) / TICK_NS * TICK_NS;
}

void hb_sim_advance(struct hb_sim *s, uint64_t to_ns) {
        while (!s->alone) {
                uint64_t look = next_look(s);

                skip_ticks(s, to_ns);
                if (look > to_ns && s->tick_ns > to_ns)
                        break;
                if (look <= s->tick_ns) {
                        s->now_ns = look;
                        settle(s);
                } else {
                        s->now_ns = s->tick_ns > s->now_ns ? s->tick_ns : s->now_ns;
                        tick(s);
                }
        }
        if (to_ns > s->now_ns)
                s->now_ns = to_ns;
}

bool hb_sim_finish(struct hb_sim *s) {
        while (!s->complete && s->link.count > 0) {
                uint64_t look = next_look(s);

                hb_sim_advance(s, look < s->tick_ns ? look : s->tick_ns);
        }
        return s->complete;
}

/* ---- the source tells ---- */

static int hear_announcement(void *arg, const void *part, size_t size) {
        struct hb_sim *s = arg;
        struct hb_announce a;
        int rc = hb_announce_decode(part, size, &a, &s->heard);

        if (rc < 0)
                return rc;
        if (a.more)
                return 0;
        hb_engine_invalidate(s->engine, s->now_ns, a.from, a.to, &s->heard);
        hb_bitmap_clear_all(&s->heard);
        hb_engine_step(s->engine, s->now_ns);
        return 0;
}

static void hear_kept(struct hb_sim *s) {
        for (unsigned i = 0; i < s->nkept; i++)
                hb_engine_summary(s->engine, s->now_ns, s->processed, &s->kept[i]);
        s->nkept = 0;
}

/* Some are kept back, so that the engine's records of them are on their way from memory meanwhile. */
static void hear_entry(void *arg, const struct hb_summary_entry *entry) {
        struct hb_sim *s = arg;

        __builtin_prefetch(&s->pages[entry->gfn], 1);
        s->kept[s->nkept++] = *entry;
        if (s->nkept == HB_SIM_KEPT)
                hear_kept(s);
}

static int announce(struct hb_sim *s, uint32_t from, uint32_t to) {
        struct hb_announce a = {.from = from, .to = to, .time_ns = s->source_ns};
        int64_t n = hb_announce_encode(&a, &s->announced, &s->out, hear_announcement, s);

        if (n < 0)
                return (int)n;
        s->announce_bytes += (uint64_t)n;
        return 0;
}

static int summarize(struct hb_sim *s, double epoch_s) {
        s->summary_tokens += SUMMARY_BYTES_PER_S * epoch_s;
        if (s->summary_tokens > 4 * SUMMARY_BYTES_PER_S)
                s->summary_tokens = 4 * SUMMARY_BYTES_PER_S;
        while (hb_summary_due(s->encoder) && s->summary_tokens > 256) {
                double most = s->summary_tokens < SUMMARY_MOST ? s->summary_tokens : SUMMARY_MOST;
                uint32_t epoch;
                uint64_t time_ns;
                int64_t n;
                int rc;

                hb_buf_reset(&s->out);
                n = hb_summary_encode(s->encoder, (uint64_t)most, &s->out);
                if (n <= 0)
                        return (int)n;
                rc = hb_summary_decode(s->out.data, s->out.len, s->o.shape.pages, &epoch, &time_ns,
                                       hear_entry, s);
                hear_kept(s);
                if (rc < 0)
                        return rc;
                s->summary_tokens -= (double)n;
                s->summary_bytes += (uint64_t)n;
        }
        return 0;
}

/* ---- the source scans ---- */

static void scan_map(struct hb_sim *s, uint64_t time_ns) {
        if (s->o.flags & HB_TRACE_NO_READS)
                hb_page_map_apply(s->map, time_ns, &s->written, NULL, NULL, false);
        else if (s->o.flags & HB_TRACE_EXACT_READS)
                hb_page_map_apply_exact(s->map, time_ns, &s->written, &s->accessed);
        else
                hb_page_map_apply(s->map, time_ns, &s->written, &s->accessed, NULL, false);
}

/* `announced` becomes what was written and what is new; new pages become resident. */
static void note_resident(struct hb_sim *s) {
        uint64_t words = (s->o.shape.pages + 63) / 64;

        for (uint64_t w = 0; w < words; w++) {
                uint64_t touched = s->accessed.words[w] & ~s->resident.words[w];

                s->announced.words[w] |= s->written.words[w] | touched;
                if (!touched)
                        continue;
                s->resident.words[w] |= touched;
                s->more_resident = true;
        }
}

/* Of the scan just made. */
static int tell(struct hb_sim *s, uint64_t time_ns, uint32_t before, double epoch_s) {
        int rc;

        hb_sim_link_scanned(&s->link, time_ns, before);
        hb_sim_advance(s, time_ns + s->link.way_ns); /* until it is heard */
        s->idle_ns = s->now_ns + IDLE_NS;
        rc = announce(s, before, before + 1);
        return rc < 0 ? rc : summarize(s, epoch_s);
}

int hb_sim_scan(struct hb_sim *s, uint64_t time_ns) {
        uint32_t before = hb_page_map_epoch(s->map);
        double epoch_s = time_ns > s->source_ns ? (double)(time_ns - s->source_ns) / 1e9 : 0;
        int rc;

        note_resident(s);
        scan_map(s, time_ns);
        if (s->more_resident)
                hb_page_map_set_resident(s->map, &s->resident);
        s->more_resident = false;
        s->source_ns = time_ns > s->source_ns ? time_ns : s->source_ns;
        rc = s->alone ? 0 : tell(s, time_ns, before, epoch_s);
        hb_bitmap_clear_all(&s->announced);
        return rc < 0 ? rc : s->failed;
}

int hb_sim_begin(struct hb_sim *s) {
        hb_bitmap_or(&s->written, &s->resident);
        s->more_resident = true;
        return hb_sim_scan(s, s->o.begin_ns);
}

/* Those that are known to hold data already are not new: a recording that was begun anew names them all. */
void hb_sim_resident(struct hb_sim *s, const struct hb_bitmap *pages) {
        for (uint64_t w = 0; w < (s->o.shape.pages + 63) / 64; w++)
                s->announced.words[w] |= pages->words[w] & ~s->resident.words[w];
        hb_bitmap_or(&s->resident, pages);
        s->more_resident = true;
}

static bool is_fresh(const struct hb_image_page *p) {
        return !(p->flags & HB_IP_FETCHING) && hb_coherency_judge(p->c) == HB_PAGE_FRESH;
}

static void look_at(struct hb_sim *s, const struct hb_trace_access *a, size_t n, struct hb_sim_seen *seen) {
        uint64_t covered = 0, written = 0;

        hb_bitmap_clear_all(&s->accessed);
        hb_bitmap_clear_all(&s->written);
        for (size_t i = 0; i < n; i++) {
                uint64_t g = a[i].gfn;

                if (i + AHEAD < n)
                        __builtin_prefetch(&s->pages[a[i + AHEAD].gfn]);
                covered += is_fresh(&s->pages[g]);
                hb_bitmap_set(&s->accessed, g);
                if (a[i].writes) {
                        hb_bitmap_set(&s->written, g);
                        written++;
                }
        }
        *seen = (struct hb_sim_seen){.accessed = n, .written = written, .covered = covered};
}

int hb_sim_epoch(struct hb_sim *s, uint64_t time_ns, const struct hb_trace_access *a, size_t n,
                 struct hb_sim_seen *ret) {
        look_at(s, a, n, ret);
        hb_sim_advance(s, time_ns);
        return hb_sim_scan(s, time_ns);
}

/* ---- made and unmade ---- */

#define BITMAPS 6u

static struct hb_bitmap *bitmap(struct hb_sim *s, unsigned i) {
        struct hb_bitmap *all[BITMAPS] = {&s->accessed, &s->written, &s->announced,
                                          &s->resident, &s->held,    &s->heard};

        return all[i];
}

static int make_bitmaps(struct hb_sim *s) {
        for (unsigned i = 0; i < BITMAPS; i++)
                if (hb_bitmap_init(bitmap(s, i), s->o.shape.pages) < 0)
                        return -ENOMEM;
        return 0;
}

static int make_engine(struct hb_sim *s, hb_policies *policies, hb_engine **ret) {
        static const struct hb_engine_ops ops = {op_fetch, op_report, op_complete, op_resync};
        struct hb_engine_image image = {.shape = &s->o.shape,
                                        .pages = s->pages,
                                        .processed = &s->processed,
                                        .zero = op_zero,
                                        .arg = s};

        return hb_engine_new(&s->o.engine, &image, policies, &ops, s, ret);
}

static int make(struct hb_sim *s, hb_policies *policies, struct hb_err *e) {
        int rc = make_bitmaps(s);

        s->pages = hb_fault("replay.pages") ? NULL : calloc(s->o.shape.pages, sizeof(*s->pages));
        if (rc == 0 && !s->pages)
                rc = -ENOMEM;
        if (rc == 0)
                rc = hb_page_map_open(&s->o.shape, NULL, &s->map, e);
        if (rc == 0)
                rc = hb_summary_encoder_new(s->map, &s->encoder);
        if (rc == 0)
                rc = make_engine(s, policies, &s->engine);
        return rc;
}

int hb_sim_new(const struct hb_sim_options *o, hb_policies *policies, struct hb_sim **ret, struct hb_err *e) {
        struct hb_sim *s = hb_fault("replay.sim") ? NULL : calloc(1, sizeof(*s));
        int rc;

        if (!s)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a replay");
        s->o = *o;
        s->now_ns = s->source_ns = o->begin_ns;
        s->tick_ns = o->begin_ns + TICK_NS;
        rc = hb_sim_link_init(&s->link, o->link_bytes_per_s, o->latency_s, o->wire_share, o->begin_ns);
        if (rc == -EINVAL) {
                hb_err_set(e, rc, NULL, "give 1 kB/s to 1 TB/s, and at most 60 s of latency",
                           "no link is like that");
                goto fail;
        }
        if (rc == 0)
                rc = make(s, policies, e);
        if (rc < 0) {
                hb_err_set(e, rc, NULL, "replay it on a host with more memory",
                           "no memory for a replay of %llu pages", (unsigned long long)o->shape.pages);
                goto fail;
        }
        *ret = s;
        return 0;
fail:
        hb_sim_free(s);
        return rc;
}

/* ---- placed anew ---- */

void hb_sim_unplace(struct hb_sim *s) {
        s->alone = true;
}

static int new_link(struct hb_sim *s) {
        struct hb_sim_link link;
        int rc = hb_sim_link_init(&link, s->o.link_bytes_per_s, s->o.latency_s, s->o.wire_share, s->now_ns);

        if (rc < 0)
                return rc;
        hb_sim_link_fini(&s->link);
        s->link = link;
        return 0;
}

static void blank(struct hb_sim *s) {
        memset(s->pages, 0, s->o.shape.pages * sizeof(*s->pages));
        hb_bitmap_clear_all(&s->held);
        hb_bitmap_clear_all(&s->heard);
        s->held_pages = s->arrived_pages = s->arrived_wire = 0;
        s->summary_bytes = s->announce_bytes = 0;
        s->processed = 0;
        s->nkept = 0;
        s->failed = 0;
        s->complete = false;
        s->tick_ns = s->now_ns + TICK_NS;
        s->idle_ns = s->now_ns + IDLE_NS;
}

int hb_sim_place(struct hb_sim *s, hb_policies *policies) {
        uint32_t epoch = hb_page_map_epoch(s->map);
        int rc = new_link(s);

        if (rc < 0)
                return rc;
        s->engine = hb_engine_free(s->engine);
        blank(s);
        rc = make_engine(s, policies, &s->engine);
        if (rc < 0)
                return rc;
        s->alone = false;
        hb_summary_reset(s->encoder);
        hb_sim_link_scanned(&s->link, s->now_ns, epoch);
        hb_sim_advance(s, s->now_ns + s->link.way_ns);
        hb_bitmap_copy(&s->announced, &s->resident);
        rc = announce(s, 0, epoch);
        if (rc == 0)
                rc = summarize(s, 1);
        hb_bitmap_clear_all(&s->announced);
        return rc < 0 ? rc : s->failed;
}

struct hb_sim *hb_sim_free(struct hb_sim *s) {
        if (!s)
                return NULL;
        hb_engine_free(s->engine);
        hb_summary_encoder_free(s->encoder);
        hb_page_map_free(s->map);
        for (unsigned i = 0; i < BITMAPS; i++)
                hb_bitmap_fini(bitmap(s, i));
        hb_buf_free(&s->out);
        hb_sim_link_fini(&s->link);
        free(s->pages);
        free(s);
        return NULL;
}
