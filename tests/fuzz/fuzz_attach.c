/* fuzz_attach: both ends of the attach protocol. The daemon's: any line is an answer or -EPROTO, and nothing
 * in it is cut. The guest's: any sequence of lines gets one answer each that the daemon's end can read, and
 * the guest stays in one of its states. */
#include "../../examples/guest_load/hb_attach.c"
#include "move/attach_reply.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The socket half is not part of this test. */
int hb_attach_open(const char *socket_path, const struct hb_attach_guest *g, struct hb_attach **ret) {
        return -ENOSYS;
}

void hb_attach_close(struct hb_attach *a) {
}

static void check(bool ok) {
        if (!ok)
                abort();
}

static void fuzz_reply(const char *line, size_t size) {
        struct hb_attach_reply r;
        uint64_t n;

        if (hb_attach_reply_parse(line, size, &r) < 0)
                return;
        check(r.npairs <= HB_ATTACH_PAIRS && (r.code == 0 || r.npairs == 0));
        for (unsigned i = 0; i < r.npairs; i++)
                check(r.pairs[i].key[0] != '\0' && strlen(r.pairs[i].key) + strlen(r.pairs[i].value) < size);
        if (hb_attach_reply_number(&r, "bytes", 1000, &n) == 0)
                check(n <= 1000);
}

static void guest_open(struct hb_attach *a, bool incoming) {
        static const struct hb_attach_region region = {.name = "mem", .bytes = 4096};

        *a = (struct hb_attach){.guest = {.name = "fuzz", .nregions = 1}, .listen_fd = -1, .stop_fd = -1};
        a->client_fd = a->stream_fd = -1;
        a->regions[0] = region;
        a->state = incoming ? INCOMING : RUNNING;
        a->buffer = malloc(HEADER_BYTES + HB_ATTACH_STATE_MAX);
        check(a->buffer != NULL);
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->changed, NULL);
}

/* `freeze` would wait for a program that is not there: it parks at once here, as one at its safe point does.
 */
static void serve(struct hb_attach *a, const char *line) {
        struct hb_attach_reply r;
        char out[HB_ATTACH_LINE_BYTES];
        int fd = -1;

        if (a->state == RUNNING && strncmp(line, "freeze", 6) == 0)
                a->state = FROZEN;
        hb_attach_answer(a, line, &fd, out, sizeof(out));
        check(fd == -1 && strlen(out) > 2 && out[strlen(out) - 1] == '\n');
        check(hb_attach_reply_parse(out, strlen(out) - 1, &r) == 0);
        check(a->state <= QUIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_attach a;
        char *text = malloc(size + 1), *save = NULL;

        check(text != NULL);
        memcpy(text, data, size);
        text[size] = '\0';
        fuzz_reply(text, size);
        guest_open(&a, size > 0 && (data[0] & 1));
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                serve(&a, line);
        pthread_cond_destroy(&a.changed);
        pthread_mutex_destroy(&a.lock);
        free(a.buffer);
        free(text);
        return 0;
}
