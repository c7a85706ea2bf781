/* harbingerd: wiring only. Order of start: settings, store, TLS, listener, control socket, recovery, ready.
 * Exit codes: 0, or LSB's 1 failed, 2 usage, 4 not allowed, 6 not configured. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/guest.h"
#include "daemon/guest_look.h"
#include "daemon/hardware.h"
#include "daemon/incoming.h"
#include "daemon/migrate.h"
#include "daemon/notify.h"
#include "daemon/policy_registry.h"
#include "daemon/rdma_door.h"
#include "daemon/recording.h"
#include "daemon/status.h"
#include "daemon/teacher.h"
#include "daemon/watch.h"
#include <errno.h>
#include <event2/thread.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_ALLOWED = 4, EXIT_NOT_CONFIGURED = 6 };

static const char usage[] = "usage: harbingerd --config FILE [--check] [--verbose]\n"
                            "       harbingerd --probe        what this kernel's trackers can do, as JSON\n"
                            "       harbingerd --reference    every setting with its default and meaning\n"
                            "       harbingerd --version\n";

static int report(const char *doing, const struct hb_err *e, int code) {
        hb_log_err(HB_LOG_ERR, doing, e);
        return e->code == -EACCES || e->code == -EPERM ? EXIT_NOT_ALLOWED : code;
}

struct hb_retired {
        struct hb_retired *next;
        hb_settings *settings;
        hb_tls *tls;
};

static int retire(hb_daemon *d, struct hb_err *e) {
        struct hb_retired *r = calloc(1, sizeof *r);
        if (!r)
                return hb_err_set(e, -ENOMEM, d->settings_path, NULL, "no memory to read the settings again");
        *r = (struct hb_retired){d->retired, d->settings, d->tls};
        d->retired = r;
        return 0;
}

static void free_retired(hb_daemon *d) {
        while (d->retired) {
                struct hb_retired *r = d->retired;
                d->retired = r->next;
                hb_settings_free(r->settings);
                hb_tls_free(r->tls);
                free(r);
        }
}

/* A host that was taken out, or may no longer place this guest, is cut off; but not in the middle of a
 * hand-over. */
static void recheck_hosts(hb_daemon *d) {
        struct hb_err e;
        for (struct hb_incoming *in = d->incoming; in; in = in->next)
                if (in->session && !in->handover && !hb_incoming_allowed(in, &e))
                        hb_incoming_cut(in, &e);
        hb_arrivals_recheck(d);
}

int hb_daemon_reload(hb_daemon *d, struct hb_err *e) {
        hb_settings *s = NULL;
        int r = hb_settings_load(d->settings_path, &s, e);
        if (r < 0)
                return r;
        const char *fixed = hb_settings_fixed_difference(d->settings, s);
        if (fixed) {
                hb_settings_free(s);
                return hb_err_set(e, -EBUSY, fixed,
                                  "restart harbingerd: guests go on being tracked meanwhile",
                                  "this setting cannot change while the daemon runs");
        }
        struct hb_tls_files f = {s->ca, s->cert, s->key};
        hb_tls *tls = NULL;
        r = hb_tls_new(&f, &tls, e);
        if (r == 0)
                hb_tls_allow_kernel(tls, s->kernel_tls);
        if (r == 0)
                r = retire(d, e);
        if (r < 0) {
                hb_tls_free(tls);
                hb_settings_free(s);
                return r;
        }
        hb_peer_listener_set_tls(d->listener, tls);
        d->tls = tls;
        d->settings = s;
        for (struct hb_guest *g = d->guests; g; g = g->next) {
                if (g->caps && !g->handover)
                        hb_guest_set_epoch(g, 0);
                if (g->placement)
                        hb_outgoing_reloaded(g->placement);
        }
        recheck_hosts(d);
        hb_rdma_door_reloaded(d);
        hb_policy_registry_reloaded(d);
        hb_daemon_event(d, HB_LOG_NOTICE, HB_ON_DAEMON, NULL, NULL, NULL, "settings read again from %s",
                        d->settings_path);
        return 0;
}

/* ---- signals ---- */

static void on_stop(evutil_socket_t sig, short what, void *arg) {
        hb_daemon *d = arg;
        hb_log(HB_LOG_NOTICE, "stopping; guests stay tracked, placements resume at the next start");
        d->stopping = true;
        event_base_loopbreak(d->base);
}

