/* source_pack: a policy with its parts as bytes.
 *
 *   "HBPS" u8 version, u8 kind, str name, varint size, text, varint parts, of each: str name, varint size,
 *   text; parts ascend by name
 *
 * The hash is not among them: whoever unpacks computes it from what arrived. No state, any thread. */
#include "base/fault.h"
#include "base/shape.h"
#include "policy/source_parts.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC   "HBPS"
#define VERSION 1

static void pack_text(struct hb_buf *out, const char *text, size_t size) {
        hb_buf_varint(out, size);
        hb_buf_raw(out, text, size);
}

int hb_policy_source_pack(enum hb_policy_kind k, const char *name, const struct hb_policy_source *s,
                          struct hb_buf *out) {
        hb_buf_raw(out, MAGIC, 4);
        hb_buf_u8(out, VERSION);
        hb_buf_u8(out, (uint8_t)k);
        hb_buf_str(out, name);
        pack_text(out, s->text, s->size);
        hb_buf_varint(out, s->parts);
        for (unsigned i = 0; i < s->parts; i++) {
                hb_buf_str(out, s->part[i].name);
                pack_text(out, s->part[i].text, s->part[i].size);
        }
        return out->failed ? -ENOMEM : 0;
}

/* A copy of the next text; NULL with the reader failed or not. */
static char *unpack_text(struct hb_rd *in, size_t *ret_size) {
        size_t size = hb_rd_upto(in, HB_POLICY_SOURCE_MAX);
        const void *bytes = hb_rd_raw(in, size);
        char *text = bytes && !hb_fault("policy.unpack") ? malloc(size + 1) : NULL;

        if (text) {
                memcpy(text, bytes, size);
                *ret_size = size;
        }
        return text;
}

static int unpack_part(struct hb_rd *in, struct hb_policy_source *s) {
        char name[sizeof s->part[0].name], *text;
        size_t size;
        int rc;

        hb_rd_str(in, name, sizeof name);
        if (!hb_rd_ok(in) || !hb_policy_part_name_ok(name))
                return -EBADMSG;
        if (s->parts && strcmp(s->part[s->parts - 1].name, name) >= 0)
                return -EBADMSG;
        text = unpack_text(in, &size);
        if (!text)
                return hb_rd_ok(in) ? -ENOMEM : -EBADMSG;
        rc = hb_policy_source_add(s, name, text, size);
        if (rc < 0)
                free(text);
        return rc;
}

static int unpack_all(struct hb_rd *in, enum hb_policy_kind *k, char name[64], struct hb_policy_source *s) {
        const void *magic = hb_rd_raw(in, 4);
        uint64_t parts;
        int rc = 0;

        if (!magic || memcmp(magic, MAGIC, 4) || hb_rd_u8(in) != VERSION)
                return -EBADMSG;
        *k = (enum hb_policy_kind)hb_rd_u8(in);
        hb_rd_str(in, name, 64);
        if (!hb_rd_ok(in) || (unsigned)*k >= HB_POLICY_KINDS || !hb_name_ok(name))
                return -EBADMSG;
        s->text = unpack_text(in, &s->size);
        if (!s->text)
                return hb_rd_ok(in) ? -ENOMEM : -EBADMSG;
        parts = hb_rd_upto(in, HB_POLICY_PARTS);
        for (uint64_t i = 0; rc == 0 && i < parts; i++)
                rc = unpack_part(in, s);
        if (rc == 0 && !hb_rd_done(in))
                rc = -EBADMSG;
        return rc;
}

int hb_policy_source_unpack(const void *data, size_t size, enum hb_policy_kind *ret_kind, char ret_name[64],
                            struct hb_policy_source *ret) {
        struct hb_rd in = hb_rd_init(data, size);
        struct hb_policy_source s = {0};
        enum hb_policy_kind k;
        char name[64];
        int rc = unpack_all(&in, &k, name, &s);

        if (rc < 0) {
                hb_policy_source_free(&s);
                return rc;
        }
        snprintf(s.chunk, sizeof s.chunk, "%s/%s.lua", hb_policy_folder(k), name);
        snprintf(s.path, sizeof s.path, "%s", s.chunk);
        hb_policy_source_hash(&s);
        *ret_kind = k;
        memcpy(ret_name, name, sizeof name);
        *ret = s;
        return 0;
}

static char *copy_text(const char *text, size_t size) {
        char *copy = hb_fault("policy.copy") ? NULL : malloc(size + 1);

        if (copy)
                memcpy(copy, text, size);
        return copy;
}

int hb_policy_source_copy(const struct hb_policy_source *s, struct hb_policy_source *ret) {
        struct hb_policy_source copy = *s;

        copy.parts = 0; /* counts those that have been copied */
        copy.text = copy_text(s->text, s->size);
        if (!copy.text)
                goto fail;
        while (copy.parts < s->parts) {
                char *text = copy_text(s->part[copy.parts].text, s->part[copy.parts].size);
                if (!text)
                        goto fail;
                copy.part[copy.parts++].text = text;
        }
        *ret = copy;
        return 0;
fail:
        hb_policy_source_free(&copy);
        return -ENOMEM;
}
