/* view_policies: what its files share. The view is of one seat, the host that guests are placed on; a policy
 * in it is called by its row: "scorer/active", "scorer/shadow", "scorer/previous", "scorer/file/NAME".
 *
 * Memory's detail is "" (the list of policies, with the params and lanes of the selected one below) or
 *   "lanes ROW", "params ROW", "diff ROW", "history ROW", "explain ROW GUEST GFN". */
#pragma once
#include "views/parts.h"

#define HB_POLICY_ROW 88

struct hb_policies_look {
        struct hb_view_ctx *c;
        unsigned seat;            /* HB_NO_SEAT: no daemon is there */
        const json_t *list;       /* result of policy.list; NULL: not yet */
        const struct hb_err *err; /* why not; NULL */
        double age_s;             /* of it */
        char row[HB_POLICY_ROW];  /* the selected policy; "" */
};
/* Asks for the list and finds the selected policy. */
void hb_policies_look_at(struct hb_view_ctx *c, struct hb_policies_look *ret);
const json_t *hb_policies_kind(const struct hb_policies_look *k, const char *kind); /* NULL */

/* ---- rows ---- */
struct hb_policy_row {
        char kind[24], place[16], name[64]; /* place "file": a candidate, called name */
};
bool hb_policy_row_parse(const char *row, struct hb_policy_row *ret);
/* As policy.show and policy.diff take it: "scorer", "scorer@shadow", "calm". */
const char *hb_policy_row_spec(const struct hb_policy_row *r, char buf[96]);
/* "calm@2", "" where there is none. */
const char *hb_policy_name(const json_t *version, char buf[96]);

/* ---- memory's detail ---- */
enum hb_policies_part {
        HB_POLICIES_LIST,
        HB_POLICIES_LANES,
        HB_POLICIES_PARAMS,
        HB_POLICIES_HISTORY,
        HB_POLICIES_DIFF,
        HB_POLICIES_EXPLAIN
};
struct hb_policies_detail {
        enum hb_policies_part part;
        char row[HB_POLICY_ROW];
        char guest[64];
        double gfn;
};
/* Anything that is none is the list. */
void hb_policies_detail_parse(const char *text, struct hb_policies_detail *ret);
/* Shows another part, of `row`; leaves filter, order and place of the part before. */
void hb_policies_show(struct hb_view_memory *m, enum hb_policies_part part, const char *row);

/* ---- what the lanes say ---- */
enum hb_verdict {
        HB_VERDICT_NONE,
        HB_VERDICT_UNJUDGED,
        HB_VERDICT_SAME,
        HB_VERDICT_BETTER,
        HB_VERDICT_WORSE
};
/* One policy against its baseline: the shadow against the active one and the other way round, on the guests
 * where both are judged. */
struct hb_policy_verdict {
        enum hb_verdict verdict;
        const char *figure;    /* "value"; "f1" where no value is known */
        double mine, baseline; /* means of it */
        unsigned worse, better, guests;
        char worst[64]; /* the guest where it is worst beside its baseline */
        double worst_mine, worst_baseline;
        bool together; /* kinds besides this one have a shadow: what is compared is all of them */
};
void hb_policies_verdict(const json_t *list, const char *kind, const char *place,
                         struct hb_policy_verdict *ret);
/* Mean of a lane's figure over the guests that know it; place "active" or "shadow", of `kind` (a canary
 * changes them on some guests; kind NULL: as the lanes are). NaN. */
double hb_policies_mean(const json_t *list, const char *kind, const char *place, const char *figure);
/* One guest's figure; NaN. */
double hb_view_policies_lane(const json_t *list, const char *kind, const json_t *guest, const char *place,
                             const char *figure);
enum hb_style hb_verdict_style(enum hb_verdict v);
char hb_verdict_sign(enum hb_verdict v);
/* "worse than active: 0.31 < 0.55 on 6 of 8 guests" */
const char *hb_verdict_text(const struct hb_policy_verdict *v, const char *place, char *buf, size_t size);
/* "! worse: 0.31 < 0.55 on 6/8", of guests; for a table's cell. */
const char *hb_verdict_short(const struct hb_policy_verdict *v, char *buf, size_t size);

/* ---- parts of the doc ---- */
void hb_policies_build_notes(struct hb_policies_look *k, hb_doc *d);
/* What this part is, and the key that goes back. */
void hb_policies_way_back(struct hb_policies_look *k, hb_doc *d, const char *what);
void hb_policies_build_lanes(struct hb_policies_look *k, hb_doc *d, bool main);
void hb_policies_build_params(struct hb_policies_look *k, hb_doc *d, bool main);
void hb_policies_build_history(struct hb_policies_look *k, hb_doc *d);
void hb_policies_build_diff(struct hb_policies_look *k, hb_doc *d);
void hb_policies_build_explain(struct hb_policies_look *k, hb_doc *d, const struct hb_policies_detail *x);
/* Answer to policy.show of the selected policy; NULL: a candidate, or not yet. */
const json_t *hb_policies_shown(struct hb_policies_look *k, const struct hb_err **ret_err);

/* ---- keys ---- */
struct hb_policies_act {
        struct hb_policies_look k;
        struct hb_view_ctx *c;
        struct hb_policies_detail at;
        struct hb_policy_row row;
        bool has_row;
        const char *selected; /* id of the row of what is shown: a param, a guest */
        const char *const *answers;
        unsigned n;
        struct hb_order *o;
};
/* A policy is selected, and orders may be given; else why not is said. */
bool hb_policies_may(const struct hb_policies_act *a);
int hb_policies_tune(const struct hb_policies_act *a);
int hb_policies_act(struct hb_view_ctx *c, enum hb_action a, const char *row, const char *const *answers,
                    unsigned nanswers, struct hb_order *ret);
