/* quality: moments wait until their horizon has passed, then predicted and true sets are counted against each
 * other.
 *
 * Invariant: no true set is ever collected. Each page remembers the last epoch it was accessed in (and
 * written in); when a moment's horizon has passed, and before anything later is heard, the pages whose last
 * access is newer than the moment are its true set. The same numbers, asked at the moment itself, give the
 * working set and what was ever seen. Cost: O(touched pages) an epoch, O(pages) a moment. One thread. */
#include "place/quality.h"
#include "base/clock.h"
#include "base/fault.h"
#include "place/top_k.h"
#include <errno.h>
#include <immintrin.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_S  5.0
#define WARMUP_S 30.0
#define MOST_S   1e9 /* in ns it still fits */

struct moment {
        struct moment *next; /* judged in the order they were made */
        uint64_t time_ns;
        uint32_t index;                    /* the epoch it followed */
        struct hb_bitmap accesses, writes; /* predicted */
        struct hb_bitmap window, seen;     /* accessed in (t-H, t]; ever */
        float *expected_accesses,
                *expected_writes; /* oracle budget: ranked when the true set's size is known */
};

struct sums {
        double precision, recall, f1;
        uint64_t moments;
};

struct hb_quality {
        uint64_t pages, horizon_ns, every_ns, due_ns, time_ns;
        bool oracle, due, failed;
        uint32_t index;                     /* epochs heard */
        uint32_t *accessed_in, *written_in; /* by page: the last epoch, 0: none */
        uint64_t *middle_ns;                /* of epochs first .. index, as many as the horizon holds */
        uint32_t first;
        size_t middles;
        uint32_t *room;
        struct moment *open, **last, *spare;
        struct sums all, writes, returning, fresh;
        void (*told)(void *arg, uint64_t time_ns, const struct hb_quality_result *of_this);
        void *arg;
};

static uint64_t ns_of(double s, double otherwise) {
        s = s > 0 ? s : s < 0 ? 0 : otherwise;
        return (uint64_t)((s < MOST_S ? s : MOST_S) * (double)HB_NS_PER_S + 0.5);
}

int hb_quality_new(uint64_t pages, const struct hb_quality_options *o, hb_quality **ret) {
        hb_quality *q = hb_fault("quality.new") ? NULL : calloc(1, sizeof(*q));

        if (!q)
                return -ENOMEM;
        q->pages = pages;
        q->horizon_ns = ns_of(o->horizon_s, 10.0);
        q->every_ns = ns_of(o->every_s, EVERY_S);
        q->every_ns += q->every_ns == 0;
        q->due_ns = o->begin_ns + ns_of(o->warmup_s, WARMUP_S);
        q->time_ns = o->begin_ns;
        q->oracle = o->oracle_budget;
        q->last = &q->open;
        q->first = 1;
        q->accessed_in = calloc(pages + 1, sizeof(*q->accessed_in));
        q->written_in = calloc(pages + 1, sizeof(*q->written_in));
        q->room = malloc(HB_TOP_K_ROOM * sizeof(*q->room));
        if (!q->accessed_in || !q->written_in || !q->room) {
                hb_quality_free(q);
                return -ENOMEM;
        }
        *ret = q;
        return 0;
}

static struct moment *moment_free(struct moment *m) {
        hb_bitmap_fini(&m->accesses);
        hb_bitmap_fini(&m->writes);
        hb_bitmap_fini(&m->window);
        hb_bitmap_fini(&m->seen);
        free(m->expected_accesses);
        free(m->expected_writes);
        free(m);
        return NULL;
}

static void moments_free(struct moment *m) {
        while (m) {
                struct moment *next = m->next;

                moment_free(m);
                m = next;
        }
}

hb_quality *hb_quality_free(hb_quality *q) {
        if (!q)
                return NULL;
        moments_free(q->open);
        moments_free(q->spare);
        free(q->accessed_in);
        free(q->written_in);
        free(q->middle_ns);
        free(q->room);
        free(q);
        return NULL;
}

void hb_quality_on_moment(hb_quality *q,
                          void (*moment)(void *arg, uint64_t time_ns,
                                         const struct hb_quality_result *of_this),
                          void *arg) {
        q->told = moment;
        q->arg = arg;
}

/* ---- judging ---- */

struct tally {
        uint64_t both, predicted, really;
};

static void tally(struct tally *t, uint64_t predicted, uint64_t really) {
        t->both += (unsigned)__builtin_popcountll(predicted & really);
        t->predicted += (unsigned)__builtin_popcountll(predicted);
        t->really += (unsigned)__builtin_popcountll(really);
}

