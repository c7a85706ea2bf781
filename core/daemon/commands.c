/* commands: the control socket's commands, one short function each, in one table. Arguments were checked
 * against control/ctl.h's table. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/guest.h"
#include "daemon/guest_look.h"
#include "daemon/incoming.h"
#include "daemon/migrate.h"
#include "daemon/outgoing.h"
#include "daemon/policy_registry.h"
#include "daemon/recording.h"
#include "daemon/recover.h"
#include "daemon/status.h"
#include "daemon/watch.h"
#include <errno.h>
#include <math.h>
#include <time.h>

static const char *str(json_t *args, const char *key) {
        const char *s = json_string_value(json_object_get(args, key));
        return s ? s : "";
}

/* Held to what every user of it can take: at most 2^31 - 1, where nothing else is said. */
static double num_to(json_t *args, const char *key, double fallback, double most) {
        json_t *v = json_object_get(args, key);
        double n = json_is_number(v) ? json_number_value(v) : fallback;
        return n < -1 ? -1 : n > most ? most : n;
}

static double num(json_t *args, const char *key, double fallback) {
        return num_to(args, key, fallback, 2147483647.0);
}

static struct hb_guest *need_guest(hb_daemon *d, hb_request *r, const char *name) {
        struct hb_guest *g = hb_guest_find(d, name);
        struct hb_err e;
        if (!g)
                hb_err_set(&e, -ENOENT, name, "harbinger guest list",
                           "no guest of this name is attached on host %s", d->settings->name);
        else if (!g->caps)
                hb_err_set(&e, -EAGAIN, name, "try again in a moment", "the guest is still being attached");
        else
                return g;
        hb_request_fail(r, &e);
        return NULL;
}

static struct hb_incoming *need_image(hb_daemon *d, hb_request *r, const char *name) {
        struct hb_incoming *in = hb_incoming_find(d, name);
        if (in)
                return in;
        struct hb_err e;
        hb_err_set(&e, -ENOENT, name, "harbinger status shows the images of this host",
                   "host %s holds no image of this guest", d->settings->name);
        hb_request_fail(r, &e);
        return NULL;
}

/* ---- guests ---- */

static void attached(void *arg, const char *name, struct hb_guest *g, const struct hb_err *e) {
        if (!g) {
                hb_request_fail(arg, e);
                return;
        }
        hb_daemon_history(g->d, "attach", g->name, g->d->settings->name, "", "done", NULL);
        hb_request_ok(arg, hb_guest_json(g));
}

static void cmd_attach(hb_daemon *d, hb_request *r, json_t *args) {
        const char *qmp = str(args, "qmp"), *process = str(args, "process");
        struct hb_err e;
        if (!*qmp == !*process) {
                hb_err_set(&e, -EINVAL, str(args, "name"), "give either --qmp PATH or --process SOCKET",
                           "which guest to attach is not clear");
                hb_request_fail(r, &e);
                return;
        }
        if (hb_guest_attach(d, str(args, "name"), *qmp ? "qemu" : "process", *qmp ? qmp : process,
                            str(args, "tracker"), attached, r, &e) < 0)
                hb_request_fail(r, &e);
}

static void cmd_detach(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_guest *g = need_guest(d, r, str(args, "name"));
        if (!g)
                return;
        if (hb_handover_find(d, g->name)) {
                struct hb_err e;
                hb_err_set(&e, -EBUSY, g->name, "harbinger migrate --abort it first", "it is being moved");
                hb_request_fail(r, &e);
                return;
        }
        if (g->placement && !g->gone) {
                struct hb_err e;
                hb_err_set(&e, -EBUSY, g->name, "harbinger unplace it first", "it has a placement on host %s",
                           g->placement->host);
                hb_request_fail(r, &e);
                return;
        }
        if (g->gone)
                hb_recover_remove_memory(d, g->name);
        hb_store_guest_remove(d->store, g->name);
        hb_daemon_history(d, "detach", g->name, d->settings->name, "", "done", NULL);
        hb_daemon_event(d, HB_LOG_NOTICE, HB_ON_GUEST, g->name, NULL, NULL, "guest %s: detached", g->name);
        hb_guest_free(g, false);
        hb_request_ok(r, json_object());
}

