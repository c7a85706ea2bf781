/* fault: the process-wide switchboard of deliberate failures.
 *
 * Invariant: with nothing armed a fault point is one relaxed load, and product code behaves as if it were not
 * there. Armed, every point takes a lock: only tests arm. A stall sleeps outside the lock so that other
 * threads go on. */
#include "base/fault.h"
#include "base/clock.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_RULES    32
#define NAME_SIZE    64
#define MAX_STALL_MS 600000ul

enum action { ACTION_NONE, ACTION_FAIL, ACTION_KILL, ACTION_STALL };

struct rule {
        char name[NAME_SIZE];
        enum action action;
        unsigned long stall_ms;
        unsigned long at; /* 0: each time, else only the at-th time it is met */
        unsigned long seen;
};

static atomic_bool armed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
        struct rule rules[MAX_RULES];
        unsigned nrules;
        unsigned nth; /* 0: by rules */
        unsigned long passed;
} state;

static bool matches(const char *pattern, const char *name) {
        size_t n = strlen(pattern);

        if (n > 0 && pattern[n - 1] == '*')
                return strncmp(pattern, name, n - 1) == 0;
        return strcmp(pattern, name) == 0;
}

/* The first rule that is due wins; every rule that matches counts. Called with the lock held. */
static enum action by_rules(const char *name, unsigned long *ret_stall_ms) {
        enum action action = ACTION_NONE;

        for (unsigned i = 0; i < state.nrules; i++) {
                struct rule *r = &state.rules[i];

                if (!matches(r->name, name))
                        continue;
                r->seen++;
                if (action == ACTION_NONE && (r->at == 0 || r->seen == r->at)) {
                        action = r->action;
                        *ret_stall_ms = r->stall_ms;
                }
        }
        return action;
}

static enum action decide(const char *name, unsigned long *ret_stall_ms) {
        enum action action;

        pthread_mutex_lock(&lock);
        state.passed++;
        if (state.nth != 0)
                action = state.passed == state.nth ? ACTION_FAIL : ACTION_NONE;
        else
                action = by_rules(name, ret_stall_ms);
        pthread_mutex_unlock(&lock);
        return action;
}

bool hb_fault(const char *name) {
        unsigned long stall_ms = 0;

        if (!atomic_load_explicit(&armed, memory_order_relaxed))
                return false;
        switch (decide(name, &stall_ms)) {
        case ACTION_FAIL:
                return true;
        case ACTION_KILL:
                kill(getpid(), SIGKILL);
                for (;;)
                        pause();
        case ACTION_STALL:
                hb_sleep_ns(stall_ms * HB_NS_PER_MS);
                return false;
        case ACTION_NONE:
                break;
        }
        return false;
}

static void arm_nth(unsigned n) {
        state.nrules = 0;
        state.nth = n;
        state.passed = 0;
        atomic_store_explicit(&armed, n != 0, memory_order_relaxed);
}

bool hb_fail_nth(unsigned n) {
        bool more;

        pthread_mutex_lock(&lock);
        more = n == 1 || (n > 1 && state.nth != 0 && state.passed >= state.nth);
        arm_nth(more ? n : 0);
        pthread_mutex_unlock(&lock);
        return more;
}

void hb_fault_disarm(void) {
        pthread_mutex_lock(&lock);
        arm_nth(0);
        pthread_mutex_unlock(&lock);
}

unsigned long hb_fault_passed(void) {
        unsigned long n;

        pthread_mutex_lock(&lock);
        n = state.passed;
        pthread_mutex_unlock(&lock);
        return n;
}

static bool name_ok(const char *s, size_t n) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

        if (n > 0 && s[n - 1] == '*')
                n--; /* a lone '*' means every point */
        else if (n == 0)
                return false;
        return n < NAME_SIZE - 1 && strspn(s, letters) >= n;
}

/* Reads a decimal of 1..max at *p and moves past it. */
static bool number(const char **p, unsigned long max, unsigned long *ret) {
        unsigned long v = 0;

        if (**p < '0' || **p > '9')
                return false;
        for (; **p >= '0' && **p <= '9'; (*p)++) {
                v = v * 10 + (unsigned long)(**p - '0');
                if (v > max)
                        return false;
        }
        *ret = v;
        return v > 0;
}

static bool starts(const char **p, const char *word) {
        size_t n = strlen(word);

        if (strncmp(*p, word, n) != 0)
                return false;
        *p += n;
        return true;
}

/* "name=fail@3": fills *r and returns where it ended, NULL on a syntax error. */
static const char *parse_rule(const char *p, struct rule *r) {
        size_t n = strcspn(p, "=,");

        if (p[n] != '=' || !name_ok(p, n))
                return NULL;
        *r = (struct rule){0};
        memcpy(r->name, p, n);
        p += n + 1;
        if (starts(&p, "fail"))
                r->action = ACTION_FAIL;
        else if (starts(&p, "kill"))
                r->action = ACTION_KILL;
        else if (starts(&p, "stall:"))
                r->action = ACTION_STALL;
        else
                return NULL;
        if (r->action == ACTION_STALL && !number(&p, MAX_STALL_MS, &r->stall_ms))
                return NULL;
        if (starts(&p, "@") && !number(&p, UINT32_MAX, &r->at))
                return NULL;
        return *p == '\0' || *p == ',' ? p : NULL;
}

static int parse(const char *p, struct rule *rules, unsigned *ret_n) {
        unsigned n = 0;

        for (;;) {
                if (n == MAX_RULES)
                        return -EINVAL;
                p = parse_rule(p, &rules[n]);
                if (!p)
                        return -EINVAL;
                n++;
                if (*p == '\0')
                        break;
                p++;
        }
        *ret_n = n;
        return 0;
}

int hb_fault_arm(const char *spec) {
        struct rule rules[MAX_RULES];
        unsigned n = 0;
        int rc = spec && *spec ? parse(spec, rules, &n) : 0;

        if (rc < 0)
                return rc;
        pthread_mutex_lock(&lock);
        arm_nth(0);
        memcpy(state.rules, rules, n * sizeof(rules[0]));
        state.nrules = n;
        atomic_store_explicit(&armed, n > 0, memory_order_relaxed);
        pthread_mutex_unlock(&lock);
        return 0;
}

int hb_fault_from_env(const char *variable) {
        return hb_fault_arm(getenv(variable));
}
