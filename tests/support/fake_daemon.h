/* fake_daemon: a control server in a thread that answers from a script, for tests of the command line. Real
 * socket, real server code; only what the daemon would do is canned. */
#pragma once
#include "base/fault.h"
#include "serve/control_server.h"
#include <errno.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAKE_RULES 24

struct fake_rule {
        const char *cmd;
        const char *result;      /* JSON; NULL: fail with `code` */
        int code;                /* negative errno */
        const char *progress[4]; /* JSON, before the answer */
        bool hold;               /* report progress, never answer */
};

struct fake_daemon {
        struct event_base *base;
        hb_control_server *server;
        struct fake_rule rules[FAKE_RULES];
        hb_request *held[8];
        unsigned nheld;
        int asked[2]; /* pipe: a byte for each request taken */
        char last_args[4096];
        char dir[40], path[64];
        pthread_t thread;
};

static const struct fake_rule *fake_find(const struct fake_daemon *f, const char *cmd) {
        for (unsigned i = 0; i < FAKE_RULES && f->rules[i].cmd; i++)
                if (strcmp(f->rules[i].cmd, cmd) == 0)
                        return &f->rules[i];
        return NULL;
}

static void fake_handle(void *arg, hb_request *r, const struct hb_ctl_command *cmd, json_t *args) {
        struct fake_daemon *f = arg;
        const struct fake_rule *rule = fake_find(f, cmd->name);
        char *text = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);
        struct hb_err e;

        snprintf(f->last_args, sizeof(f->last_args), "%s", text);
        free(text);
        for (unsigned i = 0; rule && i < 4 && rule->progress[i]; i++)
                hb_request_progress(r, json_loads(rule->progress[i], 0, NULL));
        if (rule && rule->hold) {
                f->held[f->nheld++] = r;
        } else if (rule && rule->result) {
                hb_request_ok(r, json_loads(rule->result, 0, NULL));
        } else {
                hb_err_set(&e, rule ? rule->code : -ENOSYS, "vm1", "do that", "it does not work: %s",
                           hb_errno_name(rule ? rule->code : -ENOSYS));
                hb_request_fail(r, &e);
        }
        if (write(f->asked[1], "x", 1) != 1)
                abort();
}

static void *fake_loop(void *arg) {
        struct fake_daemon *f = arg;

        event_base_loop(f->base, EVLOOP_NO_EXIT_ON_EMPTY);
        return NULL;
}

static void fake_start(struct fake_daemon *f) {
        struct hb_err e;

        signal(SIGPIPE, SIG_IGN);
        evthread_use_pthreads();
        strcpy(f->dir, "/tmp/hb-fake-XXXXXX");
        if (!mkdtemp(f->dir) || pipe(f->asked) < 0)
                abort();
        snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
        f->base = event_base_new();
        if (hb_control_server_new(f->base, f->path, "", fake_handle, f, &f->server, &e) < 0 ||
            pthread_create(&f->thread, NULL, fake_loop, f) != 0)
                abort();
}

static void fake_break(evutil_socket_t fd, short what, void *arg) {
        event_base_loopbreak(arg);
}

static void fake_stop(struct fake_daemon *f) {
        static const struct timeval now = {0};
        char lock[80];

        event_base_once(f->base, -1, EV_TIMEOUT, fake_break, f->base,
                        &now); /* also when the loop has not begun yet */
        pthread_join(f->thread, NULL);
        hb_control_server_free(f->server);
        while (f->nheld > 0)
                hb_request_ok(f->held[--f->nheld], NULL);
        event_base_free(f->base);
        close(f->asked[0]);
        close(f->asked[1]);
        snprintf(lock, sizeof(lock), "%s.lock", f->path);
        unlink(lock);
        rmdir(f->dir);
        libevent_global_shutdown();
}
