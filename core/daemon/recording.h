/* recording: traces of what guests of this host do, and of how placements on this host come along. A guest
 * that is neither here nor placed here is waited for: so a placement can be recorded from its beginning,
 * which is what an exact replay needs. One recording a guest. Loop thread; files are written by each
 * recorder's own thread, and nothing that goes wrong there reaches the guest. */
#pragma once
#include "daemon/daemon.h"

struct hb_guest;
struct hb_incoming;
struct hb_recording;

struct hb_recording_wish {
        const char *guest, *path, *note; /* path "": a name of its own in the settings' folder */
        double seconds;                  /* 0: until it is stopped */
        uint64_t rotate_bytes;
        double rotate_s;
        bool wait; /* answered when it has ended */
};

/* Answers r: when the file is there (or waited for), or when the recording has ended. */
void hb_recording_start(hb_daemon *d, const struct hb_recording_wish *w, hb_request *r);
void hb_recording_stop(hb_daemon *d, const char *guest, hb_request *r); /* answers when the file is whole */
json_t *hb_recordings_json(hb_daemon *d, const char *guest /* NULL: all */);
struct hb_recording_brief {
        const char *state; /* static */
        double seconds;
        uint64_t bytes;
};
void hb_recording_brief(struct hb_recording *c, struct hb_recording_brief *ret);
json_t *hb_recording_json(struct hb_recording *c); /* null for NULL */
void hb_recordings_free(hb_daemon *d);             /* waits for their files */

/* ---- what happens ---- */
void hb_recording_placed(struct hb_incoming *in);   /* its engine is new */
void hb_recording_unplaced(struct hb_incoming *in); /* its engine is about to go */
void hb_recording_summary(struct hb_recording *c, uint64_t now_ns, uint32_t epoch, uint64_t bytes);
void hb_recording_attached(struct hb_guest *g);
void hb_recording_detached(struct hb_guest *g);
void hb_recording_moved(struct hb_guest *g);                            /* another host runs it now */
void hb_recording_scan(struct hb_guest *g, uint64_t at_ns, bool final); /* its page map has the epoch */
void hb_recording_drain(struct hb_recording *c, bool on);
