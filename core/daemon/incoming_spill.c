/* incoming_spill: an image above its budget, in the daemon: when it spills, when everything comes back, and
 * what waits for that.
 *
 * Invariant: while a page lies on the disk, neither COMPLETE nor, once a move was asked for, `ready` is told;
 * and no hand-over is begun for which there would be no memory. From the hand-over's first message on the
 * budget does not hold: the guest will need that memory anyway, and the source goes on running it until all
 * of it is there. Loop thread; the disk is waited for elsewhere (core/place/spill_io.h). */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/incoming_priv.h"
#include "daemon/migrate.h"
#include "place/image_spill.h"
#include <errno.h>
#include <string.h>

static bool wanted(const struct hb_incoming *in) {
        const hb_settings *s = in->d->settings;
        return s->image_ram_bytes > 0 && s->spill_dir[0];
}

uint64_t hb_incoming_spill_share(const struct hb_incoming *in, uint64_t bytes) {
        uint64_t budget = in->d->settings->image_ram_bytes;
        return wanted(in) && budget < bytes ? budget : bytes;
}

/* ---- pages ---- */

static void op_lost(void *arg, uint64_t gfn, uint32_t pages) {
        struct hb_incoming *in = arg;
        hb_daemon_event(
                in->d, HB_LOG_ERR, HB_ON_PLACEMENT, in->guest, in->host,
                "look at the health of the disk under spill_dir",
                "%s: %u pages from %llu on came back from the spill file other than they went; they are "
                "fetched again",
                in->guest, pages, (unsigned long long)gfn);
        hb_engine_lost(in->engine, hb_now_ns(), gfn, pages);
}

/* What waited for the last page to come back. */
static void all_home(struct hb_incoming *in) {
        struct hb_engine_stats s;
        uint32_t f = in->spill.complete_at;
        if (hb_image_spilled(in->image) > 0)
                return;
        hb_engine_stats(in->engine, &s);
        in->spill.complete_at = 0;
        if (f && s.complete && s.final_epoch == f && in->completed)
                in->completed(in, f);
        else if (s.draining && in->session)
                hb_incoming_report(in); /* the source waits for it */
}

static bool moving(const struct hb_incoming *in) {
        struct hb_engine_stats s;
        hb_engine_stats(in->engine, &s);
        return in->handover || s.draining || s.frozen;
}

static void give_up_if_stuck(struct hb_incoming *in) {
        struct hb_image_spill_stats s;
        struct hb_err e;
        hb_image_spill_stats(in->image, &s);
        if (!in->handover || !s.promoting || s.spilled_pages == 0 ||
            (s.error != -EFAULT && s.error != -ENOMEM) || hb_incoming_spill_check(in, &e) == 0)
                return;
        hb_handover_why(in->handover, &e);
        hb_handover_event(in->handover, HB_EV_FAIL);
}

/* May end in the free of a hand-over, never of `in`. */
static void turn(struct hb_incoming *in) {
        uint64_t before = hb_image_spilled(in->image);
        if (hb_image_spill_tick(in->image, hb_now_ns()))
                hb_incoming_step(in);
        if (before > 0 || in->spill.complete_at)
                all_home(in);
}

static void on_done(evutil_socket_t fd, short what, void *arg) {
        turn(arg);
}

/* ---- begun, ended ---- */

static int enable(struct hb_incoming *in, struct hb_err *e) {
        struct hb_image_spill_options o = {.dir = in->d->settings->spill_dir,
                                           .ram_bytes = wanted(in) ? in->d->settings->image_ram_bytes : 0,
                                           .lost = op_lost,
                                           .arg = in};
        int r = hb_image_spill_enable(in->image, &o, e);
        if (r < 0)
                return r;
        in->spill.event =
                event_new(in->d->base, hb_image_spill_fd(in->image), EV_READ | EV_PERSIST, on_done, in);
        if (!in->spill.event || event_add(in->spill.event, NULL) < 0)
                return hb_err_set(e, -ENOMEM, in->guest, NULL, "no memory to wait for the spill file");
        return 0;
}

/* All the memory of huge pages was set aside when the image was made. */
static bool kept_whole(const struct hb_incoming *in) {
        return in->spill.why.code == -EOPNOTSUPP;
}

/* Also called when settings were read again, so each time. Without a file the budget holds all the same:
 * prefetching then ends at it. */
void hb_incoming_spill_begin(struct hb_incoming *in) {
        bool on = hb_image_spill_fd(in->image) >= 0;
        if (on)
                hb_image_spill_budget(in->image, wanted(in) ? in->d->settings->image_ram_bytes : 0);
        if (on || in->spill.why.code || (!wanted(in) && hb_image_spilled(in->image) == 0))
                return;
        struct hb_err e = {0};
        if (enable(in, &e) == 0)
                return;
        in->spill.why = e;
        hb_daemon_event_err(in->d, HB_LOG_WARNING, HB_ON_PLACEMENT, in->guest, in->host,
                            kept_whole(in)
                                    ? "an image stays in memory"
                                    : "an image stays in memory, and is filled no further than its budget",
                            &e);
}

void hb_incoming_spill_end(struct hb_incoming *in) {
        if (in->spill.event)
                event_free(in->spill.event);
        in->spill.event = NULL;
}

