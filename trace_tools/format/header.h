/* header: the first bytes of a trace, docs/TRACE_FORMAT.md "Header". */
#pragma once
#include "base/bytes.h"
#include "trace/trace.h"

#define HB_TRACE_PREFIX     16u         /* magic, version, length: enough to know how much more to read */
#define HB_TRACE_HEADER_MAX (64u << 10) /* of the whole header */

/* Appends the whole header, checksum included. -EINVAL: *e says which field is not as it must be. */
int hb_trace_header_encode(const struct hb_trace_header *h, struct hb_buf *out, struct hb_err *e);
/* From the first HB_TRACE_PREFIX bytes: the header's whole length. `which` is for the error. */
int hb_trace_header_length(const void *prefix, const char *which, uint32_t *ret, struct hb_err *e);
/* The whole header. *ret_minor: the version that wrote it. */
int hb_trace_header_decode(const void *data, size_t size, const char *which, struct hb_trace_header *ret,
                           uint16_t *ret_minor, struct hb_err *e);
/* The guest's last region ends at `pages` now. -EINVAL: fewer than before, or more than a guest may have. */
int hb_trace_shape_grow(struct hb_shape *s, uint64_t pages);
