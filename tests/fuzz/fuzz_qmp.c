/* fuzz_qmp: whatever a monitor sends, a line is a message that holds its promises, or -EPROTO; and what is
 * read out of QEMU's human-readable tables is found only where it stands. */
#include "move/qemu_priv.h"
#include "move/qmp_msg.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void check_message(const struct hb_qmp_msg *m) {
        check(m->root != NULL && json_is_object(m->root));
        check(m->kind != HB_QMP_RETURN || m->body != NULL);
        check(memchr(m->name, '\0', sizeof(m->name)) && memchr(m->text, '\0', sizeof(m->text)));
}

static void fuzz_line(const uint8_t *data, size_t size) {
        struct hb_qmp_msg m;
        int rc = hb_qmp_msg_parse((const char *)data, size, &m);

        check(rc == 0 || rc == -EPROTO);
        if (rc == 0)
                check_message(&m);
        if (rc == 0)
                hb_qmp_msg_free(&m);
}

static void fuzz_tables(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        uint64_t gpa = 0, offset = 0, hva = 0;

        check(text != NULL);
        memcpy(text, data, size);
        text[size] = '\0';
        if (hb_qemu_mtree_find(text, "mem", &gpa, &offset) == 0)
                check(strstr(text, "mem") && strstr(text, ", ram)"));
        if (hb_qemu_hva_parse(text, &hva) == 0)
                check(hva != 0 && strstr(text, " is 0x"));
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        fuzz_line(data, size);
        fuzz_tables(data, size);
        return 0;
}
