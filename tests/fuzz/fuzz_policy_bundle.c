/* fuzz_policy_bundle: any bytes as a packed policy either are refused, or are one whose packing gives the
 * same bytes again; and any bytes as a text are scanned to their end, with names that stay in the policy
 * folder. */
#include "policy/source_parts.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void check_scan(const char *text, size_t size) {
        struct hb_policy_scan s = hb_policy_scan_begin(text, size);
        int rc;

        while ((rc = hb_policy_scan_next(&s)) > 0) {
                check(hb_policy_part_name_ok(s.name));
                check(!strstr(s.name, "..") || s.name[0] != '.');
                check(strchr(s.name, '/') && !strstr(s.name, "/.") && !strchr(strchr(s.name, '/') + 1, '/'));
        }
        check(rc == 0 || rc == -EINVAL);
        check(s.at <= s.end && s.line >= 1);
        hb_policy_scan_method(text, size, "model");
}

static void check_source(enum hb_policy_kind k, const char *name, const struct hb_policy_source *s,
                         const uint8_t *data, size_t size) {
        struct hb_policy_source copy;
        struct hb_buf again = {0};

        check(hb_policy_source_copy(s, &copy) == 0);
        check(hb_policy_source_pack(k, name, &copy, &again) == 0);
        check(again.len == size && !memcmp(again.data, data, size));
        check(!strcmp(copy.hash, s->hash) && strlen(s->hash) == 32);
        for (unsigned i = 0; i < copy.parts; i++) {
                check(hb_policy_part_name_ok(copy.part[i].name));
                check_scan(copy.part[i].text, copy.part[i].size);
        }
        hb_buf_free(&again);
        hb_policy_source_free(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_policy_source s;
        enum hb_policy_kind k;
        char name[64];
        int rc = hb_policy_source_unpack(data, size, &k, name, &s);

        check(rc == 0 || rc == -EBADMSG || rc == -EFBIG);
        if (rc == 0) {
                check_source(k, name, &s, data, size);
                hb_policy_source_free(&s);
        }
        check_scan((const char *)data, size);
        return 0;
}
