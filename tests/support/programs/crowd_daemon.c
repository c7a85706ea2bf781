/* crowd_daemon: a daemon that never was, on a real control socket, for tests of what looks at daemons.
 *
 *   crowd_daemon --socket PATH [--hosts 50] [--guests 500] [--events 10000] [--seed 1] [--tick-ms 1000]
 *                [--fault garbage|cut|hang|slow|huge] [--die-after TICKS] [--old] [--scene FILE.json]
 *
 * A crowd: guests come, are placed, stall, move and go, the same for the same seed; --events are said a
 * second and squeezed into ticks as the daemon does it. A scene: {"tick":{...},"answers":{...},"past":N}:
 * exactly this tick each time, after N made of it with other figures (so that trails have a shape); time
 * stands still.
 * --old does not know `watch`, as daemons before it. A fault speaks two good ticks on each connection, then:
 * garbage (no JSON), cut (half a line, then it hangs up), hang (nothing any more, for good), slow (a byte at
 * a time), huge (a line that is too long). Ends on SIGTERM, or after --die-after ticks without a word. */
#include "../crowd_answers.h"
#include "../crowd_json.h"
#include "base/clock.h"
#include "serve/control_server.h"
#include "serve/control_socket.h"
#include "serve/watchers.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#define VIEWERS    64u
#define GOOD_TICKS 2u

enum fault { FAULT_NONE, FAULT_GARBAGE, FAULT_CUT, FAULT_HANG, FAULT_SLOW, FAULT_HUGE };

struct raw { /* a client of a daemon that misbehaves */
        struct daemon *d;
        struct bufferevent *bev;
        int watch_id;
        unsigned ticks;
        struct evbuffer *slow; /* what is still to be trickled */
};

struct daemon {
        struct event_base *base;
        struct crowd crowd;
        hb_control_server *server;
        hb_watchers *watchers;
        hb_control_socket *socket;
        struct evconnlistener *listener;
        struct raw raws[VIEWERS];
        enum fault fault;
        bool old;
        unsigned die_after, ticks, past;
        json_t *scene, *answers, *tick; /* tick: of the scene; of the crowd made when somebody asks */
        hb_request *viewers[VIEWERS];   /* of a scene */
        unsigned nviewers;
};

/* ---- the crowd's ticks ---- */

static void write_snapshot(void *arg, uint64_t now_ns, struct hb_json_out *o) {
        crowd_write(&((struct daemon *)arg)->crowd, o);
}

static char *tick_text(struct daemon *d, size_t *ret_len) {
        struct hb_json_out o = {0};

        if (d->scene)
                return json_dumps(d->tick, JSON_COMPACT);
        hb_json_open(&o, NULL, '{');
        hb_json_int(&o, "seq", d->ticks);
        hb_json_time(&o, "time", d->crowd.wall + d->crowd.time);
        crowd_write(&d->crowd, &o);
        hb_json_open(&o, "events", '[');
        hb_json_close(&o, ']');
        hb_json_close(&o, '}');
        hb_buf_u8(&o.buf, 0);
        return (char *)o.buf.data;
}

/* The newest tick as JSON, borrowed. */
static const json_t *newest(struct daemon *d) {
        char *text;

        if (d->tick)
                return d->tick;
        text = tick_text(d, NULL);
        d->tick = text ? json_loads(text, 0, NULL) : NULL;
        free(text);
        return d->tick;
}

/* ---- the scene's ticks ---- */

/* Not left out, however many wait: what a viewer sees is the same each time. */
static void show_once(hb_request *r, json_t *tick) {
        char *text = json_dumps(tick, JSON_COMPACT);
        hb_shared_text *shared = text ? hb_shared_text_new(text, strlen(text)) : NULL;

        if (shared)
                hb_request_progress_text(r, &shared, 1);
        hb_shared_text_unref(shared);
        json_decref(tick);
}

static void show_scene(struct daemon *d, hb_request *r) {
        if (d->nviewers == VIEWERS) {
                hb_request_ok(r, json_object());
                return;
        }
        d->viewers[d->nviewers++] = r;
        for (unsigned ago = d->past; ago > 0; ago--)
                show_once(r, crowd_earlier(d->tick, ago));
        show_once(r, json_incref(d->tick));
}

