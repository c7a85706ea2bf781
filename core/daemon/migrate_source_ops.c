/* migrate_source_ops: the source's blocking steps, on the hand-over's worker. After a restart the guest's
 * socket is known and its port is not open yet. */
#include "daemon/migrate_job.h"
#include <errno.h>
#include <unistd.h>

#define REOPEN_MS 2000
#define DIAL_MS   10000

static hb_guest_port *port(struct hb_move_job *j) {
        return atomic_load(&j->port);
}

int hb_move_check_source(struct hb_move_job *j, struct hb_err *e) {
        return port(j)->ops->prepare_source(port(j), e);
}

static int open_tunnel(struct hb_move_job *j, struct hb_err *e) {
        const struct hb_host_settings *host = hb_settings_host(j->settings, j->peer);
        struct hb_data_conn c = {.fd = -1};
        int fd = -1;
        int r = port(j)->ops->stream(port(j), &fd, e);
        if (r < 0)
                return r;
        r = hb_data_dial(j->tls, j->peer, host ? host->address : "", j->token, HB_DATA_TUNNEL, DIAL_MS, &c,
                         e);
        if (r == 0)
                r = hb_move_tunnel(j, &c, fd, e);
        if (r < 0) {
                close(fd);
                hb_data_conn_close(&c);
        }
        return r;
}

/* The stop is the last thing that happens, and not if the loop has lost interest meanwhile. */
int hb_move_freeze(struct hb_move_job *j, struct hb_err *e) {
        int r = open_tunnel(j, e);
        if (r == 0 && atomic_load(&j->stop))
                r = hb_err_set(e, -ECANCELED, j->guest, NULL, "cancelled");
        if (r < 0)
                return r;
        return port(j)->ops->freeze(port(j), hb_ho_timeout_ms(HB_S_FREEZE), &j->stop_wall_ns, e);
}

int hb_move_send_state(struct hb_move_job *j, struct hb_err *e) {
        return port(j)->ops->send_state(port(j), hb_ho_timeout_ms(HB_S_STATE), e);
}

static bool nobody(int r) {
        return r == -ENOENT || r == -ECONNREFUSED;
}

int hb_move_thaw(struct hb_move_job *j, struct hb_err *e) {
        int r = hb_move_open(j, REOPEN_MS, e);
        if (r < 0)
                return nobody(r) ? -ESRCH : r;
        return port(j)->ops->thaw(port(j), hb_ho_timeout_ms(HB_S_ABORT), e);
}

int hb_move_quit_source(struct hb_move_job *j, struct hb_err *e) {
        int r = hb_move_open(j, 0, e);
        if (r < 0)
                return nobody(r) ? 0 : r; /* gone already, which is what is wanted */
        return port(j)->ops->quit(port(j), e);
}
