/* migrate_job: one blocking step of a hand-over on its worker. The worker sees this object alone: what it
 * needs was copied before it began, and what it made is taken over by the hand-over on the loop, also when
 * the step has failed or its entry was left meanwhile. */
#pragma once
#include "daemon/migrate.h"
#include <stdatomic.h>

struct hb_move_job {
        struct hb_handover *h; /* the loop's; so is generation */
        unsigned generation;
        int (*op)(struct hb_move_job *j, struct hb_err *e);
        struct hb_err err;

        /* does not change; settings and keys outlive every job, an image its hand-over */
        hb_daemon *d; /* for its mailbox alone */
        uint8_t id[HB_ID_SIZE], token[HB_TOKEN_SIZE];
        char guest[HB_NAME_MAX], peer[HB_NAME_MAX], port_kind[16], port_path[256];
        const hb_settings *settings;
        hb_tls *tls;
        const struct hb_shape *shape; /* target, with `image` */
        const hb_image *image;
        bool recovered, vmm_was_ours;

        /* the loop may cancel what it waits for */
        _Atomic(hb_guest_port *) port;
        atomic_bool stop;

        /* results */
        bool opened; /* `port` is new */
        hb_tunnel *tunnel;
        int stream_fd;
        uint64_t stop_wall_ns, resume_wall_ns;
        pid_t vmm_pid;
        bool vmm_ours;
};

/* Runs one step; its end is the action's end. */
void hb_handover_job(struct hb_handover *h, int (*op)(struct hb_move_job *j, struct hb_err *e));
void hb_handover_job_cancel(struct hb_handover *h); /* whatever it waits for, it shall end now */

/* ---- for the steps, on the worker ---- */
/* Opens the guest's port if there is none. -ECANCELED when the loop has lost interest. */
int hb_move_open(struct hb_move_job *j, int wait_ms, struct hb_err *e);
int hb_move_tunnel(struct hb_move_job *j, struct hb_data_conn *c, int fd, struct hb_err *e);

/* ---- migrate_source_ops.c ---- */
int hb_move_check_source(struct hb_move_job *j, struct hb_err *e);
int hb_move_freeze(struct hb_move_job *j, struct hb_err *e); /* and the tunnel */
int hb_move_send_state(struct hb_move_job *j, struct hb_err *e);
int hb_move_thaw(struct hb_move_job *j, struct hb_err *e);
int hb_move_quit_source(struct hb_move_job *j, struct hb_err *e);

/* ---- migrate_target_ops.c ---- */
int hb_move_start_vmm(struct hb_move_job *j, struct hb_err *e); /* or finds it waiting */
int hb_move_receive_start(struct hb_move_job *j, struct hb_err *e);
int hb_move_receive_wait(struct hb_move_job *j, struct hb_err *e);
int hb_move_check_loaded(struct hb_move_job *j, struct hb_err *e);
int hb_move_resume(struct hb_move_job *j, struct hb_err *e);
int hb_move_quit_target(struct hb_move_job *j, struct hb_err *e);
