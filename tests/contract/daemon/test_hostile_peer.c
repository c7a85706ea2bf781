/* A host with a valid certificate that says anything in any order: the daemon lives, answers its operator,
 * and what another host has placed and is moving there stays untouched. Set HB_HARBINGERD to try another
 * build of it. */
#include "base/clock.h"
#include "hostile.h"
#include "transport/data_io.h"
#include "transport/wire_data.h"
#include <math.h>

#define STORM_NS (4 * HB_NS_PER_S)

/* ---- the honest host ---- */

static bool all_fresh(struct peer *x) {
        return x->closed || x->report.fresh == PAGES;
}

static bool prepared(struct peer *x) {
        return x->closed || x->count[HB_MSG_PREPARED] > 0;
}

static void place_good(struct rig *r) {
        struct hb_msg_place m;
        rnd_fill(r, r->good, sizeof r->good);
        rnd_fill(r, r->move, sizeof r->move);
        m = place_of(r->good, "good", PAGES);
        up(r, r->tls_h, &r->honest);
        say_place(&r->honest, &m);
        must(r, run_until(r, is_placed, &r->honest) && r->honest.placed);
        say_pages(&r->honest, HB_MSG_INVALIDATE, 0, 1, 0, PAGES, false);
        say_pages(&r->honest, HB_MSG_ZERO, 0, 1, 0, PAGES, false);
        must(r, run_until(r, all_fresh, &r->honest) && !r->honest.closed);
        say(&r->honest, HB_MSG_PREPARE, r->move, sizeof r->move);
        must(r, run_until(r, prepared, &r->honest) && !r->honest.closed);
}

static const char *text_of(const json_t *j, const char *key) {
        const char *s = json_string_value(json_object_get(j, key));
        return s ? s : "";
}

static json_t *named(const json_t *list, const char *guest) {
        json_t *j;
        size_t i;
        json_array_foreach((json_t *)list, i, j) if (strcmp(text_of(j, "guest"), guest) == 0) return j;
        return NULL;
}

static void good_is_untouched(struct rig *r) {
        int rc;
        json_t *status = ask(r, "status", NULL, &rc);
        must(r, rc == 0);
        json_t *in = named(json_object_get(status, "incoming"), "good");
        json_t *move = named(json_object_get(status, "handovers"), "good");
        must(r, in && strcmp(text_of(in, "from"), "h") == 0 && strcmp(text_of(in, "state"), "lost") != 0);
        must(r, json_integer_value(json_object_get(in, "fresh_pages")) == PAGES);
        must(r, json_integer_value(json_object_get(in, "zero_pages")) == PAGES);
        must(r, move && strcmp(text_of(move, "state"), "t-prepared") == 0);
        must(r, !r->honest.closed && r->honest.count[HB_MSG_ABORTED] == 0);
        json_decref(status);
        json_t *page = ask(r, "image.read", json_pack("{s:s,s:i}", "guest", "good", "gfn", 7), &rc);
        must(r, rc == 0);
        const char *hex = text_of(page, "hex");
        must(r, strlen(hex) == 2 * HB_PAGE_SIZE && strspn(hex, "0") == 2 * HB_PAGE_SIZE);
        json_decref(page);
}

static int64_t number_of(struct rig *r, const char *guest, const char *key) {
        int rc;
        json_t *status = ask(r, "status", NULL, &rc);
        json_t *in = named(json_object_get(status, "incoming"), guest);
        int64_t n = in ? json_integer_value(json_object_get(in, key)) : -1;
        json_decref(status);
        return n;
}

/* ---- set-up ---- */

static void share_secret(struct rig *r) {
        uint8_t secret[HB_SECRET_SIZE];
        char path[PATH_MAX];
        struct hb_err e;
        assert_int_equal(hb_secret_make(r->c.dir, &e), 0);
        snprintf(path, sizeof path, "%s/" HB_SECRET_FILE, r->c.dir);
        assert_int_equal(hb_secret_load(path, secret, &e), 0);
        assert_int_equal(hb_fingerprint_new(secret, sizeof secret, &r->fingerprint, &e), 0);
}

