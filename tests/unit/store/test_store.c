/* The store: what is put comes back, survives reopening, and a failure leaves what was there. */
#include "base/err.h"
#include "base/fault.h"
#include "store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h> /* after the rest: it needs it */

struct world {
        char dir[64], path[96];
        hb_store *s;
};

static int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        strcpy(w->dir, "/tmp/hb-store-XXXXXX");
        assert_non_null(mkdtemp(w->dir));
        snprintf(w->path, sizeof(w->path), "%s/harbinger.db", w->dir);
        assert_int_equal(hb_store_open(w->path, &w->s, NULL), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;
        char command[128];

        hb_store_close(w->s);
        snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
        assert_int_equal(system(command), 0);
        free(w);
        return 0;
}

static void reopen(struct world *w) {
        w->s = hb_store_close(w->s);
        assert_int_equal(hb_store_open(w->path, &w->s, NULL), 0);
}

static struct hb_journal_entry entry(uint8_t n, const char *state, bool open) {
        struct hb_journal_entry j = {.wall_ns = 1000 + n, .open = open};

        memset(j.id, n, sizeof(j.id));
        snprintf(j.guest, sizeof(j.guest), "guest%u", n);
        strcpy(j.peer, "bravo");
        snprintf(j.state, sizeof(j.state), "%s", state);
        strcpy(j.port_kind, "qemu");
        strcpy(j.port_path, "/run/a'b.qmp");
        strcpy(j.image, "/dev/shm/x");
        strcpy(j.detail, "why; \"quoted\" -- text");
        return j;
}

static void test_journal_returns_what_was_put(void **state) {
        struct world *w = *state;
        struct hb_journal_entry j = entry(7, "s-prepare", true), got = {0};

        assert_int_equal(hb_journal_get(w->s, j.id, &got), -ENOENT);
        assert_int_equal(hb_journal_put(w->s, &j, NULL), 0);
        reopen(w);
        assert_int_equal(hb_journal_get(w->s, j.id, &got), 0);
        assert_memory_equal(&got, &j, sizeof(j));
        strcpy(j.state, "s-release");
        assert_int_equal(hb_journal_put(w->s, &j, NULL), 0);
        assert_int_equal(hb_journal_get(w->s, j.id, &got), 0);
        assert_string_equal(got.state, "s-release");
}

struct seen {
        char text[512];
        unsigned stop_after;
        hb_store *put_into;
};

static int see_journal(void *arg, const struct hb_journal_entry *j) {
        struct seen *s = arg;

        strcat(strcat(strcat(s->text, j->guest), "="), j->state);
        strcat(s->text, " ");
        if (s->put_into) {
                struct hb_journal_entry changed = *j;

                changed.open = false;
                assert_int_equal(hb_journal_put(s->put_into, &changed, NULL), 0);
        }
        return s->stop_after && --s->stop_after == 0 ? 42 : 0;
}

static void test_journal_each_is_in_order_of_change(void **state) {
        struct world *w = *state;
        struct seen s = {0};

        for (uint8_t i = 1; i <= 4; i++) {
                struct hb_journal_entry j = entry(i, "t-prepare", i != 3);

                assert_int_equal(hb_journal_put(w->s, &j, NULL), 0);
        }
        struct hb_journal_entry changed = entry(1, "t-journal", true);
        assert_int_equal(hb_journal_put(w->s, &changed, NULL), 0);
        assert_int_equal(hb_journal_each(w->s, true, see_journal, &s), 0);
        assert_string_equal(s.text, "guest2=t-prepare guest4=t-prepare guest1=t-journal ");
        s = (struct seen){0};
        assert_int_equal(hb_journal_each(w->s, false, see_journal, &s), 0);
        assert_string_equal(s.text, "guest2=t-prepare guest3=t-prepare guest4=t-prepare guest1=t-journal ");
        s = (struct seen){.stop_after = 2};
        assert_int_equal(hb_journal_each(w->s, true, see_journal, &s), 42);
        assert_string_equal(s.text, "guest2=t-prepare guest4=t-prepare ");
}

static void test_a_callback_may_put(void **state) {
        struct world *w = *state;
        struct seen s = {.put_into = w->s};
        struct hb_journal_entry a = entry(1, "s-abort", true), b = entry(2, "s-doubt", true);

        assert_int_equal(hb_journal_put(w->s, &a, NULL), 0);
        assert_int_equal(hb_journal_put(w->s, &b, NULL), 0);
        assert_int_equal(hb_journal_each(w->s, true, see_journal, &s), 0);
        assert_string_equal(s.text, "guest1=s-abort guest2=s-doubt ");
        s = (struct seen){0};
        assert_int_equal(hb_journal_each(w->s, true, see_journal, &s), 0);
        assert_string_equal(s.text, "");
}

