/* key: what a cell is known by. Everything its figures depend on goes in as text, so that a field more can
 * never look like another field's value. Pure but for reading the trace. */
#include "base/fault.h"
#include "compare/plan_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHUNK (1u << 20)

static void put_hash(XXH128_hash_t h, char ret[33]) {
        snprintf(ret, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

void hb_compare_hash_text(const char *text, size_t size, char ret[33]) {
        put_hash(XXH3_128bits(text, size), ret);
}

static int feed(int fd, XXH3_state_t *state, uint8_t *room, int (*tick)(void *arg, uint64_t at), void *arg) {
        uint64_t at = 0;

        for (;;) {
                ssize_t n = hb_fault("compare.hash") ? (errno = EIO, -1) : read(fd, room, CHUNK);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                XXH3_128bits_update(state, room, (size_t)n);
                at += (uint64_t)n;
                if (tick && tick(arg, at) != 0)
                        return -ECANCELED;
        }
}

int hb_compare_hash_file(const char *path, int (*tick)(void *arg, uint64_t at), void *arg, char ret[33],
                         struct hb_err *e) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = fd < 0 ? -errno : 0;
        XXH3_state_t *state = XXH3_createState();
        uint8_t *room = malloc(CHUNK);

        if (r == 0 && (!state || !room))
                r = -ENOMEM;
        if (r == 0) {
                XXH3_128bits_reset(state);
                r = feed(fd, state, room, tick, arg);
        }
        if (r == 0)
                put_hash(XXH3_128bits_digest(state), ret);
        else if (r == -ECANCELED)
                hb_err_set(e, r, path, NULL, "stopped while reading the trace");
        else
                hb_err_set(e, r, path, NULL, "cannot read the trace: %s", strerror(-r));
        XXH3_freeState(state);
        free(room);
        if (fd >= 0)
                close(fd);
        return r;
}

void hb_compare_key(const struct hb_compare_plan *p, unsigned cell, char ret[33]) {
        struct hb_compare_at at = hb_compare_at(p, cell);
        const struct hb_compare_policy *policy = &p->policies[at.policy];
        char text[512];
        int n = snprintf(
                text, sizeof(text),
                "compare %d; version %s; trace %s; kind %d; policies %s %s %s; horizon %.17g; link %.17g; "
                "latency %.17g; wire %.17g; image %llu; oracle %d; seed %llu; moments %u",
                HB_COMPARE_FORMAT, p->version, p->traces[at.trace].hash, (int)policy->kind, policy->hashes[0],
                policy->hashes[1], policy->hashes[2], p->horizons[at.horizon], p->links[at.link].bytes_per_s,
                p->latency_s, p->wire_share, (unsigned long long)p->image_bytes, p->oracle_budget,
                (unsigned long long)p->seed, p->moments);

        hb_compare_hash_text(text, (size_t)n, ret);
}
