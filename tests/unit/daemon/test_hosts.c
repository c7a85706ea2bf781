/* The other hosts as the settings name them, what is left out when there are too many; and that an event says
 * the same in the ring as in the log. */
#include "base/fault.h"
#include "daemon/events.h"
#include "daemon/hosts.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static hb_daemon *daemon_of(unsigned hosts) {
        hb_daemon *d = calloc(1, sizeof(*d));

        d->settings = calloc(1, sizeof(*d->settings));
        d->settings->nhosts = hosts;
        d->settings->hosts = calloc(hosts + 1, sizeof(*d->settings->hosts));
        for (unsigned i = 0; i < hosts; i++) { /* not in the order of their names */
                snprintf(d->settings->hosts[i].name, HB_NAME_MAX, "h%04u", i * 7919u % hosts);
                snprintf(d->settings->hosts[i].address, 128, "10.0.%u.%u:7400", i / 256, i % 256);
        }
        return d;
}

static void free_daemon(hb_daemon *d) {
        hb_event_ring_free(d->events);
        free(d->settings->hosts);
        free(d->settings);
        free(d);
}

static void hosts_are_named_with_nothing_going_on(void **state) {
        hb_daemon *d = daemon_of(5);
        json_t *list = hb_hosts_json(d), *h;
        size_t i;

        assert_int_equal(json_array_size(list), 5);
        json_array_foreach(list, i, h) {
                char name[32];

                snprintf(name, sizeof(name), "h%04zu", i);
                assert_string_equal(json_string_value(json_object_get(h, "name")), name);
                assert_string_equal(json_string_value(json_object_get(h, "state")), "idle");
                assert_int_equal(json_object_size(h), 16);
                assert_true(json_is_null(json_object_get(h, "latency_ms")));
                assert_true(json_is_null(json_object_get(h, "path")));
        }
        json_decref(list);
        free_daemon(d);
        d = daemon_of(0);
        list = hb_hosts_json(d);
        assert_int_equal(json_array_size(list), 0);
        json_decref(list);
        free_daemon(d);
}

static void too_many_are_left_out_and_counted(void **state) {
        hb_daemon *d = daemon_of(HB_MAX_HOSTS);
        struct hb_json_out o = {0};
        uint64_t left;
        json_t *j;

        hb_json_open(&o, NULL, '{');
        left = hb_hosts_write(d, 20000, &o);
        hb_json_close(&o, '}');
        assert_true(o.buf.len > 20000 && o.buf.len < 21000);
        j = json_loadb((char *)o.buf.data, o.buf.len, JSON_REJECT_DUPLICATES, NULL);
        assert_int_equal(json_array_size(json_object_get(j, "hosts")) + left, HB_MAX_HOSTS);
        json_decref(j);
        hb_buf_reset(&o.buf);
        o.comma = false;
        hb_json_open(&o, NULL, '{');
        assert_int_equal(hb_hosts_write(d, 512 << 10, &o), 0); /* what a snapshot has room for */
        hb_buf_free(&o.buf);
        free_daemon(d);
}

static void no_memory_fails_the_text(void **state) {
        hb_daemon *d = daemon_of(3);
        struct hb_json_out o = {0};

        assert_int_equal(hb_fault_arm("hosts.write=fail"), 0);
        assert_int_equal(hb_hosts_write(d, SIZE_MAX, &o), 0);
        assert_true(o.buf.failed);
        assert_null(hb_hosts_json(d));
        hb_fault_disarm();
        hb_buf_free(&o.buf);
        free_daemon(d);
}

/* ---- events ---- */

/* What the log has of what is said meanwhile. */
static void logged(void (*say)(hb_daemon *d), hb_daemon *d, char *ret, size_t size) {
        int pipes[2], err = dup(2);
        ssize_t n;

        assert_int_equal(pipe(pipes), 0);
        assert_true(dup2(pipes[1], 2) == 2);
        say(d);
        dup2(err, 2);
        close(pipes[1]);
        n = read(pipes[0], ret, size - 1);
        ret[n > 0 ? n : 0] = '\0';
        close(pipes[0]);
        close(err);
}

static void say_one(hb_daemon *d) {
        hb_daemon_event(d, HB_LOG_WARNING, HB_ON_GUEST, "vm1", NULL, "end it", "guest %s: %d writers", "vm1",
                        3);
}

static void say_failure(hb_daemon *d) {
        struct hb_err e;

        hb_err_set(&e, -EIO, "/dev/x", "look at the disk", "cannot be written");
        hb_daemon_event_err(d, HB_LOG_ERR, HB_ON_TRACE, "vm1", "b", "recording", &e);
        hb_err_set(&e, -EIO, "vm1", NULL, "gone");
        hb_daemon_event_err(d, HB_LOG_ERR, HB_ON_TRACE, "vm1", NULL, "recording", &e);
}

static void say_nothing(hb_daemon *d) {
        hb_daemon_event(d, HB_LOG_DEBUG, HB_ON_GUEST, NULL, NULL, NULL, "a detail");
}

static void an_event_says_what_the_log_says(void **state) {
        hb_daemon *d = daemon_of(0);
        char line[800];
        const struct hb_event *e;

        logged(say_one, d, line, sizeof(line)); /* before there is a ring */
        assert_string_equal(line, "warning: guest vm1: 3 writers: end it\n");
        assert_int_equal(hb_event_ring_new(10, 0, &d->events), 0);
        logged(say_one, d, line, sizeof(line));
        assert_string_equal(line, "warning: guest vm1: 3 writers: end it\n");
        e = hb_event_ring_get(d->events, hb_event_ring_newest(d->events));
        assert_string_equal(e->text, "guest vm1: 3 writers");
        assert_string_equal(e->next, "end it");
        assert_string_equal(e->guest, "vm1");
        assert_int_equal(e->level, HB_LOG_WARNING);
        assert_int_equal(e->kind, HB_ON_GUEST);
        assert_true(e->wall_ns > 0);
        logged(say_failure, d, line, sizeof(line));
        assert_non_null(strstr(line, "recording: cannot be written (/dev/x): look at the disk\n"));
        e = hb_event_ring_get(d->events, hb_event_ring_newest(d->events) - 1);
        assert_string_equal(e->text, "recording: cannot be written (/dev/x)");
        assert_string_equal(e->host, "b");
        e = hb_event_ring_get(d->events, hb_event_ring_newest(d->events));
        assert_string_equal(e->text, "recording: gone"); /* which guest stands beside it */
        logged(say_nothing, d, line, sizeof(line));
        assert_int_equal(hb_event_ring_newest(d->events), e->seq);
        free_daemon(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hosts_are_named_with_nothing_going_on),
                cmocka_unit_test(too_many_are_left_out_and_counted),
                cmocka_unit_test(no_memory_fails_the_text),
                cmocka_unit_test(an_event_says_what_the_log_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
