/* migrate: performs hand-overs: feeds move/handover's table with what happened and does what it says. One
 * object a hand-over, either role. Blocking actions are jobs, one at a time, in the table's order; see "How
 * to drive the table" in move/handover.h.
 *
 * Files: migrate.c the driver, migrate_source.c and migrate_target.c the actions, migrate_job.c and *_ops.c
 * what blocks, migrate_doubt.c questions and verdicts, migrate_end.c what is left behind, migrate_commands.c
 * what an operator asks, migrate_cold.c a move without a placement. */
#pragma once
#include "daemon/guest.h"
#include "daemon/incoming.h"
#include "daemon/outgoing.h"
#include "move/handover.h"

struct hb_move_figures { /* what a hand-over measures; wall times of the VMMs' own events */
        uint64_t asked_ns, ended_ns;
        uint64_t stop_wall_ns, resume_wall_ns, committed_wall_ns;
        uint64_t tunnel_bytes;
        struct hb_msg_report at_request, at_end;
        uint64_t summary_before;
        double placement_s;
        uint64_t in_state_ns[HB_HO_STATES]; /* time spent */
};

struct hb_handover {
        hb_daemon *d;
        struct hb_handover *next;
        uint8_t id[HB_ID_SIZE];
        char guest[HB_NAME_MAX], peer[HB_NAME_MAX];
        enum hb_ho_state state;
        enum hb_role role;
        uint64_t state_since_ns;
        struct event *timer; /* the state's time-out */
        struct event *end;   /* FINISHED, a moment later */

        /* the entry being performed */
        enum hb_ho_action actions[HB_HO_MAX_ACTIONS];
        unsigned next_action, generation;
        bool busy;    /* an action is under way, perhaps of an entry that was left */
        bool waiting; /* ... and it is no job: leaving the entry ends it */
        hb_jobs *jobs;
        struct hb_move_job *job; /* under way */

        hb_guest_port *port; /* source: the guest's, borrowed, unless own_port; target: ours */
        bool own_port;
        char port_kind[16], port_path[256];
        char memory[1024]; /* the guest's files that are ours to remove once it has left or ended, one a line;
                              also in the journal */
        int vmm_pidfd;
        struct event *vmm_event;
        struct hb_guest *g;     /* source; NULL in recovery */
        struct hb_incoming *in; /* target; NULL in recovery */
        hb_tunnel *tunnel;
        int stream_fd;                   /* target: waits for the tunnel's connection */
        struct hb_data_conn tunnel_conn; /* target: waits for the stream */

        struct event *poll; /* source, converging */
        int max_downtime_ms;
        uint64_t deadline_ns, best_at_ns;
        double best_bytes;
        uint32_t first_epoch, final_epoch;
        bool vmm_ours; /* target: started by us, or it has taken our settings: ours to end */
        bool cold;     /* source: the placement was made for this move alone */
        void (*verified)(struct hb_handover *h); /* source: waits for VERIFIED */
        bool verify_over;                        /* target: VERIFIED was sent; source: it came early */
        uint64_t verify_at; /* target: the next part's first page; source: what came early */
        bool final_wanted, looking, release_wanted, recovered, keep_source, image_touched, ended;

        hb_session *ask; /* a session of our own to the peer, while in doubt */
        bool ask_ready, ask_again;

        struct hb_move_figures fig;
        struct hb_err why;   /* why it was given up */
        hb_request *request; /* who waits for the answer; NULL: nobody */
        struct event *progress;
};

/* ---- driver ---- */
struct hb_handover *hb_handover_new(hb_daemon *d, enum hb_role role, const uint8_t id[HB_ID_SIZE],
                                    const char *guest, const char *peer);
void hb_handover_event(struct hb_handover *h, enum hb_ho_event ev); /* may free h */
void hb_handover_free(struct hb_handover *h);                       /* the journal says where we were */
struct hb_handover *hb_handover_find(hb_daemon *d, const char *guest);
struct hb_handover *hb_handover_by_id(hb_daemon *d, const uint8_t id[HB_ID_SIZE]);
json_t *hb_handover_json(const struct hb_handover *h);
json_t *hb_handovers_json(const hb_daemon *d, const char *guest /* NULL: all */);
/* The action under way has ended. Its outcome counts only if it is of the present entry. -ESRCH: the VMM is
 * gone. */
