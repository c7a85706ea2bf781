/* fuzz_conn: any bytes in any cuts. The same bytes give the same objects however they were cut; what is no
 * JSON object ends the connection, and nothing comes after that. The first byte says how it is cut. */
#include "world/conn.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
        unsigned messages, downs;
        size_t length; /* of what came, written again: a sum that order and content decide */
};

static void check(bool ok) {
        if (!ok)
                abort();
}

static void on_up(void *arg) {
}

static void on_message(void *arg, json_t *msg) {
        struct seen *s = arg;
        char *text = json_dumps(msg, JSON_COMPACT | JSON_ENSURE_ASCII);

        check(json_is_object(msg) && s->downs == 0);
        s->messages++;
        s->length = s->length * 31 + (text ? strlen(text) : 7);
        free(text);
}

static void on_down(void *arg, const struct hb_err *why) {
        struct seen *s = arg;

        check(why->code < 0 && why->what[0]);
        s->downs++;
}

static struct seen feed(const uint8_t *data, size_t size, size_t cut) {
        struct seen s = {0};
        struct hb_conn_use u = {on_up, on_message, on_down, &s};
        hb_conn *c;
        int pair[2];

        check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        check(hb_conn_new_fd(pair[0], &u, &c, NULL) == 0);
        hb_conn_pump(c, 0, 1);
        for (size_t at = 0; at < size && hb_conn_is_up(c);) {
                size_t n = size - at < cut ? size - at : cut;
                ssize_t sent = send(pair[1], data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);

                at += sent > 0 ? (size_t)sent : 0;
                while (hb_conn_pump(c, POLLIN, 1))
                        ;
        }
        check(s.downs <= 1 && (s.downs == 1) == !hb_conn_is_up(c));
        hb_conn_free(c);
        close(pair[1]);
        return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct seen whole, parts;

        if (size == 0)
                return 0;
        whole = feed(data + 1, size - 1, size);
        parts = feed(data + 1, size - 1, 1 + data[0] % 61);
        check(whole.messages == parts.messages && whole.downs == parts.downs && whole.length == parts.length);
        return 0;
}