/* Durable means: also when the process ends without a word right after put. */
static void test_journal_survives_sudden_death(void **state) {
        struct world *w = *state;
        struct hb_journal_entry j = entry(9, "t-take", true), got;
        int status;
        pid_t pid;

        w->s = hb_store_close(w->s);
        pid = fork();
        if (pid == 0) {
                hb_store *s = NULL;

                if (hb_store_open(w->path, &s, NULL) < 0 || hb_journal_put(s, &j, NULL) < 0)
                        _exit(1);
                _exit(0); /* no close, no checkpoint */
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(hb_store_open(w->path, &w->s, NULL), 0);
        assert_int_equal(hb_journal_get(w->s, j.id, &got), 0);
        assert_string_equal(got.state, "t-take");
}

static int see_guest(void *arg, const struct hb_store_guest *g) {
        char line[512];

        snprintf(line, sizeof(line), "%s/%s/%s/%s/%lld/%llu ", g->name, g->kind, g->port_path, g->tracker,
                 (long long)g->pid, (unsigned long long)g->start_time);
        strcat(arg, line);
        return 0;
}

static int see_placement(void *arg, const struct hb_store_placement *p) {
        char line[512];

        snprintf(line, sizeof(line), "%02x:%s->%s/%d/%s/%llu ", p->id[0], p->guest, p->host, p->incoming,
                 p->image_dir, (unsigned long long)p->wall_ns);
        strcat(arg, line);
        return 0;
}

static void test_registry(void **state) {
        struct world *w = *state;
        struct hb_store_guest g = {"db1", "qemu", "/run/db1.qmp", "wp", 4711, UINT64_MAX / 2};
        struct hb_store_placement a = {.id = {0xaa}, .guest = "db1", .host = "bravo", .wall_ns = 2};
        struct hb_store_placement b = {.id = {0xbb},
                                       .guest = "web",
                                       .host = "alpha",
                                       .incoming = true,
                                       .image_dir = "/dev/shm/hb",
                                       .wall_ns = 1};
        char text[1024] = "";

        assert_int_equal(hb_store_guest_put(w->s, &g, NULL), 0);
        g.pid = 4712;
        assert_int_equal(hb_store_guest_put(w->s, &g, NULL), 0);
        reopen(w);
        assert_int_equal(hb_store_guests(w->s, see_guest, text), 0);
        assert_string_equal(text, "db1/qemu//run/db1.qmp/wp/4712/9223372036854775807 ");
        assert_int_equal(hb_store_guest_remove(w->s, "db1"), 0);
        assert_int_equal(hb_store_guest_remove(w->s, "db1"), 0);
        text[0] = '\0';
        assert_int_equal(hb_store_guests(w->s, see_guest, text), 0);
        assert_string_equal(text, "");

        assert_int_equal(hb_store_placement_put(w->s, &a, NULL), 0);
        assert_int_equal(hb_store_placement_put(w->s, &b, NULL), 0);
        assert_int_equal(hb_store_placements(w->s, see_placement, text), 0);
        assert_string_equal(text, "bb:web->alpha/1//dev/shm/hb/1 aa:db1->bravo/0//2 ");
        assert_int_equal(hb_store_placement_remove(w->s, b.id), 0);
        text[0] = '\0';
        assert_int_equal(hb_store_placements(w->s, see_placement, text), 0);
        assert_string_equal(text, "aa:db1->bravo/0//2 ");
}

static int see_history(void *arg, const struct hb_history_entry *h) {
        char line[4500];

        snprintf(line, sizeof(line), "%lld %s %s %s>%s %s %s; ", (long long)h->rowid, h->kind, h->guest,
                 h->from, h->to, h->result, h->json);
        strcat(arg, line);
        return 0;
}

static void test_history_is_newest_first(void **state) {
        struct world *w = *state;
        struct hb_history_entry h = {
                .kind = "migration", .guest = "db1", .from = "alpha", .to = "bravo", .result = "done"};
        char text[1024] = "";

        for (int i = 1; i <= 3; i++) {
                snprintf(h.json, sizeof(h.json), "{\"n\":%d}", i);
                assert_int_equal(hb_history_add(w->s, &h, NULL), 0);
        }
        assert_int_equal(hb_history_list(w->s, 2, see_history, text), 0);
        assert_string_equal(
                text,
                "3 migration db1 alpha>bravo done {\"n\":3}; 2 migration db1 alpha>bravo done {\"n\":2}; ");
}

static void test_newer_schema_is_refused(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        sqlite3 *db;

        w->s = hb_store_close(w->s);
        assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(hb_store_open(w->path, &w->s, &e), -EPROTONOSUPPORT);
        assert_string_equal(e.which, w->path);
        assert_non_null(strstr(e.what, "99"));
}

static void damage(const char *path, long offset, const char *with, size_t n) {
        int fd = open(path, O_WRONLY | O_CREAT, 0600);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, with, n, offset), n);
        close(fd);
}

static void test_damage_is_named_and_left_alone(void **state) {
        struct world *w = *state;
        struct hb_err e = {0};
        char before[16], after[16];
        int fd;

        w->s = hb_store_close(w->s);
        damage(w->path, 0, "this is no database, sorry ....", 31);
        assert_int_equal(hb_store_open(w->path, &w->s, &e), -EUCLEAN);
        assert_string_equal(e.which, w->path);
        assert_non_null(strstr(e.next, "move the file away"));
        memcpy(before, "this is no datab", 16);
        fd = open(w->path, O_RDONLY);
        assert_int_equal(read(fd, after, 16), 16);
        close(fd);
        assert_memory_equal(before, after, 16);
}

