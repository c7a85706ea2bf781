/* migrate_target_ops: the target's blocking steps, on the hand-over's worker. The VMM is started (or found
 * waiting) on the image's own files. Only a VMM that is ours is ended: one that we started, or that has taken
 * our settings. */
#include "daemon/migrate_job.h"
#include "daemon/vmm.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define VMM_START_MS 30000
#define VMM_POLL_MS  250
#define FIND_MS      2000
#define REOPEN_MS    1000
#define CHECK_MS     1000

static hb_guest_port *port(struct hb_move_job *j) {
        return atomic_load(&j->port);
}

static const char *command_of(const struct hb_move_job *j) {
        const struct hb_guest_settings *gs = hb_settings_guest(j->settings, j->guest);
        return gs ? gs->incoming_command : "";
}

/* ---- start or find the VMM ---- */

static bool ended(int pidfd) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        return pidfd >= 0 && poll(&p, 1, 0) == 1;
}

static bool not_yet(int r) {
        return r == -ENOENT || r == -ECONNREFUSED || r == -ETIMEDOUT;
}

/* Waits for the socket, but not for that of a command that has failed. A command may also start its VMM in
 * the background and end. */
static int wait_for_port(struct hb_move_job *j, int pidfd, const char *log_path, struct hb_err *e) {
        int r = -ETIMEDOUT, after_end = 8;
        for (int waited = 0; waited < VMM_START_MS && after_end > 0 && not_yet(r) && !atomic_load(&j->stop);
             waited += VMM_POLL_MS) {
                r = hb_move_open(j, VMM_POLL_MS, e);
                if (r == 0)
                        return 0;
                if (ended(pidfd))
                        after_end--;
        }
        hb_vmm_kill(pidfd);
        if (!not_yet(r))
                return r;
        char tail[160];
        hb_vmm_log_tail(log_path, tail, sizeof tail);
        return hb_err_set(
                e, -EREMOTEIO, j->guest,
                "run incoming_command by hand with HB_QMP and HB_IMAGE_* set; see the VMM's log in run_dir",
                "the destination VMM did not come up: %s", tail[0] ? tail : "it said nothing");
}

static void in_run_dir(const struct hb_move_job *j, const char *suffix, char out[512]) {
        snprintf(out, 512, "%s/%s.vmm.%s", j->settings->run_dir, j->guest, suffix);
}

static int spawn(struct hb_move_job *j, int *ret_pidfd, const char *log_path, const char *note_path,
                 struct hb_err *e) {
        struct hb_vmm_start v = {.guest = j->guest,
                                 .command = command_of(j),
                                 .socket_path = j->port_path,
                                 .log_path = log_path,
                                 .note_path = note_path,
                                 .shape = j->shape};
        for (unsigned i = 0; i < j->shape->nregions; i++)
                snprintf(v.image_paths[i], sizeof v.image_paths[i], "%s", hb_image_region_path(j->image, i));
        return hb_vmm_spawn(&v, ret_pidfd, e);
}

static int start(struct hb_move_job *j, struct hb_err *e) {
        char log_path[512], note_path[512];
        int pidfd = -1;
        in_run_dir(j, "log", log_path);
        in_run_dir(j, "started", note_path);
        int r = spawn(j, &pidfd, log_path, note_path, e);
        if (r < 0)
                return r;
        j->vmm_ours = true;
        r = wait_for_port(j, pidfd, log_path, e);
        close(pidfd);
        unlink(note_path);
        return r;
}

int hb_move_start_vmm(struct hb_move_job *j, struct hb_err *e) {
        struct hb_guest_info info;
        int r = command_of(j)[0] ? start(j, e) : hb_move_open(j, FIND_MS, e);
        if (r < 0)
                return r == -ESRCH ? -EREMOTEIO : r;
        r = port(j)->ops->prepare_target(port(j), j->shape, e);
        j->vmm_ours |= r == 0;
        if (r == 0 && port(j)->ops->describe(port(j), &info, NULL) == 0)
                j->vmm_pid = info.pid;
        return r;
}

/* ---- device state ---- */

int hb_move_receive_start(struct hb_move_job *j, struct hb_err *e) {
        int fd = -1;
        int r = port(j)->ops->stream(port(j), &fd, e);
        if (r < 0)
                return r;
        r = port(j)->ops->receive_start(port(j), e);
        if (r < 0) {
                close(fd);
                return r;
        }
        j->stream_fd = fd;
        return 0;
}

int hb_move_receive_wait(struct hb_move_job *j, struct hb_err *e) {
        return port(j)->ops->receive_wait(port(j), hb_ho_timeout_ms(HB_T_JOURNAL), e);
}

/* ---- loaded, and after ---- */

static int reopen(struct hb_move_job *j, struct hb_err *e) {
        int r = hb_move_open(j, REOPEN_MS, e);
        return r == -ENOENT || r == -ECONNREFUSED ? -ESRCH : r;
}

/* Is it still what was loaded? After a restart of ours it may have died while nobody looked. */
int hb_move_check_loaded(struct hb_move_job *j, struct hb_err *e) {
        int r = reopen(j, e);
        return r < 0 ? r : port(j)->ops->receive_wait(port(j), CHECK_MS, e);
}

int hb_move_resume(struct hb_move_job *j, struct hb_err *e) {
        int r = reopen(j, e);
        return r < 0 ? r
                     : port(j)->ops->resume(port(j), hb_ho_timeout_ms(HB_T_RESUME), &j->resume_wall_ns, e);
}

/* A socket that the settings name by mistake may be another guest's, and that one runs: it is not ours to
 * end. */
static bool of_somebody_else(struct hb_move_job *j) {
        struct hb_guest_info info;
        if (j->vmm_was_ours)
                return false;
        if (!j->recovered)
                return true;
        return !command_of(j)[0] && port(j)->ops->describe(port(j), &info, NULL) == 0 &&
               info.state == HB_GUEST_RUNNING;
}

int hb_move_quit_target(struct hb_move_job *j, struct hb_err *e) {
        char note_path[512];
        in_run_dir(j, "started", note_path);
        int r = j->recovered ? hb_vmm_kill_noted(note_path) : 0;
        if (r < 0)
                return hb_err_set(e, r, j->guest, "see RUN_DIR/GUEST.vmm.started: end that process by hand",
                                  "the VMM that was being started does not end");
        if (!j->port_path[0])
                return 0; /* given up before anybody said where it would be */
        r = reopen(j, e);
        if (r == -ESRCH)
                return 0;
        if (r < 0)
                return r;
        if (of_somebody_else(j))
                return 0;
        r = port(j)->ops->quit(port(j), e);
        return r == -ESRCH ? 0 : r;
}
