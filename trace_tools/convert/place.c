/* place: where in its input an import is: errors that name the line or byte, and the clock that chooses
 * epochs.
 *
 * Times of the input never go back (a file that was not sorted would be silently wrong otherwise). Trace time
 * is the input's less origin_ns; an input without time counts accesses. */
#include "convert/import_priv.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define UNIX_TIMES_FROM_NS 1000000000000000000ull /* 10^9 s: September 2001; no machine is up that long */
#define FOUND_CHARS        40

static void place(const struct hb_import_job *j, char *out, size_t size) {
        bool text = j->stats.format != HB_IMPORT_ORACLE;

        snprintf(out, size, "%.150s %s %llu%s", j->name, text ? "line" : "byte",
                 (unsigned long long)(text ? j->stats.lines : hb_source_at(j->source)),
                 !text && hb_source_packed(j->source) ? " (unpacked)" : "");
}

int hb_import_fail(struct hb_import_job *j, int code, const char *next, const char *fmt, ...) {
        char what[256], where[192];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(what, sizeof(what), fmt, ap);
        va_end(ap);
        place(j, where, sizeof(where));
        return hb_err_set(j->e, code, where, next, "%s", what);
}

int hb_import_bad(struct hb_import_job *j, const char *p, const char *end, const char *expected) {
        char found[FOUND_CHARS + 4];
        size_t n = 0;

        for (; p < end && n < FOUND_CHARS; p++)
                found[n++] = *p >= 0x20 && *p < 0x7F ? *p : '?';
        snprintf(found + n, sizeof(found) - n, "%s", p < end ? "..." : "");
        return hb_import_fail(j, -EBADMSG, "is --format right?", "expected %s, found %s%s%s", expected,
                              n ? "\"" : "", n ? found : "the line's end", n ? "\"" : "");
}

static int set_origin(struct hb_import_job *j, uint64_t input_ns, enum hb_import_origin origin) {
        if (input_ns >= UNIX_TIMES_FROM_NS)
                j->header.begins_unix_ns = input_ns;
        if (origin == HB_IMPORT_FROM_FIRST || j->header.begins_unix_ns)
                j->origin_ns = input_ns;
        return hb_import_begin(j);
}

int hb_import_clock(struct hb_import_job *j, uint64_t input_ns, enum hb_import_origin origin,
                    uint64_t *ret_ns) {
        uint64_t ns;
        int r = j->begun ? 0 : set_origin(j, input_ns, origin);

        if (r < 0)
                return r;
        if (input_ns < j->now_ns)
                return hb_import_fail(j, -EBADMSG, "sort the input by time",
                                      "the time %.9g s is before the one before it, %.9g s",
                                      (double)input_ns / 1e9, (double)j->now_ns / 1e9);
        j->now_ns = input_ns;
        ns = input_ns - j->origin_ns;
        if (j->o->to_ns && ns >= j->o->to_ns)
                return HB_IMPORT_ENOUGH;
        if (ns < j->o->from_ns) {
                j->stats.outside++;
                return HB_IMPORT_OUTSIDE;
        }
        *ret_ns = ns;
        return 0;
}

int hb_import_time(struct hb_import_job *j, uint64_t input_ns, enum hb_import_origin origin) {
        uint64_t ns = 0, epoch;
        int r = hb_import_clock(j, input_ns, origin, &ns);

        if (r != 0)
                return r;
        epoch = ns / j->o->epoch_ns + 1;
        if (epoch > UINT32_MAX)
                return hb_import_fail(j, -ERANGE, "a longer --epoch", "there are more than 2^32 epochs");
        return hb_gather_epoch(&j->gather, (uint32_t)epoch, epoch * j->o->epoch_ns, j->e);
}

/* Epoch k holds accesses (k-1)n .. kn-1 and is one second of trace time. */
static int next_counted(struct hb_import_job *j) {
        uint64_t per = j->o->epoch_accesses, done = j->stats.accesses + j->stats.outside,
                 epoch = done / per + 1;
        unsigned __int128 at = (unsigned __int128)done * 1000000000u / per;

        if (j->o->to_ns && at >= j->o->to_ns)
                return HB_IMPORT_ENOUGH;
        if (at < j->o->from_ns) {
                j->stats.outside++;
                return HB_IMPORT_OUTSIDE;
        }
        if (epoch > UINT32_MAX)
                return hb_import_fail(j, -ERANGE, "a longer --epoch", "there are more than 2^32 epochs");
        j->in_epoch = per - done % per;
        return hb_gather_epoch(&j->gather, (uint32_t)epoch, epoch * 1000000000, j->e);
}

int hb_import_counted(struct hb_import_job *j) {
        int r = j->begun ? 0 : hb_import_begin(j);

        if (r == 0 && (j->in_epoch == 0 || j->o->to_ns))
                r = next_counted(j);
        if (r == 0)
                j->in_epoch--;
        return r;
}
