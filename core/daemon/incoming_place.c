/* incoming_place: from PLACE to the end of a placement. What may be placed is decided here: by whom, of which
 * guest, under which id. A host's PLACE never touches what another host placed, nor what runs or is being
 * moved here; an id belongs to one guest of one host, for the store knows placements of both directions by
 * it. */
#include "base/clock.h"
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/guest.h"
#include "daemon/incoming_priv.h"
#include "daemon/migrate.h"
#include "daemon/recording.h"
#include "daemon/recover.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS       100
#define MAX_OF_A_HOST 256u
#define JUDGED_PAGES  (1u << 20) /* asking takes the loop some 20 ms of each 5 s */

/* ---- may it? ---- */

struct known { /* what the store knows of this guest or this id */
        const struct hb_msg_place *m;
        const char *host;
        bool taken;     /* the id is another placement's */
        bool elsewhere; /* the guest is placed here by another host */
        bool outdated;  /* ... by this host, under another id */
        char holder[HB_NAME_MAX];
};

static int look(void *arg, const struct hb_store_placement *p) {
        struct known *k = arg;
        bool same_id = memcmp(p->id, k->m->placement, HB_ID_SIZE) == 0;
        bool same_guest = p->incoming && strcmp(p->guest, k->m->guest) == 0;
        bool same_host = p->incoming && strcmp(p->host, k->host) == 0;
        if (same_guest && !same_host) {
                k->elsewhere = true;
                snprintf(k->holder, sizeof k->holder, "%s", p->host);
        }
        k->taken |= same_id && !(same_guest && same_host);
        k->outdated |= same_guest && same_host && !same_id;
        return 0;
}

static int check_allowed(hb_daemon *d, const char *host, const char *guest, struct hb_err *e) {
        const struct hb_host_settings *h = hb_settings_host(d->settings, host);
        if (!h)
                return hb_err_set(e, -EACCES, host,
                                  "add a [host.NAME] section for it to the target's settings and reload",
                                  "host %s does not know this host", d->settings->name);
        if (!hb_settings_allows(h->may_push, guest))
                return hb_err_set(
                        e, -EACCES, guest,
                        "add the guest to may_push in the target's section for that host and reload",
                        "host %s does not let %s place this guest", d->settings->name, host);
        return 0;
}

bool hb_incoming_allowed(const struct hb_incoming *in, struct hb_err *e) {
        return check_allowed(in->d, in->host, in->guest, e) == 0;
}

static int check_known(hb_daemon *d, const char *host, const struct hb_msg_place *m, struct hb_err *e) {
        struct known k = {.m = m, .host = host};
        int r = hb_store_placements(d->store, look, &k);
        if (r < 0)
                return hb_err_set(e, r, m->guest, "see state_dir/harbinger.db on the target",
                                  "%s cannot read what is placed there", d->settings->name);
        if (k.elsewhere)
                return hb_err_set(e, -EEXIST, m->guest,
                                  "harbinger unplace it on the host that placed it, or on the target",
                                  "%s already holds another placement of this guest, from %s",
                                  d->settings->name, k.holder);
        if (k.taken)
                return hb_err_set(e, -EEXIST, m->guest, "harbinger unplace, then place again",
                                  "the placement's id is another placement's on %s", d->settings->name);
        /* Its own source has begun anew (it lost its map, or unplaced it while we were away): the old image's
         * epochs mean nothing any more. */
        struct hb_incoming *in = hb_incoming_find(d, m->guest);
        if (k.outdated && in && in->handover)
                return hb_err_set(e, -EBUSY, m->guest, "harbinger migrate --recover it on the target",
                                  "%s is still in a hand-over of this guest", d->settings->name);
        if (k.outdated && in)
                hb_incoming_free(in, HB_IN_REMOVE);
        else if (k.outdated)
                hb_recover_drop_image(d, m->guest);
        return 0;
}

static unsigned placed_by(const hb_daemon *d, const char *host) {
        unsigned n = 0;
        for (const struct hb_incoming *in = d->incoming; in; in = in->next)
                n += strcmp(in->host, host) == 0;
        return n;
}

