/* policy_explain: one page's way through the policies: what they were shown of it, what each made of it, term
 * by term, where that puts it, and why it is fetched or is not. Asked aside: nothing a policy remembers
 * changes. Loop thread. */
#include "daemon/incoming.h"
#include "daemon/policy_priv.h"
#include <errno.h>
#include <math.h>

static void add_term(void *arg, enum hb_policy_kind k, const char *name, double value) {
        json_array_append_new(arg, json_pack("{s:s,s:o,s:o}", "kind", hb_policy_kind_name(k), "name",
                                             hb_ctl_text(name), "value", hb_ctl_real(value)));
}

/* Of policies that have never seen the page its age is "never". */
static json_t *age(float s) {
        return s >= 1e9f ? json_null() : hb_ctl_real((double)s);
}

static json_t *page_json(const struct hb_engine_page_view *v) {
        json_t *j = json_pack("{s:s,s:b,s:b,s:b,s:b,s:b,s:i,s:o,s:o}", "state", hb_page_state_name(v->state),
                              "resident", v->resident, "wanted", v->wanted, "prefetched", v->prefetched,
                              "used", v->used, "known", v->known, "fetches", (int)v->fetches, "age_s",
                              age(v->age_s), "version_age_s", age(v->version_age_s));
        json_object_update_new(j,
                               json_pack("{s:o,s:o,s:o,s:o}", "read_heat", hb_ctl_real((double)v->read_heat),
                                         "write_heat", hb_ctl_real((double)v->write_heat), "run_length",
                                         hb_ctl_real((double)v->run_length), "bytes_to_send",
                                         hb_ctl_real((double)v->bytes_to_send)));
        return j;
}

static json_t *names_json(const struct hb_incoming *in, bool shadow) {
        json_t *o = json_object();
        struct hb_policy_status s;
        for (unsigned i = 0; i < HB_POLICY_KINDS; i++) {
                enum hb_policy_kind k = (enum hb_policy_kind)i;
                if (!shadow || hb_policies_status_of(in->policies, k, HB_POLICY_SHADOWING, &s) < 0)
                        hb_policies_status(in->policies, k, &s);
                json_object_set_new(o, hb_policy_kind_name(k), hb_ctl_text(s.name));
        }
        return o;
}

static struct hb_incoming *need_placement(hb_daemon *d, hb_request *r, const char *guest) {
        struct hb_incoming *in = hb_incoming_find(d, guest);
        struct hb_err e;
        if (in)
                return in;
        hb_err_set(&e, -ENOENT, guest, "ask the host that it is placed on",
                   "no guest of this name is placed on host %s", d->settings->name);
        hb_request_fail(r, &e);
        return NULL;
}

void hb_policy_cmd_explain(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_incoming *in = need_placement(d, r, json_string_value(json_object_get(args, "guest")));
        json_int_t gfn = json_integer_value(json_object_get(args, "gfn"));
        bool shadow = json_is_true(json_object_get(args, "shadow"));
        struct hb_engine_explained x;
        struct hb_err e = {0};
        if (!in)
                return;
        if (gfn < 0 || (uint64_t)gfn >= in->shape.pages) {
                hb_err_set(&e, -EINVAL, in->guest, "harbinger image info",
                           "the guest has %llu pages, numbered from 0", (unsigned long long)in->shape.pages);
                hb_request_fail(r, &e);
                return;
        }
        json_t *terms = json_array();
        if (hb_engine_explain(in->engine, NULL, shadow, (uint64_t)gfn, add_term, terms, &x, &e) < 0) {
                json_decref(terms);
                hb_request_fail(r, &e);
                return;
        }
        json_t *j = json_pack("{s:s,s:I,s:b,s:o,s:o,s:o}", "guest", in->guest, "gfn", gfn, "shadow", shadow,
                              "policies", names_json(in, shadow), "page", page_json(&x.page), "terms", terms);
        json_object_update_new(j,
                               json_pack("{s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:s}", "predicted",
                                         hb_ctl_real((double)x.page.predicted), "predicted_writes",
                                         hb_ctl_real((double)x.page.predicted_writes), "score",
                                         hb_ctl_real((double)x.page.score), "cut", hb_ctl_real(x.cut),
                                         "candidates", (json_int_t)x.candidates, "ahead", (json_int_t)x.ahead,
                                         "alike", (json_int_t)x.alike, "why", hb_engine_why_text(x.why)));
        hb_request_ok(r, j);
}