/* A page of the journal's tree overwritten: found when it is read, with the same words. */
static void test_damage_inside_is_found(void **state) {
        struct world *w = *state;
        char junk[4096];
        struct hb_err e = {0};
        int rc = 0;

        for (uint8_t i = 1; i < 200; i++) {
                struct hb_journal_entry j = entry(i, "s-done", false);

                assert_int_equal(hb_journal_put(w->s, &j, NULL), 0);
        }
        w->s = hb_store_close(w->s); /* checkpoints */
        memset(junk, 0xA5, sizeof(junk));
        for (long page = 1; page < 12; page++)
                damage(w->path, page * 4096, junk, sizeof(junk));
        rc = hb_store_open(w->path, &w->s, &e);
        if (rc == 0) {
                struct hb_journal_entry j = entry(200, "s-done", false);

                rc = hb_journal_put(w->s, &j, &e);
        }
        assert_int_equal(rc, -EUCLEAN);
        assert_string_equal(e.which, w->path);
}

static void test_no_directory(void **state) {
        struct hb_err e = {0};
        hb_store *s = NULL;

        assert_int_equal(hb_store_open("/nonexistent/dir/harbinger.db", &s, &e), -ENOENT);
        assert_null(s);
        assert_string_equal(e.which, "/nonexistent/dir/harbinger.db");
}

static void test_injected_failure_leaves_the_former_record(void **state) {
        struct world *w = *state;
        struct hb_journal_entry j = entry(5, "s-prepare", true), got;
        struct hb_err e = {0};

        assert_int_equal(hb_journal_put(w->s, &j, NULL), 0);
        strcpy(j.state, "s-release");
        assert_int_equal(hb_fault_arm("store.write=fail"), 0);
        assert_int_equal(hb_journal_put(w->s, &j, &e), -ENOSPC);
        hb_fault_disarm();
        assert_int_equal(hb_journal_get(w->s, j.id, &got), 0);
        assert_string_equal(got.state, "s-prepare");
}

static void fill_disk(const char *dir) {
        char path[128], block[4096] = {1};
        int fd;

        snprintf(path, sizeof(path), "%s/ballast", dir);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        assert_true(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        assert_int_equal(errno, ENOSPC);
        close(fd);
}

static void test_full_disk(void **state) {
        struct world *w = *state;
        struct hb_journal_entry j = entry(5, "s-prepare", true), got;
        struct hb_err e = {0};
        char path[160];
        hb_store *s;
        int rc = 0;

        if (geteuid() != 0 || mount("tmpfs", w->dir, "tmpfs", 0, "size=1m") < 0)
                skip();
        assert_int_equal(hb_store_open(w->path, &s, NULL), 0);
        assert_int_equal(hb_journal_put(s, &j, NULL), 0);
        fill_disk(w->dir);
        strcpy(j.state, "s-release");
        for (int i = 0; i < 2000 && rc == 0; i++) { /* the log has some room left; new rows use it up */
                struct hb_journal_entry more = entry((uint8_t)(10 + i % 200), "s-done", false);

                rc = hb_journal_put(s, &more, &e);
        }
        assert_int_equal(rc, -ENOSPC);
        assert_int_equal(hb_journal_put(s, &j, &e), -ENOSPC);
        assert_non_null(strstr(e.next, "free space"));
        assert_int_equal(hb_journal_get(s, j.id, &got), 0);
        assert_string_equal(got.state, "s-prepare");
        s = hb_store_close(s);
        /* and again after a restart on the full disk */
        if (hb_store_open(w->path, &s, &e) == 0) {
                assert_int_equal(hb_journal_get(s, j.id, &got), 0);
                assert_string_equal(got.state, "s-prepare");
                s = hb_store_close(s);
        }
        snprintf(path, sizeof(path), "%s/ballast", w->dir);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(hb_store_open(w->path, &s, NULL), 0);
        assert_int_equal(hb_journal_put(s, &j, NULL), 0);
        hb_store_close(s);
        assert_int_equal(umount(w->dir), 0);
}

/* A second daemon on the same directory, or a shell left in a transaction. */
static void test_a_held_database_is_waited_for(void **state) {
        struct world *w = *state;
        struct hb_journal_entry j = entry(1, "s-prepare", true);
        sqlite3 *db;
        struct hb_err e = {0};

        assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(hb_journal_put(w->s, &j, &e), -EBUSY);
        assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(hb_journal_put(w->s, &j, &e), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                T(test_journal_returns_what_was_put),
                T(test_journal_each_is_in_order_of_change),
                T(test_a_callback_may_put),
                T(test_journal_survives_sudden_death),
                T(test_registry),
                T(test_history_is_newest_first),
                T(test_newer_schema_is_refused),
                T(test_damage_is_named_and_left_alone),
                T(test_damage_inside_is_found),
                T(test_no_directory),
                T(test_injected_failure_leaves_the_former_record),
                T(test_full_disk),
                T(test_a_held_database_is_waited_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