static int check_place(hb_daemon *d, const char *host, const struct hb_msg_place *m, struct hb_err *e) {
        int r = check_allowed(d, host, m->guest, e);
        if (r < 0)
                return r;
        if (hb_guest_find(d, m->guest))
                return hb_err_set(e, -EEXIST, m->guest, "harbinger guest list, on the target",
                                  "a guest of this name runs on %s already", d->settings->name);
        struct hb_incoming *in = hb_incoming_find(d, m->guest);
        const struct hb_handover *h = hb_handover_find(d, m->guest);
        if (h && (!in || in->handover != h)) /* one from before a restart: its VMM may still use the image */
                return hb_err_set(e, -EAGAIN, m->guest, "it is tried again by itself",
                                  "%s is still clearing up after a hand-over of this guest",
                                  d->settings->name);
        r = check_known(d, host, m, e);
        if (r < 0)
                return r;
        in = hb_incoming_find(d, m->guest);
        if (in && strcmp(in->host, host) != 0)
                return hb_err_set(e, -EEXIST, m->guest,
                                  "harbinger unplace it on the host that placed it, or on the target",
                                  "%s already holds another placement of this guest, from %s",
                                  d->settings->name, in->host);
        if (in && memcmp(in->id, m->placement, HB_ID_SIZE) != 0)
                return hb_err_set(e, -EEXIST, m->guest, "harbinger unplace, then place again",
                                  "%s already holds another placement of this guest", d->settings->name);
        if (in && !hb_shape_equal(&in->shape, &m->shape))
                return hb_err_set(e, -EINVAL, m->guest, "harbinger unplace, then place again",
                                  "the guest's memory has changed its shape");
        if (!in && placed_by(d, host) >= MAX_OF_A_HOST)
                return hb_err_set(e, -EBUSY, host, "unplace guests that will not move here",
                                  "%s holds %u placements of this host already", d->settings->name,
                                  MAX_OF_A_HOST);
        return 0;
}

/* ---- making ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg) {
        hb_incoming_tick(arg);
}

static int op_zero(void *arg, uint64_t gfn, uint64_t pages) {
        struct hb_incoming *in = arg;
        return hb_image_zero(in->image, gfn, pages);
}

/* Nobody needs a judge: without one the placement works the same. */
static void make_judge(struct hb_incoming *in) {
        const hb_settings *s = in->d->settings;
        bool wanted = strcmp(s->judge, "auto") == 0 ? in->shape.pages <= JUDGED_PAGES
                                                    : strcmp(s->judge, "yes") == 0;
        struct hb_err e = {0};
        if (!wanted)
                return;
        int r = hb_policy_registry_make(in->d, in->guest, &in->judged, &e);
        if (r == 0)
                r = hb_judge_new(in->engine, in->judged, in->shape.pages, in->engine_options.horizon_s,
                                 hb_now_ns(), &in->judge);
        if (r == 0)
                return;
        in->judged = hb_policies_free(in->judged);
        hb_daemon_event(in->d, HB_LOG_WARNING, HB_ON_PLACEMENT, in->guest, in->host, NULL,
                        "the predictor of the placement of %s is not judged: %s", in->guest,
                        e.code ? e.what : hb_errno_name(r));
}

static int make_engine(struct hb_incoming *in, struct hb_err *e) {
        const hb_settings *s = in->d->settings;
        int r = hb_policy_registry_make(in->d, in->guest, &in->policies, e);
        if (r < 0)
                return r;
        struct hb_engine_options eo = {.window_bytes = s->window_bytes,
                                       .run_pages = HB_FETCH_MAX_PAGES,
                                       .final_epoch_s = 0.05,
                                       .horizon_s = s->horizon_s};
        struct hb_engine_image ei = {.shape = hb_image_shape(in->image),
                                     .pages = hb_image_pages(in->image),
                                     .processed = &in->processed,
                                     .zero = op_zero,
                                     .arg = in,
                                     .blank = !in->resumed};
        in->processed = hb_image_processed(in->image);
        r = hb_engine_new(&eo, &ei, in->policies, &hb_incoming_engine_ops, in, &in->engine);
        if (r < 0)
                return hb_err_set(e, r, in->guest, NULL, "cannot set up the engine");
        in->engine_options = eo;
        make_judge(in);
        hb_incoming_spill_begin(in);
        hb_recording_placed(in); /* before it is told anything: then it can be replayed exactly */
        hb_incoming_teach_begin(in);
        hb_policy_registry_placed(in);
        hb_dup_image_begin(in);
        return 0;
}

static int make_rest(struct hb_incoming *in, struct hb_err *e) {
        struct timeval tv = hb_timeval(hb_ms_to_ns(TICK_MS));
        in->tick = event_new(in->d->base, -1, EV_PERSIST, on_tick, in);
        if (!in->tick || event_add(in->tick, &tv) < 0 || hb_bitmap_init(&in->scratch, in->shape.pages) < 0 ||
            hb_incoming_fetch_new(in) < 0)
                return hb_err_set(e, -ENOMEM, in->guest, NULL, "no memory for a placement");
        return make_engine(in, e);
}

static void remember(struct hb_incoming *in) {
        struct hb_store_placement s = {.incoming = true, .wall_ns = hb_wall_ns()};
        memcpy(s.id, in->id, HB_ID_SIZE);
        snprintf(s.guest, sizeof s.guest, "%s", in->guest);
        snprintf(s.host, sizeof s.host, "%s", in->host);
        snprintf(s.image_dir, sizeof s.image_dir, "%s", in->dir);
        struct hb_err e;
        if (hb_store_placement_put(in->d->store, &s, &e) < 0)
                hb_daemon_event_err(in->d, HB_LOG_WARNING, HB_ON_PLACEMENT, in->guest, in->host,
                                    "remembering the placement", &e);
}