static int set_up(void **state) {
        struct rig *r = calloc(1, sizeof *r);
        char ip[32];
        signal(SIGPIPE, SIG_IGN);
        r->seed = 0x9E3779B97F4A7C15ull;
        cluster_init(&r->c, "hostile");
        cluster_add(&r->c, "t", 30);
        cluster_add(&r->c, "h", 30);
        cluster_add(&r->c, "x", 30);
        share_secret(r);
        strcpy(r->dir, "/tmp/hb-hostile-XXXXXX");
        strcpy(r->images, "/dev/shm/hb-hostile-XXXXXX");
        assert_non_null(mkdtemp(r->dir));
        assert_non_null(mkdtemp(r->images));
        snprintf(ip, sizeof ip, "127.%d.%d.%d", 128 + (getpid() >> 16) % 64, getpid() >> 8 & 255,
                 getpid() & 255);
        snprintf(r->address, sizeof r->address, "%s:%d", ip, free_port(ip));
        snprintf(r->control, sizeof r->control, "%s/control", r->dir);
        snprintf(r->log, sizeof r->log, "%s/log", r->dir);
        r->base = event_base_new();
        r->tls_h = cluster_tls(&r->c, "h");
        r->tls_x = cluster_tls(&r->c, "x");
        start_daemon(r);
        place_good(r);
        *state = r;
        return 0;
}

static void remove_tree(const char *dir) {
        char command[160];
        snprintf(command, sizeof command, "rm -rf '%s'", dir);
        if (system(command) != 0)
                fprintf(stderr, "cannot remove %s\n", dir);
}

static int tear_down(void **state) {
        struct rig *r = *state;
        hang_up(&r->honest);
        if (r->daemon > 0)
                stop_daemon(r);
        hb_tls_free(r->tls_h);
        hb_tls_free(r->tls_x);
        event_base_free(r->base);
        hb_fingerprint_free(r->fingerprint);
        cluster_fini(&r->c);
        remove_tree(r->dir);
        remove_tree(r->images);
        free(r);
        return 0;
}

/* ---- lies, one by one ---- */

static void every_message_without_a_placement(void **state) {
        struct rig *r = *state;
        uint8_t junk[64];
        struct peer x;
        for (int type = HB_MSG_HELLO; type < HB_MSG_TYPES; type++)
                for (unsigned form = 0; form < 3; form++) {
                        rnd_fill(r, junk, sizeof junk);
                        if (form == 1)
                                memcpy(junk, r->move, HB_ID_SIZE); /* of somebody else's hand-over */
                        up(r, r->tls_x, &x);
                        say(&x, (enum hb_msg_type)type, junk, form == 0 ? 0 : form == 1 ? 17 : sizeof junk);
                        event_base_loop(r->base, EVLOOP_NONBLOCK);
                        hang_up(&x);
                }
        good_is_untouched(r);
}

static void refused_with(struct rig *r, const struct hb_msg_place *m, int code) {
        struct peer x;
        up(r, r->tls_x, &x);
        say_place(&x, m);
        must(r, run_until(r, is_placed, &x) && !x.placed);
        must(r, x.why.code == code);
        hang_up(&x);
}

static void places_that_are_not_its_own(void **state) {
        struct rig *r = *state;
        uint8_t id[HB_ID_SIZE];
        struct hb_msg_place m;
        rnd_fill(r, id, sizeof id);
        m = place_of(id, "good", PAGES);
        refused_with(r, &m, -EEXIST);
        m = place_of(r->good, "good", PAGES);
        refused_with(r, &m, -EEXIST);
        m = place_of(r->good, "evil1", PAGES); /* another guest under the honest one's id */
        refused_with(r, &m, -EEXIST);
        m = place_of(id, "evil1", 1ull << 31); /* 8 TiB */
        m.resident_pages = m.shape.pages;
        refused_with(r, &m, -ENOSPC);
        m = place_of(id, "evil1", 512);
        m.shape.regions[0].backing_page = 2u << 20;
        refused_with(r, &m, -EINVAL);
        good_is_untouched(r);
}

