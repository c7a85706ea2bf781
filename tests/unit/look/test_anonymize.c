/* Anonymizing: nothing that names anybody is left in the file; use of memory is, up to the exchange of
 * blocks. */
#include "base/bitmap.h"
#include "look/permute.h"
#include "look_rig.h"

static const struct hb_look_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

/* The reference's vectors (Aumasson, Bernstein: vectors.h), for an input of eight bytes 0..7. */
static void siphash_is_siphash(void **state) {
        assert_true(hb_look_siphash(&key, 0x0706050403020100) == 0x93f5f5799a932462);
}

static void make(const char *path) {
        struct hb_trace_header h = head("secret-guest", 512 * 20 + 100);
        struct hb_trace_event ev = {.stream = HB_TRACE_DECISION};
        static const uint8_t runs[] = {10, 0x80, 0x08, 0xe8, 0x07, 1}; /* 10..1033, 2034 */
        hb_trace_writer *w;

        assert_int_equal(hb_shape_add(&h.shape, "secret-rom", 512 * 4096, 4096, NULL), 0);
        snprintf(h.salt, sizeof(h.salt), "%s", "00112233445566778899aabbccddeeff");
        w = begin_trace(path, &h);
        put_raw(w, 0, HB_TRACE_RESIDENT, runs, sizeof(runs));
        put_mark(w, 1, HB_MARK_NOTE, 4, "secret text");
        put_mark(w, 1, HB_MARK_POLICY, 1, "cost_benefit 1 cccc");
        put_mark(w, 1, HB_MARK_POLICY_ERROR, 1, "secret path");
        put_mark(w, 1, HB_MARK_ENGINE, 0, "");
        put_mark(w, 1, HB_MARK_DIGEST, 99, "");
        put_raw(w, 1, HB_TRACE_INPUT, "secret", 6);
        put_raw(w, 1, HB_TRACE_FINGERPRINT, "secret", 6);
        for (uint32_t e = 1; e <= 40; e++) {
                struct hb_trace_access a[300];

                for (uint32_t k = 0; k < 300; k++)
                        a[k] = (struct hb_trace_access){k * 36 + e % 5, k % 3 + 1, e % 2};
                assert_int_equal(hb_trace_writer_epoch(w, e, e * S, a, 300), 0);
        }
        ev.time_ns = 40 * S;
        ev.decision.gfn = 1000; /* 1000-1023 and 1024-1063 */
        ev.decision.pages = 64;
        assert_int_equal(hb_trace_writer_event(w, &ev), 0);
        ev.stream = HB_TRACE_TRANSFER;
        ev.transfer.gfn = 1000;
        ev.transfer.pages = 64;
        ev.transfer.stamp = 40;
        ev.transfer.wire_bytes = 1000;
        ev.transfer.failed = false;
        assert_int_equal(hb_trace_writer_event(w, &ev), 0);
        end_trace(w);
}

static void run(struct rig *r, const struct hb_look_key *k, struct hb_look_result *ret) {
        struct hb_look_output o = {.path = r->out, .replace = true};
        struct hb_err e = {0};

        if (hb_look_anonymize(r->a, k, &o, ret, &e) < 0)
                fail_msg("%s", e.what);
}

static void nothing_names_anybody(void **state) {
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_trace_header h;
        char *text;

        make(r->a);
        run(r, &key, &result);
        text = story(r->out);
        assert_null(strstr(text, "secret"));
        assert_non_null(strstr(text, "note@0.0 4 \n"));
        assert_non_null(strstr(text, "policy@0.0 1 cost_benefit 1 cccc\n"));
        assert_non_null(strstr(text, "policy-error@0.0 1 \n"));
        assert_null(strstr(text, "input"));
        assert_null(strstr(text, "digest"));
        assert_null(strstr(text, "fingerprint"));
        assert_int_equal(result.left_out, 4);
        h = header_of(r->out);
        assert_string_equal(h.guest, "guest");
        assert_string_equal(h.host, "host");
        assert_string_equal(h.note, "");
        assert_string_equal(h.shape.regions[0].name, "region0");
        assert_string_equal(h.shape.regions[1].name, "region1");
        assert_int_equal(h.begins_unix_ns, 0);
        assert_string_equal(h.salt, "");
        assert_true(h.flags & HB_TRACE_ANONYMIZED);
        assert_string_equal(h.policies[0].name, "ewma");
        free(text);
}

