/* host: what the files of the policy host share: seats, places, the share of the CPU, open lessons. Internal
 * to the room; see policies.c for the laws. */
#pragma once
#include "policy/builtin.h"
#include "policy/change.h"
#include "policy/lesson.h"
#include "policy/plugin.h"

#define HB_POLICY_PLACES (HB_POLICY_PREVIOUS + 1)

struct hb_tune {
        struct hb_tune *next;
        char param[64];
        double value;
};

struct hb_seat {     /* one policy: a plugin, or the built-in */
        uint64_t id; /* never given twice within a set */
        enum hb_policy_kind kind;
        hb_plugin *plugin; /* NULL: the built-in */
        struct hb_plugin_wants wants;
        struct hb_policy_status status;
        unsigned strikes, clean_calls;
        bool sits_out;         /* failed in this epoch: another answers until the next */
        bool rejected;         /* a rollback took it out of its place: no good one to fall back on */
        struct hb_tune *tunes; /* asked for, taken at the next epoch */
        struct hb_builtin_memory memory; /* the built-in threshold's */
};

struct hb_slot { /* a kind's places: as they are, and as they will be at the next epoch */
        struct hb_seat *now[HB_POLICY_PLACES], *next[HB_POLICY_PLACES];
        struct hb_builtin_memory memory; /* of the built-in that stands in when all else fails */
};

/* CPU time of the set's policies, see share.c. */
struct hb_share {
        double part; /* of an epoch */
        bool limited;
        double left_ns, left_of_all_ns; /* without and with what lessons and shadows took */
        uint64_t active_ns,
                active_before_ns; /* taken by those that decide: in this epoch, in the one before */
};

void hb_share_epoch(struct hb_share *s, double epoch_s);
void hb_share_take(struct hb_share *s, uint64_t cpu_ns, bool deciding);
bool hb_share_left(const struct hb_share *s);
/* For all that decides nothing: what will be left when those that decide take what they took last time. */
bool hb_share_spare(const struct hb_share *s, uint64_t wanted_ns);

#define HB_LESSON_PLUGINS 6 /* active or who stands in for it, and shadow, of each kind */

struct hb_lane_view { /* what a lane said of a sample */
        bool asked;
        uint64_t seats[HB_POLICY_KINDS];
        float *accesses, *writes, *score; /* n each, of one piece of memory that begins at accesses */
        double cut;
        uint64_t cpu_ns;
};

struct hb_open_lesson {
        struct hb_open_lesson *next;
        uint64_t number;
        uint32_t n;
        struct hb_lane_view lane[HB_LANES];
        uint64_t shown[HB_LESSON_PLUGINS]; /* seats that were shown it, 0: nobody */
        struct hb_model_lesson *features;  /* for the teacher; NULL: none */
};

struct hb_lane_sums { /* see lane_score.c */
        double weight, value;
};

enum hb_lane_mean {
        HB_MEAN_F1,
        HB_MEAN_RETURNING,
        HB_MEAN_WRITES,
        HB_MEAN_PRECISION,
        HB_MEAN_RECALL,
        HB_MEAN_WASTED,
        HB_MEAN_FETCH,
        HB_MEAN_NS,
        HB_LANE_MEANS
};

struct hb_lane {
        bool exists;
        uint64_t seats[HB_POLICY_KINDS]; /* whose these means are */
        uint64_t lessons, cost_ns;       /* CPU of its last lesson */
        double cut;                      /* its last one */
        bool cut_known;
        struct hb_lane_sums mean[HB_LANE_MEANS], value;
};

struct hb_policies {
        hb_guard *guard;
        struct hb_plugin_limits limits;
        struct hb_slot slots[HB_POLICY_KINDS];
        struct hb_share share;
        uint64_t seats; /* ids given */
        uint64_t swaps, swap_max_ns;
        float *room; /* two columns of a batch: a plugin's answer until it is known to be good */
        bool want_lessons;

        struct hb_lane lane[HB_LANES];
        struct hb_open_lesson *open, **last; /* oldest first */
        unsigned nopen;
        uint64_t lessons, ended; /* numbers of the last one begun and ended */

        char *model_path;
        bool model_looked_for;
        struct hb_model *model, *next_model; /* what is asked; what will be at the next epoch */
        hb_policies_teacher *teacher;
        void *teacher_arg;
};

/* ---- seat.c ---- */
/* source NULL: the built-in; else it is taken over. tried: has passed the trial before. */
int hb_seat_new(hb_policies *p, enum hb_policy_kind k, const char *name, struct hb_policy_source *source,
                bool tried, struct hb_seat **ret, struct hb_err *e);
