/* A second reader, written from docs/TRACE_FORMAT.md alone, finds in our files what our reader finds. */
#include "trace/trace_event.h"
#include "trace_rig.h"

static FILE *out;

static void put_hex(const void *data, size_t n) {
        const uint8_t *p = data;

        fputc(' ', out);
        for (size_t i = 0; i < n; i++)
                fprintf(out, "%02x", p[i]);
}

static void put_text(const char *s) {
        put_hex(s, strlen(s));
}

static void put_header(const struct hb_trace_header *h, uint64_t first_pages) {
        fprintf(out, "header %u %u %u %u %lu %lu %lu", h->page_size, h->origin, h->flags, h->part,
                h->epoch_ns, h->begins_unix_ns, h->seed);
        put_text(h->guest);
        put_text(h->host);
        put_text(h->note);
        for (uint32_t i = 0; i < h->shape.nregions; i++) {
                const struct hb_region *r = &h->shape.regions[i];

                put_text(r->name);
                fprintf(out, " %lu %u", i + 1 == h->shape.nregions ? first_pages - r->first_gfn : r->pages,
                        r->backing_page);
        }
        for (unsigned i = 0; i < 3; i++) {
                put_text(h->policies[i].name);
                put_text(h->policies[i].version);
                put_text(h->policies[i].hash);
        }
        put_text(h->salt);
        put_hex(h->engine, h->engine_size);
        fputc('\n', out);
}

static void put_item(const struct hb_trace_item *item) {
        struct hb_buf body = {0};

        if (item->kind == HB_TRACE_EPOCH) {
                fprintf(out, "epoch %u %lu", item->epoch, item->time_ns);
                for (size_t i = 0; i < item->naccess; i++)
                        fprintf(out, " %u:%u:%u", item->access[i].gfn, item->access[i].reads,
                                item->access[i].writes);
        } else {
                fprintf(out, "event %u %lu %u", item->epoch, item->time_ns, item->event.stream);
                assert_int_equal(hb_trace_event_encode(&item->event, &body), 0);
                put_hex(body.data, body.len);
                hb_buf_free(&body);
        }
        fputc('\n', out);
}

static char *by_ours(uint64_t first_pages) {
        hb_trace_reader *r = open_trace(path());
        struct hb_trace_item item;
        char *text = NULL;
        size_t n;

        out = open_memstream(&text, &n);
        put_header(hb_trace_reader_header(r), first_pages);
        while (hb_trace_reader_next(r, &item, NULL) == 1)
                put_item(&item);
        if (info_of(r).indexed)
                fprintf(out, "end indexed %lu\n", info_of(r).blocks);
        else
                fprintf(out, "end 0\n");
        hb_trace_reader_free(r);
        fclose(out);
        return text;
}

static char *by_the_other(void) {
        char command[512], *text = NULL;
        FILE *f, *to;
        size_t n;
        int c;

        snprintf(command, sizeof(command), "python3 %s/tests/support/read_hbt.py %s", HB_SOURCE_DIR, path());
        f = popen(command, "r");
        assert_non_null(f);
        to = open_memstream(&text, &n);
        while ((c = getc(f)) != EOF)
                putc(c, to);
        fclose(to);
        assert_int_equal(pclose(f), 0);
        return text;
}

static void compare(uint64_t first_pages) {
        char *ours = by_ours(first_pages), *other = by_the_other();
        size_t same = 0;

        while (ours[same] && ours[same] == other[same])
                same++;
        if (strcmp(ours, other) != 0)
                fail_msg("they part at byte %zu: ours \"%.80s\", the other \"%.80s\"", same, ours + same,
                         other + same);
        assert_true(strlen(ours) > 1000);
        free(ours);
        free(other);
}

static void test_header_events_and_growth(void **state) {
        struct hb_trace_writer_options o = {.block_bytes = 3000};
        struct hb_trace_header h;
        struct hb_trace_access a[700];
        hb_trace_writer *w;
        uint64_t pages, first;

        full_header(&h);
        first = pages = h.shape.pages;
        assert_int_equal(hb_trace_writer_new(path(), &h, &o, &w, NULL), 0);
        every_event(w, 0);
        for (uint32_t e = 1; e <= 40; e++) {
                size_t n = e * 17;

                if (e % 8 == 0)
                        assert_int_equal(hb_trace_writer_grow(w, pages += 512), 0);
                for (size_t i = 0; i < n; i++)
                        a[i] = (struct hb_trace_access){(uint32_t)(e % 3 ? i : i * pages / n),
                                                        (uint32_t)(i << i % 27), e % 5 ? 1 : (uint32_t)i + 1};
                assert_int_equal(hb_trace_writer_epoch(w, e * e, e * 1000000007ull, a, n), 0);
                if (e % 4 == 0)
                        every_event(w, e * 1000000007ull + e);
        }
        assert_int_equal(hb_trace_writer_flush(w), 0);
        compare(first); /* as it is while it is being written */
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        compare(first);
}

static void test_made_up_traces(void **state) {
        for (unsigned bits = 0; bits < 2; bits++) {
                struct hb_synth s = {HB_SYNTH_MIX, 2000, 20, 3, 0, bits};

                assert_int_equal(hb_synth_write(&s, path(), NULL), 0);
                compare(2000);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_folder(test_header_events_and_growth),
                in_folder(test_made_up_traces),
        };

        if (system("python3 -c pass && zstd -q -V >/dev/null 2>&1") != 0) {
                puts("python3 or zstd is not there");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
