/* trace_event: the bytes of an event's body, docs/TRACE_FORMAT.md "Events". The only place that knows them.
 */
#pragma once
#include "base/bytes.h"
#include "trace/trace.h"

/* The longest body a writer takes: a block must hold it with room to spare. */
#define HB_TRACE_BODY_MAX (32u << 20)

/* Appends the body (not the stream's number nor the time). -EINVAL: no such stream, mark, flag; a text
 * without its end; raw data longer than HB_TRACE_BODY_MAX. -ENOMEM: `out` is failed. */
int hb_trace_event_encode(const struct hb_trace_event *ev, struct hb_buf *out);
/* Reads all that is left in `in`; time_ns is not touched. -EBADMSG; -EOPNOTSUPP: a stream or mark that this
 * version does not know (a higher minor may have them). `newer`: bytes after those known are let pass. */
int hb_trace_event_decode(struct hb_rd *in, enum hb_trace_stream stream, bool newer,
                          struct hb_trace_event *ret);