struct hb_seat *hb_seat_free(struct hb_seat *s);
/* Not NULL, and not in quarantine. */
bool hb_seat_sound(const struct hb_seat *s);
/* Books what a call came to. deciding: the engine waits for it; else it was for a lesson or a shadow. */
void hb_seat_book(hb_policies *p, struct hb_seat *s, bool deciding, int rc, uint64_t cpu_ns,
                  const char *message);
/* The one that answers when all goes well: the active one, in its quarantine the last good one; NULL: the
 * built-in stands in. */
struct hb_seat *hb_slot_answering(const struct hb_slot *s);
/* The previous one, when it can stand in; NULL: none. */
struct hb_seat *hb_slot_last_good(const struct hb_slot *s);
/* The built-in of that kind; `m` the threshold's memory. */
void hb_builtin_answer(enum hb_policy_kind k, struct hb_plugin_call *c, struct hb_builtin_memory *m);
const char *hb_builtin_name(enum hb_policy_kind k);
double hb_bound_cut(double cut); /* as policy.h promises it */

/* ---- aside.c ---- */
/* Asks a plugin without leaving a trace in it: what it remembers, said and counted is as before, whatever
 * comes of the call. */
int hb_aside_run(hb_plugin *p, struct hb_plugin_call *c, char message[HB_PLUGIN_MESSAGE],
                 uint64_t *ret_cpu_ns);
int hb_aside_save(hb_plugin *p, struct hb_buf *out, char message[HB_PLUGIN_MESSAGE]);

/* ---- policies.c ---- */
void hb_policies_look_again(hb_policies *p); /* who is where, or in quarantine, has changed */

/* The columns from `at` on, at most one batch of them. */
struct hb_policy_pages hb_policies_part(const struct hb_policy_pages *all, uint32_t at);

/* ---- swap.c ---- */
void hb_swap_epoch(hb_policies *p); /* what was asked for happens */
void hb_slot_clear(struct hb_slot *s);

/* ---- tune.c ---- */
int hb_tune_seat(struct hb_seat *s, const struct hb_policy_change *c, struct hb_err *e);
void hb_tunes_take(struct hb_seat *s); /* NULL allowed */

/* ---- lane.c ---- */
void hb_lanes_moved(hb_policies *p); /* seats have changed places: means go with their seats */
/* NULL: the built-in that stands in. */
struct hb_seat *hb_lane_seat(const hb_policies *p, enum hb_policy_lane lane, enum hb_policy_kind k);
/* Asks it: a shadow for good, what decides without leaving a trace. */
int hb_lane_ask(hb_policies *p, enum hb_policy_lane lane, enum hb_policy_kind k, struct hb_plugin_call *c,
                char message[HB_PLUGIN_MESSAGE], uint64_t *ret_cpu_ns);
bool hb_lane_exists(const hb_policies *p, enum hb_policy_lane lane);
/* Shows it the sample; false: it was not asked to the end, and is not judged. */
bool hb_lane_look(hb_policies *p, enum hb_policy_lane lane, const struct hb_plugin_call *world, double cut,
                  struct hb_lane_view *ret);

/* ---- lane_score.c ---- */
struct hb_lane_result {
        double mean[HB_LANE_MEANS]; /* NAN: nothing to say */
        double gain, best;          /* the value's numerator and denominator */
};
void hb_lane_judge(const struct hb_lane_view *v, const struct hb_policy_outcome *o,
                   float *room /* n floats */, struct hb_lane_result *ret);
void hb_lane_book(struct hb_lane *l, const struct hb_lane_result *r);

/* ---- model_bind.c ---- */
int hb_model_bind_open(hb_policies *p, const struct hb_policy_options *o, struct hb_err *e);
void hb_model_bind_close(hb_policies *p);
/* A seat that asks the model gets it; the first one makes us read the file. */
int hb_model_bind_seat(hb_policies *p, struct hb_seat *s, struct hb_err *e);
int hb_model_bind_change(hb_policies *p, const struct hb_policy_change *c, struct hb_err *e);
void hb_model_bind_epoch(hb_policies *p);
bool hb_model_bind_used(const hb_policies *p);
void hb_model_bind_rehearse(hb_policies *p, const struct hb_policy_pages *pages,
                            const struct hb_policy_guest *g, struct hb_open_lesson *l);
void hb_model_bind_learn(hb_policies *p, struct hb_open_lesson *l, const struct hb_policy_outcome *o);