static void place_twice(void **state) {
        struct rig *r = *state;
        uint8_t id[HB_ID_SIZE];
        struct peer x, y;
        rnd_fill(r, id, sizeof id);
        struct hb_msg_place m = place_of(id, "evil1", PAGES);
        up(r, r->tls_x, &x);
        say_place(&x, &m);
        must(r, run_until(r, is_placed, &x) && x.placed);
        up(r, r->tls_x, &y); /* again from elsewhere: the newer session has it */
        say_place(&y, &m);
        must(r, run_until(r, is_placed, &y) && y.placed);
        must(r, run_until(r, is_closed, &x));
        say_place(&y, &m); /* again on the same session */
        must(r, run_until(r, is_closed, &y));
        must(r, y.why.code == -EPROTO);
        must(r, number_of(r, "evil1", "fresh_pages") == 0);
        good_is_untouched(r);
}

static bool zeros_told(struct peer *x) {
        return x->closed || (x->report.processed == 2 && x->report.zero_pages > 0);
}

static void an_announcement_broken_off_does_not_count(void **state) {
        struct rig *r = *state;
        uint8_t id[HB_ID_SIZE];
        struct peer x;
        rnd_fill(r, id, sizeof id);
        struct hb_msg_place m = place_of(id, "evil2", PAGES);
        up(r, r->tls_x, &x);
        say_place(&x, &m);
        must(r, run_until(r, is_placed, &x) && x.placed);
        say_pages(&x, HB_MSG_INVALIDATE, 0, 1, 0, PAGES, false);
        say_pages(&x, HB_MSG_INVALIDATE, 1, 2, 100, 50, true); /* never finished */
        say_pages(&x, HB_MSG_ZERO, 0, 1, 20, 1, false);
        say_pages(&x, HB_MSG_INVALIDATE, 1, 2, 0, 0, false);
        must(r, run_until(r, zeros_told, &x) && !x.closed);
        must(r, x.report.zero_pages == 1);
        say(&x, HB_MSG_UNPLACE, NULL, 0);
        hang_up(&x);
        good_is_untouched(r);
}

static bool asked(struct peer *x) {
        return x->closed || x->count[HB_MSG_ASK] > 0;
}

static bool copied(struct peer *x) {
        return x->closed || x->report.copied_pages == 10;
}

/* What is said of pages' bytes is taken only where it was asked for and is true. */
static void tags_and_prints_that_lie(struct rig *r, struct peer *x) {
        say_pages(x, HB_MSG_INVALIDATE, 0, 1, 0, PAGES, false);
        say_prints(x, HB_MSG_PRINTS, 1, 0, PAGES, 0); /* nobody asked */
        say_prints(x, HB_MSG_TAGS, 1, 10, 30, 0);
        must(r, run_until(r, asked, x) && !x->closed);
        say_prints(x, HB_MSG_PRINTS, 1, 10, 10, 0); /* true: they are zeros */
        say_prints(x, HB_MSG_PRINTS, 1, 10, 10, 0); /* again */
        say_prints(x, HB_MSG_PRINTS, 1, 20, 10, 7); /* of bytes that are not here */
        say_prints(x, HB_MSG_PRINTS, 0x7fffffff, 100, 50, 0);
        must(r, run_until(r, copied, x) && !x->closed);
        must(r, x->report.fresh == 10 && x->report.zero_pages == 10);
        say_pages(x, HB_MSG_INVALIDATE, 1, 2, 15, 5,
                  false); /* written since: half of them are worth nothing */
        say_prints(x, HB_MSG_TAGS, 2, 15, 5, 0);
}

static bool five_left(struct peer *x) {
        return x->closed || (x->report.processed == 2 && x->report.fresh == 5);
}

static void what_is_said_of_bytes_is_looked_at(void **state) {
        struct rig *r = *state;
        uint8_t id[HB_ID_SIZE];
        struct peer x;
        rnd_fill(r, id, sizeof id);
        struct hb_msg_place m = place_of(id, "evil3", PAGES);
        up(r, r->tls_x, &x);
        say_place(&x, &m);
        must(r, run_until(r, is_placed, &x) && x.placed);
        must(r, x.token.secret_id == hb_fingerprint_id(r->fingerprint));
        tags_and_prints_that_lie(r, &x);
        must(r, run_until(r, five_left, &x) && !x.closed);
        say(&x, HB_MSG_TAGS, "\1junk", 5);
        must(r, run_until(r, is_closed, &x));
        must(r, x.why.code == -EPROTO);
        good_is_untouched(r);
}

static bool aborted(struct peer *x) {
        return x->closed || x->count[HB_MSG_ABORTED] > 0;
}