/* Bit i: in[i] > than, i < 4. */
static inline uint64_t newer_4(const uint32_t *in, __m128i than) {
        __m128i v = _mm_xor_si128(_mm_loadu_si128((const __m128i *)in), _mm_set1_epi32(INT32_MIN));

        return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpgt_epi32(v, than)));
}

static uint64_t newer(const uint32_t *in, uint64_t pages, uint64_t word, uint32_t than) {
        __m128i limit = _mm_set1_epi32((int)(than ^ 0x80000000u));
        uint64_t first = word * 64, n = pages - first < 64 ? pages - first : 64, bits = 0, i = 0;

        for (; i + 4 <= n; i += 4)
                bits |= newer_4(in + first + i, limit) << i;
        for (; i < n; i++)
                bits |= (uint64_t)(in[first + i] > than) << i;
        return bits;
}

static uint64_t count_newer(const uint32_t *in, uint64_t pages, uint32_t than) {
        uint64_t n = 0;

        for (uint64_t w = 0; w * 64 < pages; w++)
                n += (unsigned)__builtin_popcountll(newer(in, pages, w, than));
        return n;
}

/* Books a tally; a class that nothing is of counts for nothing. */
static struct hb_quality_score book(struct sums *s, const struct tally *t) {
        struct hb_quality_score r = {NAN, NAN, NAN, 0};

        if (t->really == 0)
                return r;
        r.precision = t->predicted ? (double)t->both / (double)t->predicted : 0.0;
        r.recall = (double)t->both / (double)t->really;
        r.f1 = 2.0 * (double)t->both / (double)(t->predicted + t->really);
        r.moments = 1;
        s->precision += r.precision;
        s->recall += r.recall;
        s->f1 += r.f1;
        s->moments++;
        return r;
}

static void rank_late(hb_quality *q, struct moment *m) {
        hb_top_k(m->expected_accesses, q->pages, count_newer(q->accessed_in, q->pages, m->index), q->room,
                 &m->accesses);
        hb_top_k(m->expected_writes, q->pages, count_newer(q->written_in, q->pages, m->index), q->room,
                 &m->writes);
}

static void judge(hb_quality *q, struct moment *m) {
        struct tally all = {0}, writes = {0}, returning = {0}, fresh = {0};
        struct hb_quality_result r;

        if (q->oracle)
                rank_late(q, m);
        for (uint64_t w = 0; w * 64 < q->pages; w++) {
                uint64_t really = newer(q->accessed_in, q->pages, w, m->index),
                         written = newer(q->written_in, q->pages, w, m->index),
                         predicted = m->accesses.words[w], seen = m->seen.words[w],
                         back = seen & ~m->window.words[w];

                tally(&all, predicted, really);
                tally(&writes, m->writes.words[w], written);
                tally(&returning, predicted & back, really & back);
                tally(&fresh, predicted & ~seen, really & ~seen);
        }
        r.all = book(&q->all, &all);
        r.writes = book(&q->writes, &writes);
        r.returning = book(&q->returning, &returning);
        r.fresh = book(&q->fresh, &fresh);
        if (q->told && all.really > 0)
                q->told(q->arg, m->time_ns, &r);
}

static void judge_until(hb_quality *q, uint64_t ns, bool whole) {
        while (q->open) {
                struct moment *m = q->open;
                uint64_t end = m->time_ns + q->horizon_ns;

                if (whole ? end > ns : end >= ns)
                        return;
                judge(q, m);
                q->open = m->next;
                if (!q->open)
                        q->last = &q->open;
                m->next = q->spare;
                q->spare = m;
        }
}

/* ---- hearing ---- */

static void note(uint32_t *in, const struct hb_bitmap *pages, uint32_t index) {
        uint32_t gfn[256], n;
        uint64_t at = 0;

        while ((n = hb_bitmap_list(pages, &at, gfn, 256)) > 0)
                for (uint32_t i = 0; i < n; i++)
                        in[gfn[i]] = index;
}

/* Keeps the middles of epochs that a window ending now can still hold. */
static void note_middle(hb_quality *q, uint64_t middle_ns) {
        size_t n = q->index - q->first; /* without the newest */
        uint64_t from = q->time_ns > q->horizon_ns ? q->time_ns - q->horizon_ns : 0;

        if (n == q->middles) {
                size_t drop = 0, room = q->middles ? q->middles : 32;
                uint64_t *more;

                while (drop < n && q->time_ns > q->horizon_ns && q->middle_ns[drop] <= from)
                        drop++;
                if (drop < n / 2 || n == 0) {
                        more = hb_fault("quality.window") ? NULL
                                                          : realloc(q->middle_ns, 2 * room * sizeof(*more));
                        q->failed |= !more;
                        if (!more)
                                return;
                        q->middle_ns = more;
                        q->middles = 2 * room;
                }
                if (drop > 0)
                        memmove(q->middle_ns, q->middle_ns + drop, (n - drop) * sizeof(*q->middle_ns));
                q->first += (uint32_t)drop;
                n -= drop;
        }
        q->middle_ns[n] = middle_ns;
}