void hb_handover_done(struct hb_handover *h, unsigned generation, int rc, const struct hb_err *e);
void hb_handover_why(struct hb_handover *h, const struct hb_err *e); /* keeps the first */
int hb_handover_send(struct hb_handover *h, enum hb_msg_type type, const void *more,
                     size_t size); /* id + more */
int hb_handover_record(struct hb_handover *h,
                       struct hb_err *e); /* the present state into the journal, durable */
void hb_handover_note_memory(struct hb_handover *h);
void hb_handover_watch_vmm(struct hb_handover *h, pid_t pid);
/* All actions of the present entry are done: now its answer may come. */
bool hb_handover_entry_done(const struct hb_handover *h);
/* Any thread. Its end comes to hb_handover_tunnel_ended on the loop. Ownership as hb_tunnel_new. */
int hb_handover_start_tunnel(hb_daemon *d, const uint8_t id[HB_ID_SIZE], struct hb_data_conn *c, int fd,
                             hb_tunnel **ret, struct hb_err *e);
void hb_handover_tunnel_ended(struct hb_handover *h, uint64_t bytes, const struct hb_err *e);

/* ---- actions; true: done at once, false: hb_handover_done will be called ---- */
bool hb_migrate_source_action(struct hb_handover *h, enum hb_ho_action a);
bool hb_migrate_target_action(struct hb_handover *h, enum hb_ho_action a);
void hb_migrate_ask(struct hb_handover *h); /* SEND_QUERY */
void hb_migrate_ask_free(struct hb_handover *h);
void hb_migrate_ended(struct hb_handover *h); /* FINISHED; frees h, a moment later */
void hb_migrate_on_end(evutil_socket_t fd, short what, void *h);
void hb_migrate_left_converge(struct hb_handover *h);
void hb_migrate_send_abort(struct hb_handover *h);

/* ---- inputs ---- */
void hb_migrate_source_message(struct hb_outgoing *p, enum hb_msg_type type, const uint8_t *payload,
                               size_t size);
void hb_migrate_target_message(struct hb_incoming *in, enum hb_msg_type type, const uint8_t *payload,
                               size_t size);
int hb_migrate_tunnel(struct hb_incoming *in, struct hb_data_conn *c);
void hb_migrate_link(struct hb_handover *h, bool up); /* the link of its own placement; NULL allowed */
/* QUERY, or COMMIT again, on a session that has no placement: a peer in doubt about a hand-over. */
void hb_migrate_query(hb_daemon *d, hb_session *s, enum hb_msg_type type, const uint8_t *payload,
                      size_t size);
void hb_migrate_verdict(struct hb_handover *h, enum hb_msg_type type, const uint8_t *payload, size_t size);
/* After a restart: one journal entry that was open. */
void hb_migrate_resume(hb_daemon *d, const struct hb_journal_entry *j);

/* ---- operator ---- */
int hb_migrate_check_start(struct hb_guest *g, const char *host, struct hb_err *e);
/* Begins over the open placement; NULL: no memory, and r has its answer. */
struct hb_handover *hb_migrate_begin(struct hb_guest *g, int max_downtime_ms, int timeout_s, hb_request *r);
void hb_migrate_cold(struct hb_guest *g, const char *host, int max_downtime_ms, int timeout_s, hb_request *r);
void hb_migrate_colds_free(hb_daemon *d);
void hb_migrate_start(struct hb_guest *g, const char *host, int max_downtime_ms, int timeout_s,
                      hb_request *r);
void hb_migrate_dry_run(struct hb_guest *g, const char *host, int max_downtime_ms, hb_request *r);
void hb_migrate_abort(hb_daemon *d, const char *guest, hb_request *r);
void hb_migrate_recover(hb_daemon *d, const char *guest, bool keep_source, hb_request *r);