static bool unplaced(struct peer *x) {
        return x->closed || x->count[HB_MSG_UNPLACED] > 0;
}

static void say_id(struct peer *x, enum hb_msg_type type, const uint8_t *id, const void *more, size_t n) {
        uint8_t b[64];
        memcpy(b, id, HB_ID_SIZE);
        memcpy(b + HB_ID_SIZE, more, n);
        say(x, type, b, HB_ID_SIZE + n);
}

/* A hand-over's messages in the wrong order, of its own placement and of the honest host's hand-over. */
static void a_hand_over_out_of_order(void **state) {
        struct rig *r = *state;
        static const uint8_t freeze[12] = {2, 0, 0, 0}, zeros[17] = {0};
        uint8_t id[HB_ID_SIZE], move[HB_ID_SIZE];
        struct peer x;
        rnd_fill(r, id, sizeof id);
        rnd_fill(r, move, sizeof move);
        struct hb_msg_place m = place_of(id, "evil0", PAGES);
        up(r, r->tls_x, &x);
        say_place(&x, &m);
        must(r, run_until(r, is_placed, &x) && x.placed);
        for (int theirs = 0; theirs < 2; theirs++) {
                const uint8_t *of = theirs ? r->move : move;
                say_id(&x, HB_MSG_FREEZE, of, freeze, 12);
                say_id(&x, HB_MSG_STATE_END, of, zeros, 8);
                say_id(&x, HB_MSG_COMMIT, of, zeros, 0);
                for (uint8_t v = 0; v < 8; v++)
                        say_id(&x, HB_MSG_VERDICT, of, &v, 1);
                say_id(&x, HB_MSG_ABORT, of, zeros, theirs ? 17 : 0);
        }
        say_id(&x, HB_MSG_PREPARE, r->move, zeros, 0); /* another's id: turned down */
        must(r, run_until(r, aborted, &x) && !x.closed);
        say_id(&x, HB_MSG_PREPARE, move, zeros, 0);
        say_id(&x, HB_MSG_PREPARE, move, zeros, 0);
        say_id(&x, HB_MSG_FREEZE, move, freeze, 12);
        say_id(&x, HB_MSG_COMMIT, move, zeros, 0);
        say_id(&x, HB_MSG_STATE_END, move, zeros, 8);
        say(&x, HB_MSG_UNPLACE, NULL, 0); /* while it is being prepared */
        say_id(&x, HB_MSG_ABORT, move, zeros, 0);
        must(r, run_until(r, unplaced, &x));
        hang_up(&x);
        good_is_untouched(r);
}

struct counted {
        unsigned n;
};

static int count_entry(void *arg, const struct hb_journal_entry *j) {
        ((struct counted *)arg)->n++;
        return 0;
}

/* Verdicts that came for what was asked so far: a PLACE that cannot be read ends the session after them. */
static unsigned verdicts(struct rig *r, struct peer *x) {
        say(x, HB_MSG_PLACE, "?", 1);
        must(r, run_until(r, is_closed, x));
        return x->count[HB_MSG_VERDICT];
}

static void questions_without_end(void **state) {
        struct rig *r = *state;
        uint8_t id[HB_ID_SIZE];
        char path[128];
        struct counted c = {0};
        struct hb_err e;
        hb_store *store;
        struct peer x;
        up(r, r->tls_x, &x);
        say(&x, HB_MSG_QUERY, r->move, HB_ID_SIZE);
        must(r, verdicts(r, &x) == 0); /* not its business */
        up(r, r->tls_x, &x);
        for (unsigned i = 0; i < 400; i++) {
                rnd_fill(r, id, sizeof id);
                say(&x, HB_MSG_QUERY, id, sizeof id);
        }
        unsigned n = verdicts(r, &x);
        must(r, n > 200 && n <= 256);
        good_is_untouched(r);
        snprintf(path, sizeof path, "%s/state/harbinger.db", r->dir);
        assert_int_equal(hb_store_open(path, &store, &e), 0);
        hb_journal_each(store, false, count_entry, &c);
        hb_store_close(store);
        must(r, c.n >= 256 && c.n < 270); /* 256 of this host, and the hand-overs of these tests */
}