static struct hb_incoming *blank(hb_daemon *d, const char *host, const struct hb_msg_place *m) {
        struct hb_incoming *in = calloc(1, sizeof *in);
        if (!in)
                return NULL;
        in->d = d;
        in->shape = m->shape;
        in->source_epoch_ms = m->epoch_ms;
        in->began_ns = hb_now_ns();
        memcpy(in->id, m->placement, HB_ID_SIZE);
        snprintf(in->guest, sizeof in->guest, "%s", m->guest);
        snprintf(in->host, sizeof in->host, "%s", host);
        snprintf(in->kind, sizeof in->kind, "%s", m->kind);
        snprintf(in->dir, sizeof in->dir, "%s", d->settings->image_dir);
        return in;
}

static int open_image(struct hb_incoming *in, uint64_t resident_pages, bool *ret_resumed, struct hb_err *e) {
        struct hb_image_id id = {0};
        memcpy(id.placement, in->id, HB_ID_SIZE);
        snprintf(id.guest, sizeof id.guest, "%s", in->guest);
        snprintf(id.source, sizeof id.source, "%s", in->host);
        return hb_image_open(in->dir, &id, &in->shape,
                             hb_incoming_spill_share(in, resident_pages * HB_PAGE_SIZE), &in->image,
                             ret_resumed, e);
}

static int incoming_new(hb_daemon *d, const char *host, const struct hb_msg_place *m,
                        struct hb_incoming **ret, struct hb_err *e) {
        struct hb_incoming *in = blank(d, host, m);
        bool resumed = false;
        if (!in)
                return hb_err_set(e, -ENOMEM, m->guest, NULL, "no memory for a placement");
        int r = open_image(in, m->resident_pages, &resumed, e);
        in->resumed = resumed;
        if (r == 0)
                r = make_rest(in, e);
        if (r < 0)
                goto fail;
        in->next = d->incoming;
        d->incoming = in;
        remember(in);
        hb_daemon_event(in->d, HB_LOG_NOTICE, HB_ON_PLACEMENT, in->guest, in->host, NULL,
                        "placement of %s from %s: image in %s%s", in->guest, host, in->dir,
                        resumed ? ", resumed" : "");
        *ret = in;
        return 0;
fail:
        if (in->image && !resumed) {
                hb_image_remove(in->image);
                in->image = NULL;
        }
        hb_incoming_free(in, HB_IN_KEEP); /* what the store says stays: nothing was remembered yet */
        return r;
}

void hb_incoming_place(hb_daemon *d, hb_session *s, const uint8_t *payload, size_t size) {
        struct hb_msg_place m;
        struct hb_err e = {0};
        const char *host = hb_session_host(s);
        struct hb_incoming *in = NULL;
        if (hb_msg_place_get(payload, size, hb_session_version(s), &m) < 0) {
                hb_err_set(&e, -EBADMSG, host, "update both daemons to the same version",
                           "a PLACE message cannot be read");
        } else if (check_place(d, host, &m, &e) == 0) {
                in = hb_incoming_find(d, m.guest);
                if (!in)
                        incoming_new(d, host, &m, &in, &e);
        }
        if (in)
                in->peer_secret_id = m.secret_id;
        if (in && hb_incoming_link_up(in, s, &e) == 0)
                return;
        hb_daemon_event_err(d, HB_LOG_WARNING, HB_ON_PLACEMENT, e.code == -EBADMSG ? NULL : m.guest, host,
                            "refusing a placement", &e);
        hb_session_refuse(s, &e);
}

/* ---- the end ---- */

static void end_image(struct hb_incoming *in, enum hb_incoming_end how) {
        if (in->image && how == HB_IN_REMOVE)
                hb_image_remove(in->image);
        else if (in->image && how == HB_IN_RELEASE)
                hb_image_release(in->image);
        else
                hb_image_free(in->image);
        in->image = NULL;
}

void hb_incoming_free(struct hb_incoming *in, enum hb_incoming_end how) {
        if (!in)
                return;
        if (how == HB_IN_REMOVE)
                hb_store_placement_remove(in->d->store, in->id);
        hb_incoming_fetch_free(in);
        hb_dup_image_end(in);
        if (in->tick)
                event_free(in->tick);
        hb_recording_unplaced(in);
        hb_incoming_teach_end(in);
        hb_incoming_spill_end(in);
        in->judge = hb_judge_free(in->judge);
        in->judged = hb_policies_free(in->judged);
        in->engine = hb_engine_free(in->engine);
        in->policies = hb_policies_free(in->policies);
        end_image(in, how);
        if (how == HB_IN_RELEASE) /* last: an image without a record is swept, and this one is a guest's
                                     memory now */
                hb_store_placement_remove(in->d->store, in->id);
        hb_bitmap_fini(&in->scratch);
        if (in->session && how != HB_IN_KEEP)
                hb_arrival_adopt(
                        in->d,
                        in->session); /* what was sent last still has to leave; the source may place again */
        else
                hb_session_free(in->session);
        for (struct hb_incoming **p = &in->d->incoming; *p; p = &(*p)->next)
                if (*p == in) {
                        *p = in->next;
                        break;
                }
        free(in);
}
