/* header: what a trace says of itself. Whatever decodes passed the same checks that encoding makes, so nobody
 * behind this file meets a shape that is not dense or a string without an end. A writer's mistake is told as
 * -EINVAL, a file's as -EBADMSG. Pure. */
#include "trace/header.h"
#include "sum/sum.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Like PNG's: a high bit, a line end of each kind and a DOS end of file show what a text transfer did. */
static const uint8_t magic[8] = {0x89, 'H', 'B', 'T', '\r', '\n', 0x1A, '\n'};

#define KNOWN_FLAGS                                                                                          \
        (HB_TRACE_COUNTS | HB_TRACE_EXACT_READS | HB_TRACE_NO_READS | HB_TRACE_EXACT_WRITES |                \
         HB_TRACE_ANONYMIZED | HB_TRACE_ROUNDED)

#define ENDS(s) (memchr((s), '\0', sizeof(s)) != NULL)

static const char *bad_policies(const struct hb_trace_header *h) {
        for (unsigned i = 0; i < 3; i++)
                if (!ENDS(h->policies[i].name) || !ENDS(h->policies[i].version) || !ENDS(h->policies[i].hash))
                        return "policies";
        return NULL;
}

static bool shape_ok(const struct hb_shape *s) {
        struct hb_shape again = {0};

        if (s->nregions == 0 || s->nregions > HB_MAX_REGIONS)
                return false;
        for (uint32_t i = 0; i < s->nregions; i++)
                if (!ENDS(s->regions[i].name) || s->regions[i].pages > HB_MAX_PAGES ||
                    hb_shape_add(&again, s->regions[i].name, s->regions[i].pages << HB_PAGE_SHIFT,
                                 s->regions[i].backing_page, NULL) < 0)
                        return false;
        return hb_shape_equal(s, &again);
}

/* The name of the first field that is not as it must be, NULL: none. `newer`: what a higher minor may have.
 */
static const char *bad_field(const struct hb_trace_header *h, bool newer) {
        if (!ENDS(h->guest))
                return "guest";
        if (!ENDS(h->host))
                return "host";
        if (!ENDS(h->note))
                return "note";
        if (!shape_ok(&h->shape))
                return "shape";
        if (h->page_size != HB_PAGE_SIZE)
                return "page size (4096 is the only one)";
        if (h->epoch_ns == 0)
                return "epoch length (it cannot be 0)";
        if (h->origin == 0 || (h->origin >= HB_TRACE_ORIGINS && !newer))
                return "origin";
        if ((h->flags & ~KNOWN_FLAGS) && !newer)
                return "flags";
        if (!ENDS(h->salt) || (h->salt[0] && strspn(h->salt, "0123456789abcdef") != 32))
                return "salt (32 hex digits or none)";
        if (h->engine_size > sizeof(h->engine))
                return "engine options";
        return bad_policies(h);
}

static void put_body(const struct hb_trace_header *h, struct hb_buf *out) {
        hb_buf_u32(out, h->page_size);
        hb_buf_u32(out, (uint32_t)h->origin);
        hb_buf_u32(out, h->flags);
        hb_buf_u32(out, h->part);
        hb_buf_u64(out, h->epoch_ns);
        hb_buf_u64(out, h->begins_unix_ns);
        hb_buf_u64(out, h->seed);
        hb_buf_str(out, h->guest);
        hb_buf_str(out, h->host);
        hb_buf_str(out, h->note);
        hb_shape_encode(&h->shape, out);
        for (unsigned i = 0; i < 3; i++) {
                hb_buf_str(out, h->policies[i].name);
                hb_buf_str(out, h->policies[i].version);
                hb_buf_str(out, h->policies[i].hash);
        }
        hb_buf_str(out, h->salt);
        hb_buf_u16(out, (uint16_t)h->engine_size);
        hb_buf_raw(out, h->engine, h->engine_size);
}

int hb_trace_header_encode(const struct hb_trace_header *h, struct hb_buf *out, struct hb_err *e) {
        const char *bad = bad_field(h, false);
        size_t start = out->len;

        if (bad)
                return hb_err_set(e, -EINVAL, bad, NULL, "a trace cannot begin with this header");
        hb_buf_raw(out, magic, sizeof(magic));
        hb_buf_u16(out, HB_TRACE_MAJOR);
        hb_buf_u16(out, HB_TRACE_MINOR);
        hb_buf_u32(out, 0);
        put_body(h, out);
        hb_buf_set_u32(out, start + 12, (uint32_t)(out->len - start) + 4);
        if (!out->failed)
                hb_buf_u32(out, hb_crc32c(out->data + start, out->len - start));
        if (out->failed)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a trace's header");
        return 0;
}