static int data(struct rig *r, hb_tls *tls, const uint8_t *token, enum hb_data_kind kind,
                struct hb_data_conn *ret) {
        struct hb_err e;
        *ret = (struct hb_data_conn){.fd = -1};
        return hb_data_dial(tls, "t", r->address, token, kind, 10000, ret, &e);
}

/* Unasked pages, nonsense and cut frames on a page connection of its own. */
static void speak_nonsense(struct rig *r, struct hb_data_conn *c, unsigned n) {
        struct hb_data_io io;
        uint8_t junk[200];
        assert_int_equal(hb_data_io_init(&io, c, HB_WIRE_MAX_PAYLOAD, NULL), 0);
        for (unsigned i = 0; i < n; i++) {
                rnd_fill(r, junk, sizeof junk);
                hb_data_io_send(&io,
                                i % 2 ? HB_MSG_PAGES : (enum hb_msg_type)(1 + rnd(r) % (HB_MSG_TYPES - 1)),
                                junk, rnd(r) % sizeof junk);
                hb_data_io_flush(&io, NULL);
        }
        hb_data_io_fini(&io);
}

static void data_connections_that_are_not_its_own(void **state) {
        struct rig *r = *state;
        uint8_t id[HB_ID_SIZE], token[HB_TOKEN_SIZE];
        struct hb_data_conn c;
        struct peer x;
        rnd_fill(r, id, sizeof id);
        rnd_fill(r, token, sizeof token);
        must(r, data(r, r->tls_x, token, HB_DATA_PAGES, &c) == -EACCES);
        must(r, data(r, r->tls_x, r->honest.token.token, HB_DATA_PAGES, &c) == -EACCES);
        must(r, data(r, r->tls_x, r->honest.token.token, HB_DATA_TUNNEL, &c) == -EACCES);
        struct hb_msg_place m = place_of(id, "evil3", PAGES);
        up(r, r->tls_x, &x);
        say_place(&x, &m);
        must(r, run_until(r, is_placed, &x) && x.placed);
        must(r, data(r, r->tls_x, x.token.token, HB_DATA_TUNNEL, &c) == -EACCES); /* nothing is being moved */
        for (unsigned i = 0; i < 8; i++) {
                must(r, data(r, r->tls_x, x.token.token, HB_DATA_PAGES, &c) == 0);
                say_pages(&x, HB_MSG_INVALIDATE, i, i + 1, i, PAGES / 2,
                          false); /* so that it has something to ask for */
                event_base_loop(r->base, EVLOOP_NONBLOCK);
                speak_nonsense(r, &c, 1 + i * 4);
        }
        hang_up(&x);
        must(r, data(r, r->tls_x, x.token.token, HB_DATA_PAGES, &c) < 0); /* its session is over */
        good_is_untouched(r);
}

/* ---- everything at once ---- */

#define SESSIONS 6

static void storm_place(struct rig *r, struct peer *x, uint8_t ids[4][HB_ID_SIZE]) {
        char guest[16];
        snprintf(guest, sizeof guest, rnd(r) % 8 ? "evil%d" : "good", (int)(rnd(r) % 4));
        struct hb_msg_place m = place_of(rnd(r) % 8 ? ids[rnd(r) % 4] : r->good, guest, 1 + rnd(r) % PAGES);
        m.resident_pages = rnd(r) % (m.shape.pages + 1);
        say_place(x, &m);
}

static void storm_lie(struct rig *r, struct peer *x) {
        static const enum hb_msg_type types[] = {HB_MSG_SUMMARY, HB_MSG_DRAIN,   HB_MSG_PREPARE,
                                                 HB_MSG_FREEZE,  HB_MSG_ABORT,   HB_MSG_STATE_END,
                                                 HB_MSG_COMMIT,  HB_MSG_QUERY,   HB_MSG_VERDICT,
                                                 HB_MSG_UNPLACE, HB_MSG_ABORTED, HB_MSG_LOADED};
        uint8_t b[96];
        size_t n = rnd(r) % sizeof b;
        rnd_fill(r, b, sizeof b);
        if (rnd(r) % 4 == 0)
                memcpy(b, r->move, HB_ID_SIZE);
        else
                memset(b, (int)(rnd(r) % 3), HB_ID_SIZE); /* ids that come again */
        if (rnd(r) % 4 == 0)
                n = rnd(r) % 2 ? HB_ID_SIZE : 1;
        if (n == 1)
                b[0] &= 1;
        say(x, types[rnd(r) % (sizeof types / sizeof *types)], b, n);
}