static void tick_scene(struct daemon *d) {
        unsigned kept = 0;

        for (unsigned i = 0; i < d->nviewers; i++) {
                hb_request *r = d->viewers[i];

                if (!hb_request_alive(r)) {
                        hb_request_ok(r, json_object());
                        continue;
                }
                hb_request_progress(r, json_incref(d->tick));
                d->viewers[kept++] = r;
        }
        d->nviewers = kept;
}

/* ---- requests ---- */

static json_t *history(const struct crowd *c) {
        json_t *a = json_array();

        for (unsigned i = 0; i < CROWD_HISTORY && i < c->nmoves; i++) {
                const struct crowd_move *m = &c->moves[(c->nmoves - 1 - i) % CROWD_HISTORY];
                time_t when = (time_t)m->when;
                char text[32], host[16];
                struct tm tm;

                strftime(text, sizeof(text), "%FT%TZ", gmtime_r(&when, &tm));
                json_array_append_new(a, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:{s:f}}", "time", text, "kind",
                                                   "migration", "guest", m->guest, "from", "crowd", "to",
                                                   crowd_host(m->to, host), "result",
                                                   m->done ? "done" : "aborted", "figures", "downtime_ms",
                                                   m->downtime));
        }
        return json_pack("{s:o}", "entries", a);
}

static json_t *answer(struct daemon *d, const char *cmd, const json_t *args, struct hb_err *e) {
        if (!d->scene && strcmp(cmd, "history") == 0)
                return history(&d->crowd);
        if (!d->scene && strcmp(cmd, "events") == 0)
                return hb_event_ring_answer(d->crowd.ring, (int64_t)crowd_number(args, "after", (uint64_t)-1),
                                            (int64_t)crowd_number(args, "limit", 200));
        if (strcmp(cmd, "events") == 0)
                return json_pack("{s:O,s:i,s:i}", "events", json_object_get(d->tick, "events"), "missed", 0,
                                 "newest", 0);
        return crowd_answer(d->answers, newest(d), cmd, args, e);
}

static void handle(void *arg, hb_request *r, const struct hb_ctl_command *cmd, json_t *args) {
        struct daemon *d = arg;
        struct hb_err e = {0};
        json_t *result;

        if (strcmp(cmd->name, "watch") == 0 && d->old) {
                hb_err_set(&e, -EPROTONOSUPPORT, "watch", "are harbinger and harbingerd of one version?",
                           "harbingerd 0.0.9 does not know this command");
                hb_request_fail(r, &e);
        } else if (strcmp(cmd->name, "watch") == 0 && d->scene) {
                show_scene(d, r);
        } else if (strcmp(cmd->name, "watch") == 0) {
                hb_watchers_add(d->watchers, r, (unsigned)crowd_number(args, "every", 1), hb_now_ns());
        } else {
                result = answer(d, cmd->name, args, &e);
                if (result)
                        hb_request_ok(r, result);
                else
                        hb_request_fail(r, &e);
        }
}

/* ---- a daemon that misbehaves ---- */

static void raw_close(struct raw *c) {
        bufferevent_free(c->bev);
        if (c->slow)
                evbuffer_free(c->slow);
        memset(c, 0, sizeof(*c));
}

static void raw_line(struct raw *c, json_t *msg) {
        size_t len;
        char *line = hb_ctl_line(msg, &len);

        bufferevent_write(c->bev, line, len);
        free(line);
        json_decref(msg);
}

static void raw_request(struct raw *c, const char *line, size_t len) {
        struct hb_err e = {0};
        const char *cmd;
        json_t *msg, *result;
        int id;

        if (hb_ctl_parse_request(line, len, &id, &cmd, &msg, &e) < 0) {
                raw_line(c, hb_ctl_fail(0, &e));
                return;
        }
        if (strcmp(cmd, "watch") == 0) {
                c->watch_id = id;
        } else if (c->d->fault != FAULT_HANG || c->ticks < GOOD_TICKS) {
                result = answer(c->d, cmd, json_object_get(msg, "args"), &e);
                raw_line(c, result ? hb_ctl_ok(id, result) : hb_ctl_fail(id, &e));
        }
        json_decref(msg);
}

static void raw_read(struct bufferevent *bev, void *arg) {
        char *line;
        size_t len;

        while ((line = evbuffer_readln(bufferevent_get_input(bev), &len, EVBUFFER_EOL_LF))) {
                raw_request(arg, line, len);
                free(line);
        }
}

static void raw_event(struct bufferevent *bev, short what, void *arg) {
        raw_close(arg);
}

