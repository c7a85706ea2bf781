/* seat: one policy of a set with what is counted of it: calls, errors, its strikes and its quarantine.
 *
 * Invariant: a seat is made whole (loaded, checked, tried) or not at all, so that whoever sits in a place can
 * answer. Its bytes are never read again. */
#include "base/fault.h"
#include "policy/host.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRIKES 3
#define FORGIVE 256

const char *hb_builtin_name(enum hb_policy_kind k) {
        static const char *const names[HB_POLICY_KINDS] = {"ewma", "cost_benefit", "adaptive"};
        return names[k];
}

static void name_builtin(struct hb_seat *s) {
        s->status.builtin = true;
        snprintf(s->status.name, sizeof s->status.name, "%s", hb_builtin_name(s->kind));
        snprintf(s->status.version, sizeof s->status.version, "%s", HB_VERSION);
        snprintf(s->status.hash, sizeof s->status.hash, "builtin");
}

static void name_plugin(struct hb_seat *s, const char *name) {
        snprintf(s->status.name, sizeof s->status.name, "%s", name);
        snprintf(s->status.version, sizeof s->status.version, "%s", hb_plugin_version(s->plugin));
        snprintf(s->status.hash, sizeof s->status.hash, "%s", hb_plugin_hash(s->plugin));
}

/* The very same bytes run here already, so they have been tried. */
static bool runs_already(const hb_policies *p, enum hb_policy_kind k, const char *hash) {
        for (unsigned place = 0; place < HB_POLICY_PLACES; place++) {
                const struct hb_seat *s = p->slots[k].now[place];
                if (s && s->plugin && !strcmp(s->status.hash, hash))
                        return true;
        }
        return false;
}

int hb_seat_new(hb_policies *p, enum hb_policy_kind k, const char *name, struct hb_policy_source *source,
                bool tried, struct hb_seat **ret, struct hb_err *e) {
        struct hb_plugin_limits limits = p->limits;
        struct hb_seat *s = hb_fault("policy.seat") ? NULL : calloc(1, sizeof *s);
        int rc;

        if (!s) {
                if (source)
                        hb_policy_source_free(source);
                return hb_err_set(e, -ENOMEM, name, NULL, "not enough memory for a policy");
        }
        s->kind = k;
        s->id = ++p->seats;
        if (source) {
                limits.tried = tried || runs_already(p, k, source->hash);
                rc = hb_plugin_new(k, name, source, &limits, p->guard, &s->plugin, e);
                if (rc == 0) {
                        hb_plugin_wants(s->plugin, &s->wants);
                        name_plugin(s, name);
                        rc = hb_model_bind_seat(p, s, e);
                }
                if (rc < 0) {
                        hb_seat_free(s);
                        return rc;
                }
        } else {
                name_builtin(s);
        }
        *ret = s;
        return 0;
}

struct hb_seat *hb_seat_free(struct hb_seat *s) {
        if (s) {
                while (s->tunes) {
                        struct hb_tune *t = s->tunes;
                        s->tunes = t->next;
                        free(t);
                }
                hb_plugin_free(s->plugin);
                free(s);
        }
        return NULL;
}

bool hb_seat_sound(const struct hb_seat *s) {
        return s && !s->status.quarantined;
}

static void count_failure(struct hb_seat *s, const char *message) {
        s->status.errors++;
        snprintf(s->status.last_error, sizeof s->status.last_error, "%s", message);
        s->clean_calls = 0;
        if (++s->strikes >= STRIKES)
                s->status.quarantined = true;
}

static void count_success(struct hb_seat *s) {
        if (s->strikes && ++s->clean_calls >= FORGIVE) {
                s->strikes--;
                s->clean_calls = 0;
        }
}

void hb_seat_book(hb_policies *p, struct hb_seat *s, bool deciding, int rc, uint64_t cpu_ns,
                  const char *message) {
        hb_share_take(&p->share, cpu_ns, deciding);
        s->status.total_ns += cpu_ns;
        if (cpu_ns > s->status.max_ns)
                s->status.max_ns = cpu_ns;
        if (rc == 0) {
                count_success(s);
                return;
        }
        count_failure(s, message);
        if (s->status.quarantined)
                hb_policies_look_again(p);
}

struct hb_seat *hb_slot_last_good(const struct hb_slot *s) {
        struct hb_seat *previous = s->now[HB_POLICY_PREVIOUS];

        return hb_seat_sound(previous) && !previous->rejected ? previous : NULL;
}

struct hb_seat *hb_slot_answering(const struct hb_slot *s) {
        struct hb_seat *active = s->now[HB_POLICY_ACTIVE];

        return hb_seat_sound(active) ? active : hb_slot_last_good(s);
}

void hb_builtin_answer(enum hb_policy_kind k, struct hb_plugin_call *c, struct hb_builtin_memory *m) {
        if (k == HB_POLICY_PREDICTOR)
                hb_builtin_predict(c->pages, c->guest, c->out[0], c->out[1]);
        else if (k == HB_POLICY_SCORER)
                hb_builtin_score(c->pages, c->link, c->out[0]);
        else
                c->number = hb_builtin_threshold(m, c->guest, c->link, c->accuracy, c->previous);
}

double hb_bound_cut(double cut) {
        if (cut > 1)
                return HB_POLICY_CUT_NONE;
        return cut >= -1 ? cut : -1;
}