/* Not even in bytes that no reader shows: old file contents, padding. */
static void not_in_its_bytes_either(void **state) {
        struct rig *r = *state;
        struct hb_look_result result;
        char *bytes;
        size_t n;
        FILE *f;

        make(r->a);
        run(r, &key, &result);
        f = fopen(r->out, "r");
        assert_non_null(f);
        bytes = malloc(1 << 20);
        n = fread(bytes, 1, 1 << 20, f);
        assert_true(n > 100 && n < 1 << 20);
        assert_null(memmem(bytes, n, "secret", 6));
        fclose(f);
        free(bytes);
}

static void blocks_change_places_and_keep_their_order(void **state) {
        struct hb_trace_header h = head("g", 512 * 20 + 100);
        struct hb_permute p;
        struct hb_bitmap seen;
        unsigned moved = 0;

        assert_int_equal(hb_shape_add(&h.shape, "rom", 512 * 4096, 4096, NULL), 0);
        assert_int_equal(hb_permute_init(&p, &h.shape, &key), 0);
        assert_int_equal(hb_bitmap_init(&seen, h.shape.pages), 0);
        for (uint64_t g = 0; g < h.shape.pages; g++) {
                uint64_t to = hb_permute_page(&p, g);

                assert_int_equal(hb_shape_region_of(&h.shape, to), hb_shape_region_of(&h.shape, g));
                assert_false(hb_bitmap_test(&seen, to)); /* one to one */
                hb_bitmap_set(&seen, to);
                if (hb_permute_together(&p, g) > 1)
                        assert_int_equal(hb_permute_page(&p, g + 1), to + 1);
                moved += g % 512 == 0 && to != g;
        }
        assert_true(moved > 15); /* of 20; that fewer move is as likely as 1 in 10^9 */
        hb_bitmap_fini(&seen);
        hb_permute_fini(&p);
}

static void what_was_done_to_pages_stays(void **state) {
        struct rig *r = *state;
        struct hb_scan *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
        struct hb_look_result result;
        struct hb_permute p;
        struct hb_trace_header h;
        char *text, line[100];

        make(r->a);
        h = header_of(r->a);
        run(r, &key, &result);
        scan_file(r->a, before, NULL);
        scan_file(r->out, after, NULL);
        assert_int_equal(after->damaged, 0);
        assert_int_equal(after->records, before->records);
        assert_int_equal(after->reads, before->reads);
        assert_int_equal(after->writes, before->writes);
        assert_int_equal(after->pages, before->pages);
        assert_int_equal(after->written_pages, before->written_pages);
        assert_int_equal(hb_permute_init(&p, &h.shape, &key), 0);
        text = story(r->out);
        snprintf(line, sizeof(line), "decision %llu+24\ndecision %llu+40\n",
                 (unsigned long long)hb_permute_page(&p, 1000),
                 (unsigned long long)hb_permute_page(&p, 1024));
        assert_non_null(strstr(text, line));
        snprintf(line, sizeof(line), "transfer %llu+24 360\ntransfer %llu+40 640\n",
                 (unsigned long long)hb_permute_page(&p, 1000),
                 (unsigned long long)hb_permute_page(&p, 1024));
        assert_non_null(strstr(text, line));
        snprintf(line, sizeof(line), " %llu:1/1", (unsigned long long)hb_permute_page(&p, 541));
        assert_non_null(strstr(text, line)); /* k = 15, e = 1, 11, ... */
        hb_permute_fini(&p);
        free(text);
        free(before);
        free(after);
}

static void the_key_decides(void **state) {
        static const struct hb_look_key other = {{1, 2}};
        struct rig *r = *state;
        struct hb_look_result result;
        char *one, *two, *three;

        make(r->a);
        run(r, &key, &result);
        one = story(r->out);
        run(r, &key, &result);
        two = story(r->out);
        run(r, &other, &result);
        three = story(r->out);
        assert_string_equal(one, two);
        assert_string_not_equal(one, three);
        free(one);
        free(two);
        free(three);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, rig_setup, rig_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(siphash_is_siphash),
                TEST(nothing_names_anybody),
                TEST(not_in_its_bytes_either),
                cmocka_unit_test(blocks_change_places_and_keep_their_order),
                TEST(what_was_done_to_pages_stays),
                TEST(the_key_decides),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