static void cmd_list(hb_daemon *d, hb_request *r, json_t *args) {
        json_t *a = json_array();
        for (struct hb_guest *g = d->guests; g; g = g->next)
                json_array_append_new(a, hb_guest_json(g));
        hb_request_ok(r, json_pack("{s:o}", "guests", a));
}

/* ---- placements ---- */

static void cmd_place(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_guest *g = need_guest(d, r, str(args, "guest"));
        if (!g)
                return;
        const char *host = str(args, "host");
        bool wait = json_is_true(json_object_get(args, "wait"));
        bool same = g->placement && strcmp(g->placement->host, host) == 0;
        struct hb_err e;
        if (!(same && wait) && hb_outgoing_new(g, host, NULL, &e) < 0) {
                hb_request_fail(r, &e);
                return;
        }
        if (wait)
                hb_outgoing_wait(g->placement, r, num(args, "timeout_s", 0));
        else
                hb_request_ok(r, hb_outgoing_json(g->placement));
}

static void unplace_image(hb_daemon *d, hb_request *r, const char *name) {
        /* One whose source has not dialled since our start has its files and its record alone. */
        if (!hb_incoming_find(d, name) && !hb_handover_find(d, name) && hb_recover_drop_image(d, name)) {
                hb_request_ok(r, json_object());
                return;
        }
        struct hb_incoming *in = need_image(d, r, name);
        if (!in)
                return;
        if (in->session || in->handover) {
                struct hb_err e;
                hb_err_set(&e, -EBUSY, name, "harbinger unplace it there", "host %s keeps this placement up",
                           in->host);
                hb_request_fail(r, &e);
                return;
        }
        hb_incoming_free(in, HB_IN_REMOVE);
        hb_request_ok(r, json_object());
}

static void cmd_unplace(hb_daemon *d, hb_request *r, json_t *args) {
        const char *name = str(args, "guest");
        struct hb_guest *g = hb_guest_find(d, name);
        struct hb_err e;
        if (!g) {
                unplace_image(d, r, name);
        } else if (!g->placement) {
                hb_err_set(&e, -ENOENT, name, "harbinger status", "it is not placed anywhere");
                hb_request_fail(r, &e);
        } else if (hb_handover_find(d, name)) {
                hb_err_set(&e, -EBUSY, name, "harbinger migrate --abort it first", "it is being moved");
                hb_request_fail(r, &e);
        } else {
                hb_daemon_history(d, "placement", name, d->settings->name, g->placement->host, "unplaced",
                                  hb_outgoing_json(g->placement));
                hb_daemon_event(d, HB_LOG_NOTICE, HB_ON_PLACEMENT, name, g->placement->host, NULL,
                                "placement of %s on %s: given up", name, g->placement->host);
                hb_outgoing_free(g->placement, true);
                hb_request_ok(r, json_object());
        }
}

static void cmd_status(hb_daemon *d, hb_request *r, json_t *args) {
        const char *name = str(args, "guest");
        if (*name && !hb_guest_find(d, name) && !hb_incoming_find(d, name) && !hb_handover_find(d, name)) {
                struct hb_err e;
                hb_err_set(&e, -ENOENT, name, "harbinger status",
                           "host %s has neither a guest nor an image of this name", d->settings->name);
                hb_request_fail(r, &e);
                return;
        }
        hb_request_ok(r, hb_status_json(d, *name ? name : NULL));
}

/* ---- moves ---- */