static void on_hup(evutil_socket_t sig, short what, void *arg) {
        struct hb_err e;
        hb_notify("RELOADING=1");
        if (hb_daemon_reload(arg, &e) < 0)
                hb_daemon_event_err(arg, HB_LOG_ERR, HB_ON_DAEMON, NULL, NULL,
                                    "reading the settings again; the old ones stay", &e);
        hb_notify("READY=1");
}

/* ---- start and stop ---- */

static int make_dir(const char *path, mode_t mode, struct hb_err *e) {
        if (mkdir(path, mode) == 0 || errno == EEXIST)
                return 0;
        return hb_err_set(e, -errno, path, "create it, or change the setting that names it",
                          "cannot make the directory");
}

static int check_cert_name(hb_daemon *d, struct hb_err *e) {
        if (strcmp(hb_tls_own_name(d->tls), d->settings->name) == 0)
                return 0;
        return hb_err_set(e, -EACCES, d->settings->cert,
                          "harbinger cert host NAME with the name in [host] name",
                          "the certificate is for '%s', but this host is called '%s'",
                          hb_tls_own_name(d->tls), d->settings->name);
}

#define PREDECESSOR_NS (3 * HB_NS_PER_S)

/* A daemon that was killed is seen dead before the kernel has closed all it had open (its inotify and
 * userfaultfd take their time), and whoever starts the next one at once should not be told to look for
 * another program on the port. */
static int listen_for_peers(hb_daemon *d, struct hb_err *e) {
        struct hb_listener_callbacks cb = hb_arrival_callbacks;
        uint64_t end = hb_now_ns() + PREDECESSOR_NS;
        int r;

        cb.arg = d;
        while ((r = hb_peer_listen(d->base, d->tls, d->settings->listen, &cb, &d->listener, e)) ==
                       -EADDRINUSE &&
               hb_now_ns() < end)
                hb_sleep_ns(20 * HB_NS_PER_MS);
        if (r == 0)
                *e = (struct hb_err){0};
        return r;
}

static int open_all(hb_daemon *d, struct hb_err *e) {
        const hb_settings *s = d->settings;
        int r;
        if ((r = hb_watch_new(d, e)) < 0)
                return r;
        if ((r = make_dir(s->state_dir, 0750, e)) < 0 || (r = make_dir(s->run_dir, 0755, e)) < 0 ||
            (r = make_dir(s->image_dir, 0750, e)) < 0)
                return r;
        char path[320];
        snprintf(path, sizeof path, "%s/harbinger.db", s->state_dir);
        if ((r = hb_store_open(path, &d->store, e)) < 0)
                return r;
        struct hb_tls_files f = {s->ca, s->cert, s->key};
        if ((r = hb_tls_new(&f, &d->tls, e)) < 0 || (r = check_cert_name(d, e)) < 0)
                return r;
        hb_tls_allow_kernel(d->tls, s->kernel_tls);
        if ((r = listen_for_peers(d, e)) < 0)
                return r;
        if ((r = hb_hardware_new(d)) < 0)
                return hb_err_set(e, r, "hardware", NULL, "no memory to set it up");
        if ((r = hb_rdma_door_new(d)) < 0)
                return hb_err_set(e, r, "RDMA listener", NULL, "no memory to set it up");
        if ((r = hb_policy_registry_new(d, e)) < 0 || (r = hb_duplicates_new(d, e)) < 0)
                return r;
        if ((r = hb_control_server_new(d->base, s->control_socket, s->control_group, hb_daemon_command, d,
                                       &d->control, e)) < 0)
                return r;
        return hb_daemon_recover(d, e);
}

static void close_all(hb_daemon *d) {
        d->control = hb_control_server_free(d->control);
        hb_guest_looks_free(d);
        hb_watch_free(d); /* whatever is said from here on is for the log alone */
        hb_migrate_colds_free(d);
        while (d->handovers)
                hb_handover_free(d->handovers);
        while (d->guests)
                hb_guest_free(d->guests, true);
        while (d->incoming)
                hb_incoming_free(d->incoming, HB_IN_KEEP);
        hb_duplicates_free(d);
        hb_policy_registry_free(d);
        hb_recordings_free(d);
        hb_arrivals_free(d);
        hb_rdma_door_close(d);
        d->listener = hb_peer_listener_free(d->listener);
        d->teacher = hb_teacher_free(d->teacher);
        d->mailbox = hb_mailbox_free(d->mailbox);
        hb_rdma_door_free(d);
        hb_hardware_free(d);
        d->tls = hb_tls_free(d->tls);
        free_retired(d);
        d->store = hb_store_close(d->store);
}

