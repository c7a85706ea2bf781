/* policy_priv: what the files of the policy registry share. policy_registry.c begins, ends and gives new
 * placements their set; policy_version.c versions: from files, from the store, checked; policy_places.c
 * decides who is where and tells the placements; policy_auto.c canary, promotion and rollback by figures
 * (which policy_lead.c reads), quarantine; policy_watch.c files that change; policy_resolve.c what a name
 * means; policy_json.c and policy_commands.c what operators see. */
#pragma once
#include "daemon/policy_registry.h"
#include "policy/change.h"
#include "policy/lesson.h"
#include "policy/source.h"

#define HB_POLICY_PARAMS 64u

struct hb_policy_tuned {
        char param[64];
        double value;
};

struct hb_policy_version { /* never changes, but for what is tuned; shared by counting */
        unsigned refs;
        enum hb_policy_kind kind;
        char name[64], version[32], hash[33];
        unsigned number; /* name@number */
        void *packed;
        size_t size;
        struct hb_policy_param *params; /* as the policy declares them */
        unsigned nparams;
        struct hb_policy_tuned tuned[HB_POLICY_PARAMS];
        unsigned ntuned;
};

#define HB_POLICY_SEEN 4u

struct hb_registry_kind {
        enum hb_policy_kind kind;
        struct hb_policy_version *active, *shadow, *previous;
        bool promoted, previous_promoted; /* else: as the settings name it */
        double canary;                    /* share of the guests on which the shadow is active; 0: none */
        bool trial; /* the shadow is what an automatic promotion replaced: it may come back */
        char rejected[33], configured[64];
        uint64_t since_wall_ns;
        struct hb_err broken;  /* no active one: why */
        struct hb_err trouble; /* the last file or version that was refused; code 0: none */
        char trouble_name[64];
        struct { /* files as the watch last saw them */
                char name[64], hash[33];
        } seen[HB_POLICY_SEEN];
        unsigned next_seen;
        struct hb_lead lead; /* of the shadow over the active one */
};

typedef struct hb_policy_watch hb_policy_watch;
struct hb_policy_check;

struct hb_policy_registry {
        hb_daemon *d;
        hb_jobs *jobs; /* checks, one after the other */
        struct event *tick;
        hb_policy_watch *watch;
        char watched[256]; /* the folder it watches */
        struct hb_registry_kind kinds[HB_POLICY_KINDS];
};
typedef struct hb_policy_registry hb_policy_registry;

/* ---- policy_version.c ---- */
struct hb_policy_version *hb_policy_version_ref(struct hb_policy_version *v);
struct hb_policy_version *hb_policy_version_unref(struct hb_policy_version *v); /* NULL allowed */
/* What is to be checked: a file of the policy folder by its name, any file by its path, or bytes. */
struct hb_policy_wish {
        enum hb_policy_kind kind;
        char name[64], path[512], dir[256]; /* path "": dir/<folder>/name.lua */
        void *packed;                       /* malloc'd; taken over */
        size_t size;
        char who[48], why[256];
        hb_request *request;
};
typedef void hb_policy_checked(hb_policy_registry *reg, const struct hb_policy_wish *w,
                               struct hb_policy_version *v /* NULL: refused; ref it to keep it */,
                               const struct hb_err *e);
/* On the jobs' thread; `done` on the loop. Once, also when there is no memory. */
void hb_policy_check(hb_policy_registry *reg, const struct hb_policy_wish *w, hb_policy_checked *done);
/* The same here and now; only before the loop turns. *ret is the caller's. */
int hb_policy_check_now(hb_policy_registry *reg, const struct hb_policy_wish *w,
                        struct hb_policy_version **ret, struct hb_err *e);
const struct hb_policy_param *hb_policy_version_param(const struct hb_policy_version *v, const char *param);
double hb_policy_version_value(const struct hb_policy_version *v, const struct hb_policy_param *p);
void hb_policy_version_set(struct hb_policy_version *v, const char *param, double value);

/* ---- policy_places.c ---- */
enum hb_policy_verb {
        HB_POLICY_DO_LOAD,
        HB_POLICY_DO_DROP,
        HB_POLICY_DO_PROMOTE,
        HB_POLICY_DO_CANARY,
        HB_POLICY_DO_ROLLBACK,
        HB_POLICY_DO_SETTINGS
};
struct hb_policy_act {
        enum hb_policy_verb verb;
        struct hb_policy_version *version; /* LOAD, SETTINGS */
        const char *who, *why;
        bool keep_old;  /* PROMOTE: what it replaces becomes the shadow */
        json_t *failed; /* array, may be NULL: placements that did not take it */
};
/* Decides, writes it down, tells the placements; all but the last or nothing. */
int hb_policy_act(hb_policy_registry *reg, struct hb_registry_kind *k, const struct hb_policy_act *a,
                  struct hb_err *e);
int hb_policy_tune(hb_policy_registry *reg, struct hb_registry_kind *k, bool shadow, const char *param,
                   double value, const char *who, const char *why, json_t *failed, struct hb_err *e);
void hb_policy_event(hb_policy_registry *reg, enum hb_policy_kind kind, const char *op, const char *who,
                     const struct hb_policy_version *v, const char *why, const char *guests,
                     const char *result);
/* By the guest's name alone: 0 none, 1 all. */
bool hb_policy_share_has(double share, const char *guest);
bool hb_policy_in_canary(const struct hb_registry_kind *k, const char *guest);
void hb_policy_place_all(struct hb_incoming *in); /* a placement to what this host has decided */

/* ---- policy_auto.c ---- */
void hb_policy_auto_tick(hb_policy_registry *reg);
void hb_policy_auto_anew(hb_policy_registry *reg); /* somebody changed place, or params */

/* ---- policy_watch.c ---- */
int hb_policy_watch_new(hb_policy_registry *reg, hb_policy_watch **ret, struct hb_err *e);
hb_policy_watch *hb_policy_watch_free(hb_policy_watch *w);
void hb_policy_watch_tick(hb_policy_watch *w); /* folders that came back */
/* A file was read by somebody else: no change until its bytes are others. */
void hb_policy_watch_seen(struct hb_registry_kind *k, const char *name, const char *hash);

/* ---- policy_resolve.c ---- */
int hb_policy_kind_read(const char *text, enum hb_policy_kind *ret); /* -EINVAL */
struct hb_policy_found {                                             /* a version, wherever it is kept */
        enum hb_policy_kind kind;
        char name[64], hash[33], label[96];
        unsigned number;
        struct hb_buf packed;
        struct hb_policy_version *version; /* it is in a place; borrowed. NULL: it is not */
};
/* KIND, KIND@shadow, KIND@previous, NAME, NAME@N, or 6 digits or more of a hash. */
int hb_policy_resolve(hb_policy_registry *reg, const char *text, struct hb_policy_found *ret,
                      struct hb_err *e);
void hb_policy_found_free(struct hb_policy_found *f);

/* ---- policy_json.c ---- */
json_t *hb_policy_version_json(const struct hb_policy_version *v); /* null for NULL */
json_t *hb_policy_kind_json(hb_policy_registry *reg, const struct hb_registry_kind *k);
json_t *hb_policy_params_json(const struct hb_policy_version *v);
json_t *hb_policy_usage_json(hb_policy_registry *reg, enum hb_policy_kind k, const char *hash);
json_t *hb_policy_lanes_json(hb_policy_registry *reg, const char *guest /* NULL: all */);
