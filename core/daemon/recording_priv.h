/* recording_priv: what the two files of recordings share. recording.c lives with what is recorded and with
 * the recorder; recording_commands.c begins, stops and shows recordings for those who ask. */
#pragma once
#include "daemon/recording.h"
#include "record/source.h"
#include "record/target.h"

enum hb_recording_role { HB_RECORD_WAITING, HB_RECORD_SOURCE, HB_RECORD_TARGET };

struct hb_recording {
        hb_daemon *d;
        struct hb_recording *next;
        char guest[HB_NAME_MAX], path[480], note[256];
        struct hb_recorder_options options;
        enum hb_recording_role role;
        bool over, exact;                    /* over: nothing more happens to it */
        char why[160];                       /* it ended */
        uint64_t began_ns, ended_ns, for_ns; /* began: asked for, until there is something to record */
        hb_recorder *recorder;
        hb_record_source *source;
        hb_record_target *target;
        struct hb_recorder_status last; /* when the recorder is gone */
        struct event *look;
        hb_request *starter, *waiter, *stopper; /* answered when the file is there; at the end; at the end */
        uint64_t progress_ns, summary_bytes;
        struct hb_guest *g;
        struct hb_incoming *in;
};

void hb_recording_status(struct hb_recording *c, struct hb_recorder_status *ret);
struct hb_recording *hb_recording_find(hb_daemon *d, const char *guest);
int hb_recording_clock(struct hb_recording *c);  /* begins to look at it; -ENOMEM */
void hb_recording_begin(struct hb_recording *c); /* if what it is to record is here */
/* What it records is gone from under it, or is no longer wanted: the file is finished in the background. */
void hb_recording_let_go(struct hb_recording *c, const char *why);
void hb_recording_settle(struct hb_recording *c); /* it is over: whoever waits is answered */
void hb_recording_answer(hb_request **r, struct hb_recording *c, const struct hb_err *e);
void hb_recording_forget(struct hb_recording *c); /* out of the list; waits for its file */
