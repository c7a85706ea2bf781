/* What figures say is to be done about two policies: the margin, how long it must last, beginning anew at
 * each look where it does not, what is not known, quarantine, canaries, trials; all together over a table
 * made by counting; and who is in a canary. */
#include "check.h"
#include "daemon/policy_lead.h"
#include "daemon/policy_priv.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MARGIN 0.1
#define ENOUGH 3u
#define MANY   4u

struct rig {
        struct hb_lead lead;
        struct hb_lead_rules rules;
        struct hb_lead_guest guests[MANY];
        unsigned n;
};

static void rig_begin(struct rig *r, unsigned n) {
        *r = (struct rig){.rules = {.margin = MARGIN, .lessons = ENOUGH}, .n = n};
        hb_lead_anew(&r->lead);
        for (unsigned i = 0; i < n; i++) {
                r->guests[i].next = i + 1 < n ? &r->guests[i + 1] : NULL;
                r->guests[i].judged = true;
        }
}

static enum hb_lead_says look(struct rig *r) {
        return hb_lead_look(&r->lead, &r->rules, r->n ? r->guests : NULL);
}

/* One lesson more for each guest, with the shadow ahead by so much. */
static enum hb_lead_says lesson(struct rig *r, double ahead) {
        for (unsigned i = 0; i < r->n; i++) {
                r->guests[i].active = 0.3;
                r->guests[i].shadow = 0.3 + ahead;
                r->guests[i].lessons++;
        }
        return look(r);
}

/* The first look only learns how many lessons there were. */
static void rig_begun(struct rig *r, unsigned n) {
        rig_begin(r, n);
        assert_int_equal(look(r), HB_LEAD_NOTHING);
}

static void lessons_say(struct rig *r, unsigned n, double ahead, enum hb_lead_says says) {
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(lesson(r, ahead), says);
}

/* ---- margin and time ---- */

static void promoted_after_enough_lessons(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
        assert_int_equal(r.lead.lessons, ENOUGH);
        assert_true(fabs(r.lead.shadow - 0.5) < 1e-9 && fabs(r.lead.active - 0.3) < 1e-9);
}

static void not_within_the_margin(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        lessons_say(&r, 50, MARGIN * 0.99, HB_LEAD_NOTHING);
        lessons_say(&r, 50, -MARGIN * 0.99, HB_LEAD_NOTHING);
        lessons_say(&r, 50, -0.5, HB_LEAD_NOTHING); /* a shadow that is worse only goes on as the shadow */
}

static void not_at_once_where_lessons_were_before(void **state) {
        struct rig r;

        (void)state;
        rig_begin(&r, 1);
        r.guests[0].lessons = 1000;
        lessons_say(&r, 1, 0.2, HB_LEAD_NOTHING); /* its first sight */
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
}

static void flapping_begins_anew(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        for (unsigned i = 0; i < 30; i++) {
                lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
                lessons_say(&r, 1, i % 2 ? 0.05 : -0.2, HB_LEAD_NOTHING);
        }
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
}

static void nothing_new_nothing_done(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(look(&r), HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
        assert_int_equal(look(&r),
                         HB_LEAD_NOTHING); /* it could not be done: asked again at the next lesson */
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
}

static void anew_forgets(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 2);
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        hb_lead_anew(&r.lead);
        assert_true(isnan(r.lead.active) && isnan(r.lead.shadow));
        lessons_say(&r, ENOUGH, 0.2, HB_LEAD_NOTHING); /* the first of them is its first sight */
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
        hb_lead_anew(&r.lead);
        r.rules.trial = true;
        lessons_say(&r, ENOUGH * HB_LEAD_TRIAL, 0, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0, HB_LEAD_DROP);
}

static void switched_off(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        r.rules.margin = 0;
        lessons_say(&r, 50, 0.9, HB_LEAD_NOTHING);
        r.rules.canary = true;
        lessons_say(&r, 50, -0.9, HB_LEAD_NOTHING);
        assert_false(hb_lead_takes_back(&r.rules, true, true));
}