void hb_quality_epoch(hb_quality *q, uint64_t time_ns, const struct hb_bitmap *accessed,
                      const struct hb_bitmap *written) {
        uint64_t middle_ns = q->time_ns;

        if (q->failed)
                return;
        if (time_ns > q->time_ns) {
                middle_ns += (time_ns - q->time_ns) / 2;
                q->time_ns = time_ns;
        }
        judge_until(q, middle_ns, false);
        q->index++;
        note_middle(q, middle_ns);
        note(q->accessed_in, accessed, q->index);
        note(q->written_in, written, q->index);
        judge_until(q, q->time_ns, true);
        q->due = q->time_ns >= q->due_ns;
        if (q->due)
                q->due_ns += ((q->time_ns - q->due_ns) / q->every_ns + 1) * q->every_ns;
}

bool hb_quality_due(const hb_quality *q) {
        return q->due && !q->failed;
}

/* ---- a moment ---- */

static int moment_new(hb_quality *q, struct moment **ret) {
        struct moment *m = q->spare;
        size_t bytes = (q->pages + 1) * sizeof(float);
        bool ok;

        if (m) {
                q->spare = m->next;
                hb_bitmap_clear_all(&m->accesses);
                hb_bitmap_clear_all(&m->writes);
                *ret = m;
                return 0;
        }
        m = hb_fault("quality.moment") ? NULL : calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        ok = hb_bitmap_init(&m->accesses, q->pages) == 0 && hb_bitmap_init(&m->writes, q->pages) == 0 &&
             hb_bitmap_init(&m->window, q->pages) == 0 && hb_bitmap_init(&m->seen, q->pages) == 0;
        if (q->oracle && ok) {
                m->expected_accesses = malloc(bytes);
                m->expected_writes = malloc(bytes);
                ok = m->expected_accesses && m->expected_writes;
        }
        if (!ok) {
                moment_free(m);
                return -ENOMEM;
        }
        *ret = m;
        return 0;
}

/* The last epoch before the window (t-H, t]. */
static uint32_t before_window(const hb_quality *q) {
        uint32_t i = q->index;

        if (q->time_ns < q->horizon_ns) /* it holds everything */
                return 0;
        while (i >= q->first && q->middle_ns[i - q->first] > q->time_ns - q->horizon_ns)
                i--;
        return i;
}

static uint64_t mark_window(const hb_quality *q, struct moment *m) {
        uint32_t before = before_window(q);
        uint64_t pages = 0;

        for (uint64_t w = 0; w * 64 < q->pages; w++) {
                m->window.words[w] = newer(q->accessed_in, q->pages, w, before);
                m->seen.words[w] = newer(q->accessed_in, q->pages, w, 0);
                pages += (unsigned)__builtin_popcountll(m->window.words[w]);
        }
        return pages;
}

int hb_quality_predicted(hb_quality *q, const float *accesses, const float *writes) {
        struct moment *m;
        uint64_t k;
        int rc;

        if (!hb_quality_due(q))
                return q->failed ? -ENOMEM : -EINVAL;
        rc = moment_new(q, &m);
        if (rc < 0)
                return rc;
        m->next = NULL;
        m->time_ns = q->time_ns;
        m->index = q->index;
        k = mark_window(q, m);
        if (q->oracle) {
                memcpy(m->expected_accesses, accesses, q->pages * sizeof(float));
                memcpy(m->expected_writes, writes, q->pages * sizeof(float));
        } else {
                hb_top_k(accesses, q->pages, k, q->room, &m->accesses);
                hb_top_k(writes, q->pages, count_newer(q->written_in, q->pages, before_window(q)), q->room,
                         &m->writes);
        }
        *q->last = m;
        q->last = &m->next;
        q->due = false;
        return 0;
}

/* ---- the answer ---- */

static struct hb_quality_score mean(const struct sums *s) {
        double n = (double)s->moments;

        if (s->moments == 0)
                return (struct hb_quality_score){NAN, NAN, NAN, 0};
        return (struct hb_quality_score){s->precision / n, s->recall / n, s->f1 / n, s->moments};
}

void hb_quality_result(const hb_quality *q, struct hb_quality_result *ret) {
        *ret = (struct hb_quality_result){.all = mean(&q->all),
                                          .writes = mean(&q->writes),
                                          .returning = mean(&q->returning),
                                          .fresh = mean(&q->fresh)};
}
