/* pipe: opens, counts, asks, closes. Invariant: until hb_look_pipe_end succeeded there is no result under its
 * name. One thread. */
#include "look/pipe.h"
#include "base/fault.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TICK_ITEMS 64u

void hb_look_pipe_init(struct hb_look_pipe *p, const struct hb_look_output *o) {
        *p = (struct hb_look_pipe){.o = o};
}

static bool same_file(const char *a, const char *b) {
        struct stat x, y;

        return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int hb_look_pipe_open(struct hb_look_pipe *p, const char *path, hb_trace_reader **ret, struct hb_err *e) {
        struct hb_trace_info info;
        int r;

        if (same_file(path, p->o->path))
                return hb_err_set(e, -EINVAL, path, "name another file for the result",
                                  "the result cannot replace what it is made of");
        r = hb_trace_reader_open(path, ret, e);
        if (r < 0)
                return r;
        hb_trace_reader_info(*ret, &info);
        p->r.bytes_in += info.bytes;
        p->of += info.bytes;
        p->r.cut_short = p->r.cut_short || !info.indexed;
        return 0;
}

int hb_look_pipe_begin(struct hb_look_pipe *p, const struct hb_trace_header *h, struct hb_err *e) {
        struct hb_trace_writer_options wo = {.atomic = true, .replace = p->o->replace};

        p->epoch_ns = h->epoch_ns;
        return hb_trace_writer_new(p->o->path, h, &wo, &p->out, e);
}

static int written(struct hb_look_pipe *p, int r, struct hb_err *e) {
        if (r == 0 && hb_fault("look.write"))
                r = -EIO;
        return r < 0 ? hb_err_set(e, r, p->o->path, NULL, "cannot write the trace: %s", strerror(-r)) : 0;
}

int hb_look_pipe_epoch(struct hb_look_pipe *p, uint32_t epoch, uint64_t time_ns,
                       const struct hb_trace_access *a, size_t n, struct hb_err *e) {
        int r = written(p, hb_trace_writer_epoch(p->out, epoch, time_ns, a, n), e);

        if (r < 0)
                return r;
        if (p->r.epochs++ == 0) {
                p->r.first_epoch = epoch;
                p->first_ns = time_ns;
        }
        p->r.last_epoch = epoch;
        p->last_ns = time_ns;
        p->r.records += n;
        return 0;
}

int hb_look_pipe_event(struct hb_look_pipe *p, const struct hb_trace_event *ev, struct hb_err *e) {
        p->r.events++;
        return written(p, hb_trace_writer_event(p->out, ev), e);
}

int hb_look_pipe_mark(struct hb_look_pipe *p, uint64_t time_ns, enum hb_trace_mark kind, uint64_t value,
                      const char *text, struct hb_err *e) {
        p->r.events++;
        return written(p, hb_trace_writer_mark(p->out, time_ns, kind, value, text), e);
}

int hb_look_pipe_tick(struct hb_look_pipe *p, const hb_trace_reader *in, struct hb_err *e) {
        uint64_t of, at;

        if (!p->o->tick || ++p->since % TICK_ITEMS != 0)
                return 0;
        at = hb_trace_reader_at(in, &of);
        if (p->o->tick(p->o->arg, p->at_before + at, p->of > of ? p->of : of) == 0)
                return 0;
        return hb_err_set(e, -ECANCELED, p->o->path, NULL, "stopped; nothing was written");
}

int hb_look_pipe_end(struct hb_look_pipe *p, int rc, struct hb_look_result *ret, struct hb_err *e) {
        struct stat st;

        if (rc >= 0 && !p->out)
                rc = hb_err_set(e, -ENODATA, p->o->path, "harbinger trace info FILE tells what there is",
                                "nothing is left of it: no result was written");
        if (rc < 0) {
                p->out = hb_trace_writer_free(p->out);
                return rc;
        }
        rc = hb_trace_writer_close(p->out, e);
        p->out = NULL;
        if (rc < 0)
                return rc;
        p->r.bytes = stat(p->o->path, &st) == 0 ? (uint64_t)st.st_size : 0;
        p->r.seconds_ns = p->r.epochs ? p->last_ns - p->first_ns + p->epoch_ns : 0;
        *ret = p->r;
        return 0;
}

bool hb_look_policy_of_mark(const struct hb_trace_event *ev, struct hb_trace_policy policies[3]) {
        struct hb_trace_policy now = {0};

        if (ev->stream != HB_TRACE_MARK || ev->mark.kind != HB_MARK_POLICY || ev->mark.value > 2 ||
            sscanf(ev->mark.text, "%63s %31s %32s", now.name, now.version, now.hash) < 1)
                return false;
        policies[ev->mark.value] = now;
        return true;
}

void hb_look_note(struct hb_trace_header *h, const char *fmt, ...) {
        size_t n = strnlen(h->note, sizeof(h->note) - 1);
        char words[128];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(words, sizeof(words), fmt, ap);
        va_end(ap);
        snprintf(h->note + n, sizeof(h->note) - n, "%s[%s]", n ? " " : "", words);
}