/* ---- several guests ---- */

static void guests_do_not_add_up_lessons(void **state) {
        struct rig r;
        unsigned looks = 0;

        (void)state;
        rig_begun(&r, MANY);
        for (unsigned i = 0; i < MANY; i++)
                r.guests[i].active = 0.1, r.guests[i].shadow = 0.4;
        do {
                r.guests[looks % MANY].lessons++; /* one after the other */
                looks++;
        } while (look(&r) == HB_LEAD_NOTHING && looks < 100);
        assert_int_equal(looks, MANY * (ENOUGH - 1) + 1); /* the first guest to have had enough */
}

static void the_mean_decides(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 2);
        r.guests[0].active = 0.2, r.guests[0].shadow = 0.6;
        r.guests[1].active = 0.6, r.guests[1].shadow = 0.25;
        for (unsigned i = 0; i < 20; i++) {
                r.guests[0].lessons++;
                r.guests[1].lessons++;
                assert_int_equal(look(&r), HB_LEAD_NOTHING);
        }
        assert_int_equal(r.lead.side, 0);
        assert_int_equal(r.lead.lessons, 20);
}

static void no_guests(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 0);
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(look(&r), HB_LEAD_NOTHING);
}

static void a_lane_that_begins_anew_counts_on(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        r.guests[0].lessons = 7;
        r.guests[0].seen = 7;
        lessons_say(&r, 1, 0.2, HB_LEAD_NOTHING);
        r.guests[0].lessons = 0;
        lessons_say(&r, 1, 0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
}

/* ---- what is not known ---- */

static void unknown_figures_do_not_count(void **state) {
        static const double odd[] = {NAN, INFINITY, -INFINITY};
        struct rig r;

        (void)state;
        for (unsigned i = 0; i < 3; i++) {
                rig_begun(&r, 1);
                lessons_say(&r, 20, odd[i], HB_LEAD_NOTHING);
                assert_int_equal(r.lead.lessons, 0);
        }
        rig_begun(&r, 2); /* the known one alone decides */
        for (unsigned i = 0; i < ENOUGH; i++) {
                r.guests[0].judged = false;
                r.guests[1].judged = true;
                r.guests[0].lessons++;
                r.guests[1].lessons++;
                r.guests[0].active = 1, r.guests[0].shadow = -1;
                r.guests[1].active = 0.1, r.guests[1].shadow = 0.4;
                assert_int_equal(look(&r), i + 1 < ENOUGH ? HB_LEAD_NOTHING : HB_LEAD_PROMOTE);
        }
}

static void no_lessons_nothing(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        r.guests[0].active = -1;
        r.guests[0].shadow = 1;
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(look(&r), HB_LEAD_NOTHING);
        r.rules.canary = true;
        r.guests[0].shadow = -1;
        r.guests[0].active = 1;
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(look(&r), HB_LEAD_NOTHING);
}

/* ---- quarantine ---- */

static void unsound_anywhere_is_promoted_nowhere(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 3);
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        r.guests[2].unsound = true;
        r.guests[2].judged = false;
        lessons_say(&r, 20, 0.2, HB_LEAD_NOTHING);
        r.guests[2].unsound = false;
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
}

static void unsound_is_not_come_back_to(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 2);
        r.rules.trial = true;
        r.guests[0].unsound = true;
        lessons_say(&r, 20, 0.2, HB_LEAD_NOTHING);
}

static void quarantine_takes_back(void **state) {
        struct hb_lead_rules r = {.margin = MARGIN, .lessons = ENOUGH};

        (void)state;
        assert_true(hb_lead_takes_back(&r, false, true)); /* the active one: the one before */
        assert_false(
                hb_lead_takes_back(&r, false, false)); /* there is none, or it failed before: no to and fro */
        assert_false(hb_lead_takes_back(&r, true, true)); /* a shadow decides nothing */
        r.trial = true;
        assert_true(hb_lead_takes_back(&r, false, true));
        assert_false(hb_lead_takes_back(&r, true, true));
        r = (struct hb_lead_rules){.margin = MARGIN, .canary = true};
        assert_true(hb_lead_takes_back(&r, true, false));  /* the new one: the canary ends */
        assert_false(hb_lead_takes_back(&r, false, true)); /* the old one: no fault of the new one's */
}