int hb_trace_header_length(const void *prefix, const char *which, uint32_t *ret, struct hb_err *e) {
        struct hb_rd in = hb_rd_init(prefix, HB_TRACE_PREFIX);
        const void *m = hb_rd_raw(&in, sizeof(magic));
        uint16_t major, minor;
        uint32_t length;

        if (memcmp(m, magic, sizeof(magic)) != 0)
                return hb_err_set(
                        e, -EBADMSG, which,
                        "a trace begins with the bytes 89 48 42 54; other formats: harbinger trace import",
                        "not a Harbinger trace");
        major = hb_rd_u16(&in);
        minor = hb_rd_u16(&in);
        length = hb_rd_u32(&in);
        if (major != HB_TRACE_MAJOR)
                return hb_err_set(e, -EPROTONOSUPPORT, which, "use a Harbinger of the version that wrote it",
                                  "the trace has format version %u.%u; this program reads %u.x", major, minor,
                                  HB_TRACE_MAJOR);
        if (length < HB_TRACE_PREFIX + 4 || length > HB_TRACE_HEADER_MAX)
                return hb_err_set(e, -EBADMSG, which, "its first bytes are damaged; take another copy",
                                  "the trace's header says it has %" PRIu32 " bytes (at byte 12)", length);
        *ret = length;
        return 0;
}

static void get_body(struct hb_rd *in, struct hb_trace_header *h) {
        const void *engine;

        h->page_size = hb_rd_u32(in);
        h->origin = (enum hb_trace_origin)hb_rd_u32(in);
        h->flags = hb_rd_u32(in);
        h->part = hb_rd_u32(in);
        h->epoch_ns = hb_rd_u64(in);
        h->begins_unix_ns = hb_rd_u64(in);
        h->seed = hb_rd_u64(in);
        hb_rd_str(in, h->guest, sizeof(h->guest));
        hb_rd_str(in, h->host, sizeof(h->host));
        hb_rd_str(in, h->note, sizeof(h->note));
        if (hb_rd_ok(in))
                (void)hb_shape_decode(in, &h->shape); /* a failure stays in `in` */
        for (unsigned i = 0; i < 3; i++) {
                hb_rd_str(in, h->policies[i].name, sizeof(h->policies[i].name));
                hb_rd_str(in, h->policies[i].version, sizeof(h->policies[i].version));
                hb_rd_str(in, h->policies[i].hash, sizeof(h->policies[i].hash));
        }
        hb_rd_str(in, h->salt, sizeof(h->salt));
        h->engine_size = hb_rd_u16(in);
        if (h->engine_size > sizeof(h->engine))
                hb_rd_fail(in);
        engine = hb_rd_raw(in, h->engine_size);
        if (engine)
                memcpy(h->engine, engine, h->engine_size);
}

int hb_trace_header_decode(const void *data, size_t size, const char *which, struct hb_trace_header *ret,
                           uint16_t *ret_minor, struct hb_err *e) {
        struct hb_rd in = hb_rd_init(data, size - 4), end = hb_rd_init((const uint8_t *)data + size - 4, 4);
        struct hb_trace_header h = {0};
        const char *bad = NULL;
        uint16_t minor;

        if (hb_crc32c(data, size - 4) != hb_rd_u32(&end))
                return hb_err_set(e, -EBADMSG, which, "take another copy of the file",
                                  "the trace's header is damaged: its checksum at byte %zu does not match",
                                  size - 4);
        (void)hb_rd_raw(&in, 10);
        minor = hb_rd_u16(&in);
        (void)hb_rd_u32(&in);
        get_body(&in, &h);
        if (hb_rd_ok(&in))
                bad = bad_field(&h, minor > HB_TRACE_MINOR);
        if (bad || (minor > HB_TRACE_MINOR ? !hb_rd_ok(&in) : !hb_rd_done(&in)))
                return hb_err_set(
                        e, -EBADMSG, which, "whatever wrote it does not keep to docs/TRACE_FORMAT.md",
                        "the trace's header is not valid: %s", bad ? bad : "its fields do not fill it");
        *ret = h;
        *ret_minor = minor;
        return 0;
}

int hb_trace_shape_grow(struct hb_shape *s, uint64_t pages) {
        struct hb_region *last = &s->regions[s->nregions - 1];

        if (pages < s->pages || pages > HB_MAX_PAGES ||
            ((pages - last->first_gfn) << HB_PAGE_SHIFT) % last->backing_page != 0)
                return -EINVAL;
        last->pages = pages - last->first_gfn;
        s->pages = pages;
        return 0;
}