static void cmd_migrate(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_guest *g = need_guest(d, r, str(args, "guest"));
        if (!g)
                return;
        int most = (int)num(args, "max_downtime_ms", d->settings->max_downtime_ms);
        int timeout = (int)num(args, "timeout_s", d->settings->timeout_s);
        if (json_is_true(json_object_get(args, "dry_run")))
                hb_migrate_dry_run(g, str(args, "host"), most, r);
        else
                hb_migrate_start(g, str(args, "host"), most, timeout, r);
}

static void cmd_abort(hb_daemon *d, hb_request *r, json_t *args) {
        hb_migrate_abort(d, str(args, "guest"), r);
}

static void cmd_recover(hb_daemon *d, hb_request *r, json_t *args) {
        hb_migrate_recover(d, str(args, "guest"), json_is_true(json_object_get(args, "keep_source")), r);
}

/* ---- images ---- */

static void not_fresh(hb_request *r, const struct hb_incoming *in, uint64_t gfn, int code) {
        struct hb_err e;
        char which[HB_NAME_MAX + 32];
        snprintf(which, sizeof which, "%s page %llu", in->guest, (unsigned long long)gfn);
        if (code == -EINVAL)
                hb_err_set(&e, code, which, "harbinger image info",
                           "the guest has %llu pages, numbered from 0", (unsigned long long)in->shape.pages);
        else
                hb_err_set(&e, code, which, "it has been asked for; read again in a moment",
                           code == -ESTALE    ? "the copy here is stale: the page was written since on %s"
                           : code == -ENODATA ? "the page is not here yet; it is on %s"
                                              : "the page is on its way from %s",
                           in->host);
        hb_request_fail(r, &e);
}

static void cmd_image_read(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_incoming *in = need_image(d, r, str(args, "guest"));
        if (!in)
                return;
        double wanted = num_to(args, "gfn", -1, 1e15);
        uint64_t gfn = wanted < 0 ? UINT64_MAX : (uint64_t)wanted;
        uint8_t page[HB_PAGE_SIZE];
        int code = hb_image_read(in->image, gfn, page);
        if (code < 0) {
                if (code != -EINVAL) {
                        hb_engine_demand(in->engine, hb_now_ns(), gfn);
                        hb_incoming_step(in);
                }
                not_fresh(r, in, gfn, code);
                return;
        }
        static const char digits[] = "0123456789abcdef";
        char hex[2 * HB_PAGE_SIZE + 1];
        for (unsigned i = 0; i < HB_PAGE_SIZE; i++) {
                hex[2 * i] = digits[page[i] >> 4];
                hex[2 * i + 1] = digits[page[i] & 15];
        }
        hex[2 * HB_PAGE_SIZE] = '\0';
        hb_request_ok(r, json_pack("{s:s,s:I,s:s,s:s}", "guest", in->guest, "gfn", (json_int_t)gfn, "state",
                                   "fresh", "hex", hex));
}

static void cmd_image_info(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_incoming *in = need_image(d, r, str(args, "guest"));
        if (in)
                hb_request_ok(r, hb_image_info_json(in));
}

/* ---- traces ---- */

static void cmd_trace_record(hb_daemon *d, hb_request *r, json_t *args) {
        const hb_settings *s = d->settings;
        struct hb_recording_wish w = {
                .guest = str(args, "guest"),
                .path = str(args, "path"),
                .note = str(args, "note"),
                .seconds = num(args, "seconds", 0),
                .rotate_bytes =
                        (uint64_t)fmax(num_to(args, "rotate_bytes", (double)s->trace_rotate_bytes, 1e15), 0),
                .rotate_s = num(args, "rotate_s", s->trace_rotate_s),
                .wait = json_is_true(json_object_get(args, "wait")),
        };
        hb_recording_start(d, &w, r);
}

static void cmd_trace_stop(hb_daemon *d, hb_request *r, json_t *args) {
        hb_recording_stop(d, str(args, "guest"), r);
}