/* ---- canary, trial ---- */

static void canary_first_where_guests_are_divided(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 2);
        r.rules.divided = true;
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_CANARY);
}

static void canary_ends_either_way(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        r.rules.canary = r.rules.divided = true;
        lessons_say(&r, 20, 0.05, HB_LEAD_NOTHING);
        lessons_say(&r, ENOUGH - 1, -0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, -0.2, HB_LEAD_ROLLBACK);
        rig_begun(&r, 1);
        r.rules.canary = r.rules.divided = true;
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_PROMOTE);
}

static void trial_takes_back_or_rests(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        r.rules.trial = true;
        lessons_say(&r, ENOUGH - 1, 0.2, HB_LEAD_NOTHING);
        lessons_say(&r, 1, 0.2, HB_LEAD_ROLLBACK); /* the shadow is the old one: it is better after all */
        rig_begun(&r, 1);
        r.rules.trial = true;
        for (unsigned i = 0; i + 1 < ENOUGH * HB_LEAD_TRIAL; i++) /* to and fro within "no better" */
                assert_int_equal(lesson(&r, i % 2 ? 0.05 : -0.2), HB_LEAD_NOTHING);
        lessons_say(&r, 1, -0.2, HB_LEAD_DROP);
}

static void refused_once_not_promoted_again(void **state) {
        struct rig r;

        (void)state;
        rig_begun(&r, 1);
        r.rules.refused = true;
        lessons_say(&r, 50, 0.5, HB_LEAD_NOTHING);
        r.rules.divided = true;
        lessons_say(&r, 50, 0.5, HB_LEAD_NOTHING);
        r.rules.canary = true; /* an operator's canary of it may end well */
        lessons_say(&r, 1, 0.5, HB_LEAD_PROMOTE);
}

/* ---- everything ---- */

/* Written as a table would be read, from what the documentation promises; not from the code. */
static enum hb_lead_says wanted(const struct hb_lead_rules *r, int side, unsigned n) {
        if (r->margin <= 0)
                return HB_LEAD_NOTHING;
        if (r->canary)
                return n < ENOUGH || side == 0 ? HB_LEAD_NOTHING
                       : side > 0              ? HB_LEAD_PROMOTE
                                               : HB_LEAD_ROLLBACK;
        if (r->trial && side > 0)
                return n < ENOUGH ? HB_LEAD_NOTHING : HB_LEAD_ROLLBACK;
        if (r->trial)
                return n < ENOUGH * HB_LEAD_TRIAL ? HB_LEAD_NOTHING : HB_LEAD_DROP;
        if (r->refused || side <= 0 || n < ENOUGH)
                return HB_LEAD_NOTHING;
        return r->divided ? HB_LEAD_CANARY : HB_LEAD_PROMOTE;
}

static void the_whole_table(void **state) {
        static const double leads[] = {-2, -0.2, -0.1001, -0.0999, 0, 0.0999, 0.1001, 0.2, 2};
        struct rig r;
        unsigned rows = 0;

        (void)state;
        for (unsigned flags = 0; flags < 32; flags++)
                for (unsigned l = 0; l < 9; l++) {
                        int side = leads[l] > MARGIN ? 1 : leads[l] < -MARGIN ? -1 : 0;

                        rig_begun(&r, 1 + flags % MANY);
                        r.rules = (struct hb_lead_rules){.margin = flags & 1 ? MARGIN : 0,
                                                         .lessons = ENOUGH,
                                                         .canary = flags & 2,
                                                         .trial = flags & 4,
                                                         .refused = flags & 8,
                                                         .divided = flags & 16};
                        for (unsigned n = 1; n <= ENOUGH * HB_LEAD_TRIAL + 2; n++, rows++)
                                assert_int_equal(lesson(&r, leads[l]), wanted(&r.rules, side, n));
                }
        assert_int_equal(rows, 32 * 9 * (ENOUGH * HB_LEAD_TRIAL + 2));
}