static void storm_pages(struct rig *r, struct peer *x) {
        uint32_t from = (uint32_t)(rnd(r) % 6), to = from + 1 + (uint32_t)(rnd(r) % 3);
        uint64_t first = rnd(r) % PAGES;
        say_pages(x, rnd(r) % 2 ? HB_MSG_ZERO : HB_MSG_INVALIDATE, from, to, first,
                  1 + rnd(r) % (PAGES - first), rnd(r) % 4 == 0);
}

static void storm_prints(struct rig *r, struct peer *x) {
        uint32_t first = (uint32_t)(rnd(r) % PAGES);
        say_prints(x, rnd(r) % 2 ? HB_MSG_TAGS : HB_MSG_PRINTS, 1 + (uint32_t)(rnd(r) % 6), first,
                   1 + (uint32_t)(rnd(r) % (PAGES - first)), rnd(r) % 4 == 0);
}

static void storm_data(struct rig *r, struct peer *x) {
        struct hb_data_conn c;
        if (!x->placed || data(r, r->tls_x, x->token.token, 1 + rnd(r) % 2, &c) < 0)
                return;
        if (rnd(r) % 2)
                speak_nonsense(r, &c, (unsigned)(rnd(r) % 8));
        hb_data_conn_close(&c);
}

static void storm_step(struct rig *r, struct peer *x, uint8_t ids[4][HB_ID_SIZE]) {
        uint8_t junk[128];
        if (!x->s) {
                dial(r, r->tls_x, x);
                return;
        }
        switch (rnd(r) % 16) {
        case 0:
        case 1:
        case 2:
                storm_place(r, x, ids);
                break;
        case 3:
                rnd_fill(r, junk, sizeof junk);
                say(x, (enum hb_msg_type)(1 + rnd(r) % (HB_MSG_TYPES - 1)), junk, rnd(r) % sizeof junk);
                break;
        case 4:
                storm_data(r, x);
                break;
        case 5:
                hang_up(x);
                break;
        case 6:
        case 7:
        case 8:
        case 9:
                storm_pages(r, x);
                break;
        case 10:
        case 11:
                storm_prints(r, x);
                break;
        default:
                storm_lie(r, x);
        }
}

static void a_storm(void **state) {
        struct rig *r = *state;
        struct peer x[SESSIONS] = {0};
        uint8_t ids[4][HB_ID_SIZE];
        uint64_t until = hb_now_ns() + STORM_NS;
        unsigned steps = 0;
        for (int i = 0; i < 4; i++)
                rnd_fill(r, ids[i], HB_ID_SIZE);
        while (hb_now_ns() < until) {
                storm_step(r, &x[rnd(r) % SESSIONS], ids);
                event_base_loop(r->base, EVLOOP_NONBLOCK);
                if (++steps % 1024 == 0)
                        good_is_untouched(r);
        }
        for (int i = 0; i < SESSIONS; i++)
                hang_up(&x[i]);
        good_is_untouched(r);
        must(r, steps > 500);
}

/* After all that the honest host's own word still counts, and the daemon ends in order (in tear_down). */
static void the_honest_host_goes_on(void **state) {
        struct rig *r = *state;
        must(r, r->honest.count[HB_MSG_ABORTED] == 0);
        say(&r->honest, HB_MSG_ABORT, r->move, sizeof r->move);
        must(r, run_until(r, aborted, &r->honest) && !r->honest.closed);
        int rc;
        json_t *status = ask(r, "status", NULL, &rc);
        must(r, rc == 0);
        json_decref(status);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_message_without_a_placement),
                cmocka_unit_test(places_that_are_not_its_own),
                cmocka_unit_test(place_twice),
                cmocka_unit_test(an_announcement_broken_off_does_not_count),
                cmocka_unit_test(what_is_said_of_bytes_is_looked_at),
                cmocka_unit_test(a_hand_over_out_of_order),
                cmocka_unit_test(questions_without_end),
                cmocka_unit_test(data_connections_that_are_not_its_own),
                cmocka_unit_test(a_storm),
                cmocka_unit_test(the_honest_host_goes_on),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