static void cmd_trace_list(hb_daemon *d, hb_request *r, json_t *args) {
        const char *name = str(args, "guest");
        hb_request_ok(r, hb_recordings_json(d, *name ? name : NULL));
}

/* ---- host ---- */

static int add_history(void *arg, const struct hb_history_entry *h) {
        time_t t = (time_t)(h->wall_ns / HB_NS_PER_S);
        struct tm tm;
        char when[32];
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        json_t *fig = json_loads(h->json, 0, NULL);
        json_array_append_new(arg, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o}", "time", when, "kind", h->kind,
                                             "guest", h->guest, "from", h->from, "to", h->to, "result",
                                             h->result, "figures", fig ? fig : json_object()));
        return 0;
}

static void cmd_history(hb_daemon *d, hb_request *r, json_t *args) {
        double limit = num(args, "limit", 20);
        json_t *a = json_array();
        int rc = hb_history_list(d->store,
                                 limit < 1       ? 1
                                 : limit > 10000 ? 10000
                                                 : (unsigned)limit,
                                 add_history, a);
        if (rc >= 0) {
                hb_request_ok(r, json_pack("{s:o}", "entries", a));
                return;
        }
        struct hb_err e;
        json_decref(a);
        hb_err_set(&e, rc, "history", "see state_dir/harbinger.db", "the history cannot be read: %s",
                   hb_errno_name(rc));
        hb_request_fail(r, &e);
}

static void cmd_doctor(hb_daemon *d, hb_request *r, json_t *args) {
        hb_request_ok(r, hb_doctor_json(d));
}

static void cmd_reload(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_err e;
        if (hb_daemon_reload(d, &e) < 0)
                hb_request_fail(r, &e);
        else
                hb_request_ok(r, json_object());
}

static const struct {
        const char *name;
        void (*run)(hb_daemon *d, hb_request *r, json_t *args);
} table[] = {
        {"guest.attach", cmd_attach},
        {"guest.detach", cmd_detach},
        {"guest.list", cmd_list},
        {"place", cmd_place},
        {"unplace", cmd_unplace},
        {"status", cmd_status},
        {"watch", hb_watch_cmd},
        {"events", hb_events_cmd},
        {"guest.map", hb_guest_map_cmd},
        {"replay", hb_watch_cmd_replay},
        {"migrate", cmd_migrate},
        {"migrate.abort", cmd_abort},
        {"migrate.recover", cmd_recover},
        {"image.read", cmd_image_read},
        {"image.info", cmd_image_info},
        {"kept.list", hb_dup_cmd_kept_list},
        {"kept.drop", hb_dup_cmd_kept_drop},
        {"history", cmd_history},
        {"doctor", cmd_doctor},
        {"reload", cmd_reload},
        {"trace.record", cmd_trace_record},
        {"trace.stop", cmd_trace_stop},
        {"trace.list", cmd_trace_list},
        {"policy.list", hb_policy_cmd_list},
        {"policy.show", hb_policy_cmd_show},
        {"policy.load", hb_policy_cmd_load},
        {"policy.shadow", hb_policy_cmd_shadow},
        {"policy.drop", hb_policy_cmd_drop},
        {"policy.promote", hb_policy_cmd_promote},
        {"policy.rollback", hb_policy_cmd_rollback},
        {"policy.history", hb_policy_cmd_history},
        {"policy.diff", hb_policy_cmd_diff},
        {"policy.tune", hb_policy_cmd_tune},
        {"policy.explain", hb_policy_cmd_explain},
};

void hb_daemon_command(void *arg, hb_request *r, const struct hb_ctl_command *cmd, json_t *args) {
        for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
                if (strcmp(table[i].name, cmd->name) == 0) {
                        table[i].run(arg, r, args);
                        return;
                }
        struct hb_err e;
        hb_err_set(&e, -ENOSYS, cmd->name, "update harbingerd", "this daemon does not have the command");
        hb_request_fail(r, &e);
}