/* Whatever figures come: who was promoted is not taken back and promoted again and again, since each change
 * of places takes ENOUGH lessons in a row on the other side. */
static void changes_are_at_least_enough_lessons_apart(void **state) {
        uint32_t x = 12345;
        struct rig r;
        unsigned since = 0, changes = 0;

        (void)state;
        rig_begun(&r, 1);
        for (unsigned i = 0; i < 200000; i++) {
                x = x * 1664525u + 1013904223u;
                enum hb_lead_says says = lesson(&r, ((double)(x >> 8) / (1 << 24) - 0.5) * 0.5);

                since++;
                if (says != HB_LEAD_PROMOTE && says != HB_LEAD_ROLLBACK)
                        continue;
                assert_true(since >= ENOUGH);
                r.rules.trial = says == HB_LEAD_PROMOTE;
                hb_lead_anew(&r.lead);
                assert_int_equal(look(&r), HB_LEAD_NOTHING);
                since = 0;
                changes++;
        }
        assert_true(changes > 100);
}

/* ---- who is in a canary ---- */

static void canary_guests_by_name(void **state) {
        unsigned half = 0, tenth = 0;
        char name[32];

        (void)state;
        for (unsigned i = 0; i < 4000; i++) {
                snprintf(name, sizeof(name), "vm-%u", i);
                assert_false(hb_policy_share_has(0, name));
                assert_true(hb_policy_share_has(1, name));
                bool in_half = hb_policy_share_has(0.5, name), in_tenth = hb_policy_share_has(0.1, name);
                assert_int_equal(in_half, hb_policy_share_has(0.5, name));
                assert_true(!in_tenth || in_half); /* a larger share has those of a smaller one */
                half += in_half;
                tenth += in_tenth;
        }
        assert_in_range(half, 1850, 2150); /* 2000, and about five standard deviations */
        assert_in_range(tenth, 300, 500);
}

static void canary_only_while_there_is_one(void **state) {
        struct hb_policy_version v = {.name = "new"};
        struct hb_registry_kind k = {.canary = 1};

        (void)state;
        assert_false(hb_policy_in_canary(&k, "g")); /* nobody shadows */
        k.shadow = &v;
        assert_true(hb_policy_in_canary(&k, "g"));
        k.canary = 0;
        assert_false(hb_policy_in_canary(&k, "g"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(promoted_after_enough_lessons),
                cmocka_unit_test(not_within_the_margin),
                cmocka_unit_test(not_at_once_where_lessons_were_before),
                cmocka_unit_test(flapping_begins_anew),
                cmocka_unit_test(nothing_new_nothing_done),
                cmocka_unit_test(anew_forgets),
                cmocka_unit_test(switched_off),
                cmocka_unit_test(guests_do_not_add_up_lessons),
                cmocka_unit_test(the_mean_decides),
                cmocka_unit_test(no_guests),
                cmocka_unit_test(a_lane_that_begins_anew_counts_on),
                cmocka_unit_test(unknown_figures_do_not_count),
                cmocka_unit_test(no_lessons_nothing),
                cmocka_unit_test(unsound_anywhere_is_promoted_nowhere),
                cmocka_unit_test(unsound_is_not_come_back_to),
                cmocka_unit_test(quarantine_takes_back),
                cmocka_unit_test(canary_first_where_guests_are_divided),
                cmocka_unit_test(canary_ends_either_way),
                cmocka_unit_test(trial_takes_back_or_rests),
                cmocka_unit_test(refused_once_not_promoted_again),
                cmocka_unit_test(the_whole_table),
                cmocka_unit_test(changes_are_at_least_enough_lessons_apart),
                cmocka_unit_test(canary_guests_by_name),
                cmocka_unit_test(canary_only_while_there_is_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