static void raw_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len,
                       void *arg) {
        struct daemon *d = arg;

        for (unsigned i = 0; i < VIEWERS; i++) {
                struct raw *c = &d->raws[i];

                if (c->bev)
                        continue;
                c->d = d;
                c->bev = bufferevent_socket_new(d->base, fd, BEV_OPT_CLOSE_ON_FREE);
                bufferevent_setcb(c->bev, raw_read, NULL, raw_event, c);
                bufferevent_enable(c->bev, EV_READ | EV_WRITE);
                return;
        }
        evutil_closesocket(fd);
}

static void raw_good_tick(struct raw *c, struct evbuffer *to) {
        char *text = tick_text(c->d, NULL);

        evbuffer_add_printf(to, "{\"id\":%d,\"progress\":", c->watch_id);
        evbuffer_add(to, text, strlen(text));
        evbuffer_add(to, "}\n", 2);
        free(text);
}

static void raw_bad_tick(struct raw *c, struct evbuffer *out) {
        static char filler[65536];
        struct evbuffer *half;

        switch (c->d->fault) {
        case FAULT_GARBAGE:
                evbuffer_add(out, "\0\xff\x1b[2J{]]} no JSON \x80\n", 21);
                break;
        case FAULT_CUT:
                half = evbuffer_new();
                raw_good_tick(c, half);
                evbuffer_remove_buffer(half, out, evbuffer_get_length(half) / 2);
                evbuffer_free(half);
                bufferevent_flush(c->bev, EV_WRITE, BEV_FLUSH);
                shutdown(bufferevent_getfd(c->bev), SHUT_RD); /* gone once the half line is out */
                break;
        case FAULT_HUGE:
                memset(filler, 'x', sizeof(filler));
                for (unsigned i = 0; i < 80; i++)
                        evbuffer_add(out, filler, sizeof(filler));
                evbuffer_add(out, "\n", 1);
                break;
        case FAULT_SLOW:
                c->slow = c->slow ? c->slow : evbuffer_new();
                if (evbuffer_get_length(c->slow) < 4096)
                        raw_good_tick(c, c->slow);
                evbuffer_remove_buffer(c->slow, out, 1);
                break;
        default:
                break;
        }
}

static void raw_tick(struct raw *c) {
        struct evbuffer *out = bufferevent_get_output(c->bev);

        if (!c->watch_id)
                return;
        if (c->ticks++ < GOOD_TICKS) {
                raw_good_tick(c, out);
        } else if (c->d->fault == FAULT_CUT && c->ticks > GOOD_TICKS + 1) {
                raw_close(c);
        } else {
                raw_bad_tick(c, out);
        }
}

/* ---- time ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg) {
        struct daemon *d = arg;

        d->ticks++;
        if (d->die_after && d->ticks >= d->die_after)
                _exit(9);
        if (!d->scene) {
                crowd_step(&d->crowd);
                json_decref(d->tick);
                d->tick = NULL;
        }
        if (d->fault)
                for (unsigned i = 0; i < VIEWERS; i++)
                        if (d->raws[i].bev)
                                raw_tick(&d->raws[i]);
        if (d->scene)
                tick_scene(d);
        else if (d->watchers)
                hb_watchers_tick(d->watchers, hb_now_ns());
}

static void on_end(evutil_socket_t fd, short what, void *arg) {
        event_base_loopbreak(arg);
}

/* ---- set-up ---- */

static enum fault fault_named(const char *s) {
        static const char *const names[] = {"", "garbage", "cut", "hang", "slow", "huge"};

        for (unsigned i = 1; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(names[i], s) == 0)
                        return (enum fault)i;
        fprintf(stderr, "crowd_daemon: no fault is called \"%s\"\n", s);
        exit(2);
}

static void read_scene(struct daemon *d, const char *path) {
        json_error_t why;

        d->scene = json_load_file(path, 0, &why);
        d->tick = json_incref(json_object_get(d->scene, "tick"));
        d->answers = json_object_get(d->scene, "answers");
        d->past = (unsigned)json_integer_value(json_object_get(d->scene, "past"));
        if (json_is_object(d->tick))
                return;
        fprintf(stderr, "crowd_daemon: %s: %s\n", path, d->scene ? "there is no \"tick\"" : why.text);
        exit(2);
}

