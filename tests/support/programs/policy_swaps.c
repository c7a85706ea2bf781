/* policy_swaps SOCKET PID GUEST FILE N [K]: N exchanges of the active scorer over the control socket, one
 * after the other: loads, promotions and rollbacks of two policies, FILE's and cost_benefit. Each K-th (1:
 * each one; default: none) is waited for: those before it have settled, it is asked for, and nothing more
 * before the placement counts one exchange more. The rest come as fast as they are answered: some then take
 * no effect, as two rollbacks within an epoch cancel each other out. Each look at the placement must find one
 * of the two versions, whole. Progress on standard error; one JSON object at the end: times, counts, the
 * daemon's memory after 100 and after N. */
#include "control/ctl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct run {
        hb_ctl_client *c;
        const char *guest, *file, *pid;
        char hashes[2][33], now[33]; /* now: as the last look found it */
        unsigned known;
        double began_ms, worst_ms;
        unsigned promotions, rollbacks, looks, awaited;
};

static double now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static json_t *call(struct run *r, const char *cmd, json_t *args) {
        struct hb_err e = {0};
        json_t *result = NULL;

        if (hb_ctl_call(r->c, cmd, args, 30000, NULL, NULL, &result, &e) == 0)
                return result;
        fprintf(stderr, "%s: %s (%s)\n", cmd, e.what, e.which);
        exit(1);
}

static const char *text(json_t *o, const char *key) {
        const char *s = json_string_value(json_object_get(o, key));

        return s ? s : "";
}

static void learn_hash(struct run *r, const char *hash) {
        for (unsigned i = 0; i < r->known; i++)
                if (strcmp(r->hashes[i], hash) == 0)
                        return;
        if (r->known == 2) {
                fprintf(stderr, "a third version: %s\n", hash);
                exit(1);
        }
        snprintf(r->hashes[r->known++], 33, "%s", hash);
}

/* The placement's scorer, as the engine has it; returns how often it was exchanged. */
static json_int_t look(struct run *r) {
        json_t *s = call(r, "status", json_pack("{s:s}", "guest", r->guest));
        json_t *in = json_array_get(json_object_get(s, "incoming"), 0);
        json_t *scorer = json_array_get(json_object_get(in, "policies"), 1);
        json_int_t n = json_integer_value(json_object_get(json_object_get(in, "swaps"), "count"));

        learn_hash(r, text(scorer, "hash"));
        snprintf(r->now, sizeof(r->now), "%s", text(scorer, "hash"));
        if (strcmp(text(scorer, "answering_hash"), text(scorer, "hash")) != 0 ||
            json_integer_value(json_object_get(scorer, "errors")) != 0) {
                fprintf(stderr, "%s answers for %s: %s\n", text(scorer, "answering"), text(scorer, "name"),
                        text(scorer, "last_error"));
                exit(1);
        }
        r->looks++;
        json_decref(s);
        return n;
}

static void timed(struct run *r, const char *cmd) {
        double t0 = now_ms();
        json_t *result = call(r, cmd, json_pack("{s:s}", "kind", "scorer"));
        double took = now_ms() - t0;

        if (json_array_size(json_object_get(result, "failed")) > 0) {
                fprintf(stderr, "%s: a placement did not take it\n", cmd);
                exit(1);
        }
        r->worst_ms = took > r->worst_ms ? took : r->worst_ms;
        json_decref(result);
}

static void load_other(struct run *r) {
        json_t *shown = call(r, "policy.show", json_pack("{s:s}", "policy", "scorer"));
        bool stock = strcmp(text(shown, "name"), "cost_benefit") == 0;

        json_decref(shown);
        json_decref(call(r, "policy.load", json_pack("{s:s}", "policy", stock ? r->file : "cost_benefit")));
}

static void swap(struct run *r, unsigned i) {
        if (i % 20 == 0) {
                load_other(r);
                timed(r, "policy.promote");
                r->promotions++;
        } else {
                timed(r, "policy.rollback");
                r->rollbacks++;
        }
}

/* Of the daemon's own: the image, which fills meanwhile, is the guest's. */
static long rss_kib(const char *pid) {
        char path[64], line[256];
        long kib = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%s/status", pid);
        f = fopen(path, "r");
        while (f && fgets(line, sizeof(line), f))
                sscanf(line, "RssAnon: %ld", &kib);
        if (f)
                fclose(f);
        return kib;
}

static void nap_ms(unsigned ms) {
        struct timespec nap = {0, ms * 1000000L};

        nanosleep(&nap, NULL);
}

static void not_within_10_s(double since_ms, const char *what) {
        if (now_ms() - since_ms < 10000) {
                nap_ms(2);
                return;
        }
        fprintf(stderr, "not within 10 s: %s\n", what);
        exit(1);
}

/* Until the placement has what the host has decided; returns how often it was exchanged by then. */
static json_int_t settle(struct run *r) {
        json_t *shown = call(r, "policy.show", json_pack("{s:s}", "policy", "scorer"));
        double t0 = now_ms();
        json_int_t n;

        while (n = look(r), strcmp(r->now, text(shown, "hash")) != 0)
                not_within_10_s(t0, "a placement comes to what was decided");
        json_decref(shown);
        return n;
}

static void awaited_swap(struct run *r, unsigned i) {
        json_int_t before = settle(r), after;

        swap(r, i);
        double t0 = now_ms();
        while ((after = look(r)) == before)
                not_within_10_s(t0, "an exchange takes effect");
        if (after != before + 1) {
                fprintf(stderr, "one exchange was asked for, %lld took effect\n",
                        (long long)(after - before));
                exit(1);
        }
        r->awaited++;
}

static void run_all(struct run *r, unsigned n, unsigned each, long *ret_early) {
        for (unsigned i = 0; i < n; i++) {
                if (each && (i + 1) % each == 0) {
                        awaited_swap(r, i);
                } else {
                        swap(r, i);
                        nap_ms(3); /* some ten in an epoch of 50 ms */
                }
                if (i == 99)
                        *ret_early = rss_kib(r->pid);
                if (i % 100 == 99)
                        fprintf(stderr, "%u of %u asked for in %.1f s, memory %ld KiB\n", i + 1, n,
                                (now_ms() - r->began_ms) / 1e3, rss_kib(r->pid));
        }
}

int main(int argc, char **argv) {
        struct run r = {.began_ms = now_ms()};
        struct hb_err e;
        unsigned n = argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) : 0;
        unsigned each = argc > 6 ? (unsigned)strtoul(argv[6], NULL, 10) : 0;
        long early = 0;

        if (n < 100 || hb_ctl_connect(argv[1], &r.c, &e) < 0) {
                fprintf(stderr, "usage: policy_swaps SOCKET PID GUEST FILE N [K], N from 100\n");
                return 2;
        }
        r.pid = argv[2];
        r.guest = argv[3];
        r.file = argv[4];
        json_int_t first = look(&r);
        run_all(&r, n, each, &early);
        double took = now_ms() - r.began_ms;
        printf("{\"swaps\":%u,\"promotions\":%u,\"rollbacks\":%u,\"seconds\":%.3f,\"worst_command_ms\":%.3f,"
               "\"exchanged\":%lld,\"awaited\":%u,\"looks\":%u,\"versions\":%u,\"rss_100_kib\":%ld,"
               "\"rss_end_kib\":%ld}\n",
               n, r.promotions, r.rollbacks, took / 1e3, r.worst_ms, (long long)(settle(&r) - first),
               r.awaited, r.looks, r.known, early, rss_kib(r.pid));
        hb_ctl_close(r.c);
        return 0;
}