static struct event *watch_signal(hb_daemon *d, int sig, event_callback_fn fn) {
        struct event *ev = evsignal_new(d->base, sig, fn, d);
        if (ev)
                event_add(ev, NULL);
        return ev;
}

static int serve(hb_daemon *d) {
        struct hb_err e = {0};
        int code = 0;
        evthread_use_pthreads();
        d->base = event_base_new();
        d->started_ns = hb_now_ns();
        struct event *sigs[3] = {0};
        if (!d->base || hb_mailbox_new(d->base, &d->mailbox) < 0) {
                hb_err_set(&e, -ENOMEM, "event loop", NULL, "cannot be set up");
                code = report("starting", &e, EXIT_FAILED);
        } else if (open_all(d, &e) < 0) {
                code = report("starting", &e, EXIT_FAILED);
        } else {
                sigs[0] = watch_signal(d, SIGTERM, on_stop);
                sigs[1] = watch_signal(d, SIGINT, on_stop);
                sigs[2] = watch_signal(d, SIGHUP, on_hup);
                hb_daemon_event(d, HB_LOG_NOTICE, HB_ON_DAEMON, NULL, NULL, NULL,
                                "harbingerd %s on host %s, peers on %s, control on %s", HB_VERSION,
                                d->settings->name, d->settings->listen, d->settings->control_socket);
                hb_notify("READY=1");
                event_base_dispatch(d->base);
                hb_notify("STOPPING=1");
        }
        for (int i = 0; i < 3; i++)
                if (sigs[i])
                        event_free(sigs[i]);
        close_all(d);
        if (d->base)
                event_base_free(d->base);
        return code;
}

static int probe(void) {
        json_t *p = hb_probe_json();
        json_dumpf(p, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(p);
        return 0;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
                {"probe", no_argument, NULL, 'p'},        {"reference", no_argument, NULL, 'r'},
                {"verbose", no_argument, NULL, 'v'},      {"version", no_argument, NULL, 'V'},
                {"help", no_argument, NULL, 'h'},         {0}};
        const char *config = NULL;
        bool check = false, verbose = false;
        int c;
        while ((c = getopt_long(argc, argv, "c:hv", options, NULL)) >= 0) {
                switch (c) {
                case 'c':
                        config = optarg;
                        break;
                case 'k':
                        check = true;
                        break;
                case 'v':
                        verbose = true;
                        break;
                case 'p':
                        return probe();
                case 'r':
                        hb_settings_print_reference(stdout);
                        return 0;
                case 'V':
                        puts("harbingerd " HB_VERSION);
                        return 0;
                case 'h':
                        fputs(usage, stdout);
                        return 0;
                default:
                        fputs(usage, stderr);
                        return EXIT_USAGE;
                }
        }
        if (!config || optind != argc) {
                fputs(usage, stderr);
                return EXIT_USAGE;
        }
        hb_log_setup(verbose ? HB_LOG_DEBUG : HB_LOG_INFO, !isatty(2));
        struct hb_err e = {0};
        hb_daemon d = {.settings_path = (char *)config};
        if (hb_settings_load(config, &d.settings, &e) < 0)
                return report("settings", &e, EXIT_NOT_CONFIGURED);
        if (check) {
                hb_log(HB_LOG_NOTICE, "%s: ok", config);
                hb_settings_free(d.settings);
                return 0;
        }
        if (hb_fault_from_env("HB_FAULT") < 0) {
                fputs("harbingerd: HB_FAULT cannot be understood\n", stderr);
                return EXIT_USAGE;
        }
        signal(SIGPIPE, SIG_IGN);
        signal(SIGCHLD, SIG_IGN); /* VMMs we start are their own masters: the system reaps them */
        int code = serve(&d);
        hb_settings_free(d.settings);
        return code;
}