static int listen_on(struct daemon *d, const char *path, struct hb_err *e) {
        struct hb_watch_use use = {write_snapshot, d};
        int r;

        if (!d->fault) {
                r = d->scene ? 0 : hb_watchers_new(NULL, &use, d->crowd.ring, &d->watchers);
                return r < 0 ? r : hb_control_server_new(d->base, path, "", handle, d, &d->server, e);
        }
        r = hb_control_socket_open(path, "", &d->socket, e);
        if (r < 0)
                return r;
        d->listener = evconnlistener_new(d->base, raw_accept, d, 0, 16, hb_control_socket_fd(d->socket));
        return d->listener ? 0 : -ENOMEM;
}

static void finish(struct daemon *d) {
        for (unsigned i = 0; i < VIEWERS; i++)
                if (d->raws[i].bev)
                        raw_close(&d->raws[i]);
        hb_control_server_free(d->server);
        hb_watchers_free(d->watchers);
        for (unsigned i = 0; i < d->nviewers; i++)
                hb_request_ok(d->viewers[i], NULL);
        if (d->listener)
                evconnlistener_free(d->listener);
        hb_control_socket_close(d->socket);
        if (!d->scene)
                crowd_end(&d->crowd);
        json_decref(d->tick);
        json_decref(d->scene);
        event_base_free(d->base);
}

int main(int argc, char **argv) {
        static const struct option options[] = {{"socket", 1, NULL, 's'},
                                                {"hosts", 1, NULL, 'h'},
                                                {"guests", 1, NULL, 'g'},
                                                {"events", 1, NULL, 'e'},
                                                {"seed", 1, NULL, 'r'},
                                                {"tick-ms", 1, NULL, 't'},
                                                {"fault", 1, NULL, 'f'},
                                                {"die-after", 1, NULL, 'd'},
                                                {"old", 0, NULL, 'o'},
                                                {"scene", 1, NULL, 'c'},
                                                {0}};
        struct daemon d = {
                .crowd = {.nhosts = 50, .nguests = 500, .events_per_s = 10000, .random = 1, .tick_s = 1}};
        const char *path = NULL, *scene = NULL;
        struct event *tick, *term, *intr;
        struct hb_err e = {0};
        char line[800];

        for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (o) {
                case 's':
                        path = optarg;
                        break;
                case 'h':
                        d.crowd.nhosts = (unsigned)atoi(optarg);
                        break;
                case 'g':
                        d.crowd.nguests = (unsigned)atoi(optarg);
                        break;
                case 'e':
                        d.crowd.events_per_s = atof(optarg);
                        break;
                case 'r':
                        d.crowd.random = strtoull(optarg, NULL, 10);
                        break;
                case 't':
                        d.crowd.tick_s = atof(optarg) / 1000;
                        break;
                case 'f':
                        d.fault = fault_named(optarg);
                        break;
                case 'd':
                        d.die_after = (unsigned)atoi(optarg);
                        break;
                case 'o':
                        d.old = true;
                        break;
                case 'c':
                        scene = optarg;
                        break;
                default:
                        return 2;
                }
        }
        if (!path || !d.crowd.nhosts || !(d.crowd.tick_s > 0)) {
                fprintf(stderr,
                        "usage: crowd_daemon --socket PATH [--hosts N] [--guests N] [--events N] ...\n");
                return 2;
        }
        signal(SIGPIPE, SIG_IGN);
        d.base = event_base_new();
        d.crowd.wall = (double)hb_wall_ns() / 1e9;
        if (scene)
                read_scene(&d, scene);
        else
                crowd_begin(&d.crowd);
        if (listen_on(&d, path, &e) < 0) {
                fprintf(stderr, "crowd_daemon: %s\n", hb_err_line(&e, line, sizeof(line)));
                return 1;
        }
        tick = event_new(d.base, -1, EV_PERSIST, on_tick, &d);
        term = evsignal_new(d.base, SIGTERM, on_end, d.base);
        intr = evsignal_new(d.base, SIGINT, on_end, d.base);
        event_add(tick,
                  &(struct timeval){(time_t)d.crowd.tick_s,
                                    (suseconds_t)((d.crowd.tick_s - (double)(time_t)d.crowd.tick_s) * 1e6)});
        event_add(term, NULL);
        event_add(intr, NULL);
        printf("ready\n");
        fflush(stdout);
        event_base_dispatch(d.base);
        event_free(tick);
        event_free(term);
        event_free(intr);
        finish(&d);
        return 0;
}
