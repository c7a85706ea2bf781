/* stage_commands: which request is whose. What only looks is answered as a daemon would; what would change
 * something that a replay does not have is refused with why. */
#include "stage/stage_priv.h"
#include <errno.h>
#include <string.h>

int hb_stage_cannot(struct hb_err *e, const char *which, const char *why) {
        return hb_err_set(e, -EOPNOTSUPP, which, "ask a daemon; this is harbinger trace serve",
                          "a replay cannot do that: %s", why);
}

static const char *str(json_t *args, const char *key) {
        const char *s = json_string_value(json_object_get(args, key));

        return s ? s : "";
}

struct hb_stage_guest *hb_stage_need_guest(struct hb_stage_host *h, hb_request *r, json_t *args) {
        struct hb_stage_guest *g = hb_stage_guest_find(h->stage, str(args, "guest"));
        struct hb_err e;

        if (g && g->home == h->side)
                return g;
        hb_err_set(&e, -ENOENT, str(args, "guest"), g ? "ask the other host" : "harbinger guest list",
                   "no guest of this name runs on host %s", hb_stage_host_name(h->side));
        hb_request_fail(r, &e);
        return NULL;
}

/* ---- looked at ---- */

static void cmd_status(struct hb_stage_host *h, hb_request *r, json_t *args) {
        const char *only = json_string_value(json_object_get(args, "guest"));
        struct hb_stage_guest *g = only ? hb_stage_guest_find(h->stage, only) : NULL;
        struct hb_err e;

        if (only && (!g || (g->home != h->side && !hb_stage_placed(g)))) {
                hb_err_set(&e, -ENOENT, only, "harbinger status",
                           "no guest of this name is here, placed here or being moved");
                hb_request_fail(r, &e);
                return;
        }
        hb_request_ok(r, hb_stage_status_json(h, only));
}

static void cmd_guests(struct hb_stage_host *h, hb_request *r, json_t *args) {
        hb_request_ok(r, json_pack("{s:o}", "guests", hb_stage_guests_json(h, NULL, true)));
}

static void cmd_watch(struct hb_stage_host *h, hb_request *r, json_t *args) {
        json_t *v = json_object_get(args, "every");
        json_int_t every = v ? json_integer_value(v) : 1;
        struct hb_err e;

        if (every >= 1 && every <= 3600) {
                hb_watchers_add(h->watchers, r, (unsigned)every, hb_now_ns());
                return;
        }
        hb_err_set(&e, -ERANGE, "every", "1 to 3600", "there is no such share of the ticks");
        hb_request_fail(r, &e);
}

static void cmd_events(struct hb_stage_host *h, hb_request *r, json_t *args) {
        json_t *after = json_object_get(args, "after"), *limit = json_object_get(args, "limit");

        hb_request_ok(r, hb_event_ring_answer(h->events, after ? json_integer_value(after) : -1,
                                              limit ? json_integer_value(limit) : 200));
}

static void cmd_history(struct hb_stage_host *h, hb_request *r, json_t *args) {
        json_t *v = json_object_get(args, "limit"), *one, *a = json_array();
        json_int_t limit = v ? json_integer_value(v) : 20;
        size_t i;

        json_array_foreach(h->stage->history, i, one) {
                if ((json_int_t)i < limit)
                        json_array_append(a, one);
        }
        hb_request_ok(r, json_pack("{s:o}", "entries", a));
}

static void cmd_traces(struct hb_stage_host *h, hb_request *r, json_t *args) {
        hb_request_ok(r, json_pack("{s:[]}", "recordings"));
}

static void cmd_doctor(struct hb_stage_host *h, hb_request *r, json_t *args) {
        hb_request_ok(r,
                      json_pack("{s:[{s:s,s:s,s:s,s:s}]}", "checks", "name", "replay", "ok", "ok", "detail",
                                "this is harbinger trace serve: nothing here is real but the trace", "next",
                                ""));
}

static void cmd_replay(struct hb_stage_host *h, hb_request *r, json_t *args) {
        hb_stage_cmd_replay(h->stage, r, args);
}

/* ---- which is whose ---- */

static const struct {
        const char *name;
        void (*run)(struct hb_stage_host *h, hb_request *r, json_t *args);
} answered[] = {
        {"status", cmd_status},
        {"guest.list", cmd_guests},
        {"watch", cmd_watch},
        {"events", cmd_events},
        {"guest.map", hb_stage_cmd_map},
        {"history", cmd_history},
        {"trace.list", cmd_traces},
        {"doctor", cmd_doctor},
        {"replay", cmd_replay},
        {"place", hb_stage_cmd_place},
        {"unplace", hb_stage_cmd_unplace},
        {"migrate", hb_stage_cmd_migrate},
        {"migrate.abort", hb_stage_cmd_abort},
        {"policy.explain", hb_stage_cmd_explain},
};

static const struct {
        const char *name, *why;
} refused[] = {
        {"guest.attach", "its guests are those of its traces"},
        {"guest.detach", "its guests are those of its traces"},
        {"migrate.recover", "nothing in it can be left open by a crash"},
        {"image.read", "a trace holds page numbers, not what is in the pages"},
        {"image.info", "no image is filled: a trace holds page numbers, not what is in the pages"},
        {"kept.list", "nothing is kept of a guest that exists in a trace only"},
        {"kept.drop", "nothing is kept of a guest that exists in a trace only"},
        {"trace.record", "what is played is a recording already"},
        {"trace.stop", "nothing is being recorded"},
        {"reload", "it has no settings"},
};

void hb_stage_handle(void *arg, hb_request *r, const struct hb_ctl_command *cmd, json_t *args) {
        struct hb_stage_host *h = arg;
        const char *why = "it is not made for it";
        struct hb_err e;

        for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
                if (strcmp(answered[i].name, cmd->name) == 0) {
                        answered[i].run(h, r, args);
                        hb_stage_stir(h->stage);
                        return;
                }
        if (hb_stage_cmd_policy(h, r, cmd->name, args)) {
                hb_stage_stir(h->stage);
                return;
        }
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
                if (strcmp(refused[i].name, cmd->name) == 0)
                        why = refused[i].why;
        hb_stage_cannot(&e, cmd->name, why);
        hb_request_fail(r, &e);
}
