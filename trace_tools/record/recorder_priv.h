/* recorder_priv: the object behind hb_recorder, shared by its two files. Internal to the room.
 *
 * recorder.c        the side that records: copies, counts what is dropped
 * recorder_write.c  the recorder's thread: queue to file, rotation, the end */
#pragma once
#include "record/queue.h"
#include "record/recorder.h"

enum hb_queued_kind { HB_QUEUED_EPOCH = 1, HB_QUEUED_EVENT, HB_QUEUED_RAW, HB_QUEUED_MARK };

struct hb_queued_mark { /* text follows */
        uint64_t value;
        uint32_t kind;
};

enum { HB_DROP_INPUT, HB_DROP_EPOCH, HB_DROP_EVENT, HB_DROPS };

struct hb_recorder {
        struct hb_recorder_options o;
        char path[480];
        struct hb_trace_header header;
        struct hb_record_queue queue;
        pthread_t thread;
        bool threaded, ended;
        /* the recording side's */
        struct hb_buf scratch;
        uint64_t dropped[HB_DROPS]; /* not yet told */
        bool inputs_lost;
        /* the thread's */
        hb_trace_writer *writer;
        struct hb_bitmap resident; /* by the RESIDENT events so far, for the next part */
        struct hb_trace_access *access;
        size_t access_cap;
        uint64_t last_ns, part_ns; /* of the recording's time: newest, and where this part begins */
        uint64_t epoch_ns;         /* the last epoch's */
        uint64_t flushed_ns;       /* of our own */
        bool unflushed;
        uint64_t bytes_before; /* of the parts that are closed */
        /* both, by the queue's lock */
        struct hb_recorder_status status;
};

void *hb_recorder_thread(void *arg);
