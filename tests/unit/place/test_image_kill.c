/* kill -9 of the image's owner: while it makes the files, and at any instant of filling them. */
#include "image_dir.h"

static void wait_killed(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_a_kill_while_creating_blocks_nobody(void **state) {
        static const char *const at[] = {
                "image.create=kill",        "image.map_state=kill", "image.head=kill",
                "image.create_region=kill", "image.head=kill@2",    "image.create_region=kill@2",
                "image.head=kill@3",        "image.map=kill",       "image.map=kill@2"};

        for (unsigned k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
                pid_t pid = fork();

                if (pid == 0) {
                        hb_image *i;
                        bool resumed;

                        hb_fault_arm(at[k]);
                        hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL);
                        _exit(1);
                }
                wait_killed(pid);
                hb_image_remove(open_image(k >= 7)); /* after READY there is something to resume */
                assert_int_equal(files(false), 0);
        }
}

/* The same bytes for a page and a stamp, different for any other. */
static void pattern(uint64_t *words, uint64_t gfn, uint32_t stamp) {
        uint64_t x = gfn * 0x9E3779B97F4A7C15ull + stamp * 0xD1B54A32D192ED03ull + 1;

        for (unsigned w = 0; w < 512; w++) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                words[w] = x;
        }
}

static void fill_forever(int ready) {
        hb_image *i = NULL;
        bool resumed;
        uint64_t words[512], rng = (uint64_t)getpid() * 0x9E3779B97F4A7C15ull + 1;
        uint32_t epoch;

        if (hb_image_open(dir, &id, &shape, 0, &i, &resumed, NULL) < 0)
                _exit(1);
        epoch = hb_image_processed(i);
        for (uint64_t n = 0;; n++) {
                struct hb_image_page *p;
                uint64_t g;

                rng ^= rng << 13;
                rng ^= rng >> 7;
                rng ^= rng << 17;
                g = rng % PAGES;
                p = &hb_image_pages(i)[g];
                if (n % 64 == 0) {
                        epoch++;
                        hb_coherency_invalidate(&hb_image_pages(i)[rng / 256 % PAGES].c, epoch);
                        hb_image_set_processed(i, epoch);
                }
                if (n == 200 && write(ready, "r", 1) != 1)
                        _exit(1);
                if (p->c.stamp == epoch)
                        continue;
                hb_coherency_overwriting(&p->c);
                p->flags |= HB_IP_FETCHING;
                pattern(words, g, epoch);
                memcpy(hb_image_at(i, g), words, 4096);
                hb_coherency_fetched(&p->c, epoch);
                p->flags &= (uint8_t)~HB_IP_FETCHING;
        }
}

static void test_kill_at_any_instant_leaves_fresh_pages_whole(void **state) {
        uint64_t whole = 0, words[512];
        uint32_t processed = 0;

        srandom(17);
        for (unsigned round = 0; round < 60; round++) {
                hb_image *i;
                char c;
                int fds[2];
                pid_t pid;

                assert_int_equal(pipe(fds), 0);
                pid = fork();
                if (pid == 0)
                        fill_forever(fds[1]);
                assert_int_equal(read(fds[0], &c, 1), 1);
                usleep((useconds_t)(random() % 3000));
                kill(pid, SIGKILL);
                wait_killed(pid);
                close(fds[0]);
                close(fds[1]);
                i = open_image(true);
                assert_true(hb_image_processed(i) >= processed);
                processed = hb_image_processed(i);
                for (uint64_t g = 0; g < PAGES; g++) {
                        struct hb_coherency_page p = hb_image_pages(i)[g].c;

                        assert_false(hb_image_pages(i)[g].flags & HB_IP_FETCHING);
                        if (p.stamp == 0)
                                continue;
                        pattern(words, g, p.stamp);
                        assert_memory_equal(hb_image_at(i, g), words, 4096);
                        whole++;
                }
                hb_image_free(i);
        }
        assert_true(whole > 60 * PAGES / 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_a_kill_while_creating_blocks_nobody, clean),
                cmocka_unit_test_teardown(test_kill_at_any_instant_leaves_fresh_pages_whole, clean),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
