/* daemon: what the wiring files of core/daemon share. One loop thread owns everything reachable from here;
 * other threads (jobs, transports) reach it only through the mailbox. No other room includes this. */
#pragma once
#include "daemon/jobs.h"
#include "daemon/mailbox.h"
#include "daemon/settings.h"
#include "serve/control_server.h"
#include "store/store.h"
#include "transport/peer.h"
#include <event2/event.h>

struct hb_guest;
struct hb_incoming;
struct hb_handover;
struct hb_arrival;
struct hb_cold;
struct hb_recording;
struct hb_teacher;
struct hb_policy_registry;
struct hb_duplicates;
struct hb_rdma_door;
struct hb_hardware;
struct hb_event_ring;
struct hb_watch;
struct hb_guest_looks;

typedef struct hb_daemon {
        struct event_base *base;
        hb_settings *settings;
        char *settings_path;
        hb_tls *tls;
        struct hb_retired
                *retired; /* settings and keys of before a reload: jobs under way may still read them */
        hb_store *store;
        hb_mailbox *mailbox;
        hb_peer_listener *listener;
        struct hb_rdma_door *rdma_door; /* where RDMA connections come in */
        hb_control_server *control;
        struct hb_guest *guests;             /* tracked here */
        struct hb_incoming *incoming;        /* images here for guests elsewhere */
        struct hb_handover *handovers;       /* both roles, until ended */
        struct hb_cold *colds;               /* moves whose placement is being opened */
        struct hb_recording *recordings;     /* under way, armed, and the last one of each guest */
        struct hb_arrival *arrivals;         /* accepted sessions that have not said what they want */
        struct hb_policy_registry *policies; /* what is active here, what shadows, what was before */
        struct hb_teacher *teacher;          /* NULL until there is something to teach */
        struct hb_duplicates *duplicates;    /* daemon/duplicates.h; NULL: they are not looked for */
        struct hb_hardware *hardware;        /* daemon/hardware.h */
        struct hb_event_ring *events;        /* daemon/events.h; NULL: not yet, or no more */
        struct hb_watch *watch;              /* who is told each second; daemon/watch.h */
        struct hb_guest_looks *looks;        /* pages being looked at; NULL: never asked for */
        uint64_t started_ns;
        bool stopping;
} hb_daemon;

/* commands.c */
void hb_daemon_command(void *arg, hb_request *r, const struct hb_ctl_command *cmd, json_t *args);
int hb_daemon_reload(hb_daemon *d, struct hb_err *e);
/* arrivals.c: the listener's callbacks */
extern const struct hb_listener_callbacks hb_arrival_callbacks;
void hb_arrivals_free(hb_daemon *d);
void hb_arrivals_recheck(hb_daemon *d); /* other settings are in force */
/* A session whose placement has ended: it may ask for something else. Takes ownership. */
void hb_arrival_adopt(hb_daemon *d, hb_session *s);
/* recover.c: after a restart, take up guests, placements and hand-overs from the store */
int hb_daemon_recover(hb_daemon *d, struct hb_err *e);

void hb_id_random(uint8_t id[16]);
void hb_id_hex(const uint8_t id[16], char out[33]);
uint64_t hb_ms_to_ns(int ms);
struct timeval hb_timeval(uint64_t ns);
/* One history line; a failure to write it is logged, never fatal. figures: stolen, may be NULL. */
void hb_daemon_history(hb_daemon *d, const char *kind, const char *guest, const char *from, const char *to,
                       const char *result, json_t *figures);
