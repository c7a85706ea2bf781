/* stage_rig: a stage on a thread of its own, over a trace in a folder that is gone afterwards, and clients to
 * ask it. */
#pragma once
#include "check.h"
#include "control/ctl.h"
#include "stage/stage.h"
#include "trace_synth.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char rig_dir[] = "/tmp/hb-stage-XXXXXX";
static char rig_path[4][160];
static unsigned rig_next, rig_stages;

static inline int rig_begin(void **state) {
        return mkdtemp(rig_dir) ? 0 : -1;
}

static inline int rig_end(void **state) {
        char command[200];

        snprintf(command, sizeof(command), "rm -r %s", rig_dir);
        return system(command);
}

static inline const char *rig_file(const char *name) {
        char *p = rig_path[rig_next++ % 4];

        snprintf(p, sizeof(rig_path[0]), "%s/%s", rig_dir, name);
        return p;
}

static inline const char *rig_synth(const char *name, enum hb_synth_shape shape, uint32_t pages,
                                    uint32_t epochs) {
        struct hb_synth s = {.shape = shape, .pages = pages, .epochs = epochs, .seed = 7};
        const char *path = rig_file(name);
        struct hb_err e;

        if (hb_synth_write(&s, path, &e) < 0)
                fail_msg("%s", e.what);
        return path;
}

struct rig {
        hb_stage *stage;
        pthread_t thread;
        int stop[2];
        char dir[128];
        hb_ctl_client *a, *b;
};

static inline void *rig_run(void *arg) {
        struct hb_err e;

        return hb_stage_run(((struct rig *)arg)->stage, &e) < 0 ? arg : NULL;
}

static inline hb_ctl_client *rig_client(const struct rig *r, const char *host) {
        hb_ctl_client *c;
        char path[160];
        struct hb_err e;

        snprintf(path, sizeof(path), "%s/%s.sock", r->dir, host);
        if (hb_ctl_connect(path, &c, &e) < 0)
                fail_msg("%s", e.what);
        return c;
}

static inline void rig_start(struct rig *r, struct hb_stage_options *o) {
        struct hb_err e = {0};

        signal(SIGPIPE, SIG_IGN); /* as the program does: who hangs up is no reason to die */
        *r = (struct rig){0};
        snprintf(r->dir, sizeof(r->dir), "%s/s%u", rig_dir, rig_stages++);
        assert_int_equal(pipe(r->stop), 0);
        o->stop_fd = r->stop[0];
        o->eof_fd = -1;
        if (hb_stage_new(r->dir, o, &r->stage, &e) < 0)
                fail_msg("%s (%s)", e.what, e.which);
        assert_int_equal(pthread_create(&r->thread, NULL, rig_run, r), 0);
        r->a = rig_client(r, "a");
        r->b = rig_client(r, "b");
}

static inline void rig_stop(struct rig *r) {
        void *failed;

        hb_ctl_close(r->a);
        hb_ctl_close(r->b);
        assert_int_equal(write(r->stop[1], "x", 1), 1);
        pthread_join(r->thread, &failed);
        assert_null(failed);
        hb_stage_free(r->stage);
        close(r->stop[0]);
        close(r->stop[1]);
        assert_int_equal(access(r->dir, F_OK), -1);
}

/* NULL: it failed, and with what. */
static inline json_t *rig_ask(hb_ctl_client *c, const char *cmd, json_t *args, int *code) {
        struct hb_err e = {0};
        json_t *result = NULL;
        int rc = hb_ctl_call(c, cmd, args, 20000, NULL, NULL, &result, &e);

        if (rc < 0 && !code)
                fail_msg("%s: %s: %s", cmd, e.which, e.what);
        if (rc < 0)
                assert_true(e.what[0] != 0);
        if (code)
                *code = rc;
        return rc < 0 ? NULL : result;
}

static inline int rig_refused(hb_ctl_client *c, const char *cmd, json_t *args) {
        int code = 0;

        json_decref(rig_ask(c, cmd, args, &code));
        return code;
}

static inline json_t *rig_replay(const struct rig *r, const char *op, double value) {
        return rig_ask(r->a, "replay", json_pack("{s:s,s:f}", "op", op, "value", value), NULL);
}

static inline void rig_seek(const struct rig *r, double seconds) {
        json_t *j = rig_replay(r, "seek", seconds);

        assert_true(fabs(json_real_value(json_object_get(j, "time_s")) - seconds) < 1e-6);
        json_decref(j);
}

/* "guests.0.placement.state" */
static inline const json_t *rig_at(const json_t *j, const char *path) {
        char copy[160], *save = NULL;

        snprintf(copy, sizeof(copy), "%s", path);
        for (char *p = strtok_r(copy, ".", &save); p && j; p = strtok_r(NULL, ".", &save))
                j = json_is_array(j) ? json_array_get(j, (size_t)atoi(p)) : json_object_get(j, p);
        return j;
}

static inline double rig_number(const json_t *j, const char *path) {
        const json_t *v = rig_at(j, path);

        if (!json_is_number(v))
                fail_msg("no number: %s", path);
        return json_number_value(v);
}

static inline const char *rig_text(const json_t *j, const char *path) {
        const char *s = json_string_value(rig_at(j, path));

        if (!s)
                fail_msg("no text: %s", path);
        return s;
}

/* The decisions so far of the first guest placed on b. */
static inline void rig_digest(const struct rig *r, char ret[17]) {
        json_t *j = rig_ask(r->b, "status", NULL, NULL);

        snprintf(ret, 17, "%s", rig_text(j, "incoming.0.decision_digest"));
        json_decref(j);
}