/* Once as it begins, once as it is over. */
static void tell_error(struct hb_incoming *in) {
        struct hb_image_spill_stats s;
        hb_image_spill_stats(in->image, &s);
        if (s.error == in->spill.told)
                return;
        in->spill.told = s.error;
        if (s.error)
                hb_daemon_event(in->d, HB_LOG_ERR, HB_ON_PLACEMENT, in->guest, in->host,
                                "look at the disk under spill_dir", "%s: the spill file %s: %s", in->guest,
                                s.path, hb_errno_name(s.error));
        else
                hb_daemon_event(in->d, HB_LOG_NOTICE, HB_ON_PLACEMENT, in->guest, in->host, NULL,
                                "%s: the spill file works again", in->guest);
}

void hb_incoming_spill_tick(struct hb_incoming *in) {
        hb_incoming_spill_begin(in);
        hb_image_spill_promote(in->image, moving(in));
        turn(in);
        tell_error(in);
        give_up_if_stuck(in);
}

/* ---- what others ask ---- */

static int room(const struct hb_incoming *in, uint32_t pages) {
        struct hb_image_spill_stats s;
        if (!in->spill.why.code || kept_whole(in))
                return hb_image_spill_room(in->image, pages);
        hb_image_spill_stats(in->image, &s);
        return moving(in) || !wanted(in) ||
                               s.ram_bytes + (uint64_t)pages * HB_PAGE_SIZE <=
                                       in->d->settings->image_ram_bytes
                       ? 0
                       : -ENOSPC;
}

int hb_incoming_spill_room(struct hb_incoming *in, uint32_t pages) {
        int r = room(in, pages);
        if (r == -ENOSPC && !in->spill.paused)
                hb_daemon_event(
                        in->d, HB_LOG_WARNING, HB_ON_PLACEMENT, in->guest, in->host,
                        in->spill.why.code ? in->spill.why.next
                                           : "make room under spill_dir, or raise image_ram_bytes",
                        "%s: prefetching pauses: the image has used image_ram_bytes and %s; nothing is lost",
                        in->guest, in->spill.why.code ? "cannot spill" : "spill_dir is full");
        if (r == -EAGAIN && in->spill.event)
                event_active(in->spill.event, EV_READ, 0); /* not only at the next tick */
        if (r == 0 || r == -ENOSPC)
                in->spill.paused = r < 0;
        return r;
}

bool hb_incoming_spill_holds(struct hb_incoming *in, uint32_t f) {
        if (hb_image_spilled(in->image) == 0)
                return false;
        in->spill.complete_at = f;
        return true;
}

int hb_incoming_spill_check(const struct hb_incoming *in, struct hb_err *e) {
        struct hb_engine_stats s;
        if (hb_image_spill_fd(in->image) < 0 && (!in->spill.why.code || kept_whole(in)))
                return 0; /* what the image needs was looked at when it was placed */
        hb_engine_stats(in->engine, &s);
        return hb_image_spill_promotable(in->image, s.resident - s.zero_pages, e);
}

/* A peer of version 1 knows no such pages: to it they are on their way. */
void hb_incoming_spill_report(const struct hb_incoming *in, struct hb_msg_report *m) {
        uint64_t out = hb_image_spilled(in->image);
        m->spilled_pages = out;
        if (out > 0 && moving(in))
                m->ready = false;
        if (in->session && hb_session_version(in->session) < 2 && moving(in)) {
                m->fresh -= out < m->fresh ? out : m->fresh;
                m->fetching += out;
        }
}

static const char *how(const struct hb_image_spill_stats *s) {
        if (!s->on)
                return "";
        if (s->uring)
                return s->direct ? "io_uring, O_DIRECT" : "io_uring, buffered";
        return s->direct ? "threads, O_DIRECT" : "threads, buffered";
}

static const char *state(const struct hb_incoming *in, const struct hb_image_spill_stats *s) {
        if (!s->on)
                return in->spill.why.code ? "cannot" : "off";
        if (s->promoting)
                return s->spilled_pages ? "promoting" : "promoted";
        return s->full ? "full" : s->error ? "error" : "on";
}

const char *hb_incoming_spill_state(const struct hb_incoming *in) {
        struct hb_image_spill_stats s;
        hb_image_spill_stats(in->image, &s);
        return state(in, &s);
}

json_t *hb_incoming_spill_json(const struct hb_incoming *in) {
        struct hb_image_spill_stats s;
        hb_image_spill_stats(in->image, &s);
        json_t *j = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "state", state(in, &s), "ram_bytes",
                              (json_int_t)s.ram_bytes, "budget_bytes", (json_int_t)s.budget_bytes,
                              "spilled_pages", (json_int_t)s.spilled_pages, "spilled_bytes",
                              (json_int_t)s.spilled_pages * HB_PAGE_SIZE, "written_pages",
                              (json_int_t)s.written_pages, "read_back_pages", (json_int_t)s.read_pages);
        json_object_update_new(j, json_pack("{s:I,s:I,s:I,s:I,s:b}", "again_pages", (json_int_t)s.again_pages,
                                            "dropped_pages", (json_int_t)s.dropped_pages, "wrong_pages",
                                            (json_int_t)s.wrong_pages, "errors", (json_int_t)s.errors,
                                            "paused", (int)in->spill.paused));
        json_object_update_new(j, json_pack("{s:s,s:s,s:s}", "how", how(&s), "path", s.path, "why",
                                            in->spill.why.code ? in->spill.why.what
                                            : s.error          ? hb_errno_name(s.error)
                                                               : s.why));
        return j;
}
