/* fuzz_control: any bytes are either no request, or one that survives being built again, and the command
 * table's check never trusts it. */
#include "control/ctl.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void check_rebuilt(int id, const char *cmd, json_t *msg) {
        json_t *again = hb_ctl_request(id, cmd, json_incref(json_object_get(msg, "args")));
        const char *back_cmd;
        json_t *back;
        size_t len;
        char *line;
        int back_id;

        check(again && json_equal(again, msg));
        line = hb_ctl_line(again, &len);
        check(line && !memchr(line, '\n', len - 1));
        if (len <= HB_CTL_MAX_REQUEST) { /* escapes may have made it longer */
                check(hb_ctl_parse_request(line, len, &back_id, &back_cmd, &back, NULL) == 0);
                check(back_id == id && strcmp(back_cmd, cmd) == 0 && json_equal(back, msg));
                json_decref(back);
        }
        free(line);
        json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_err e = {0};
        const struct hb_ctl_command *c;
        const char *cmd;
        json_t *msg;
        int id, r = hb_ctl_parse_request((const char *)data, size, &id, &cmd, &msg, &e);

        if (r < 0) {
                check(e.code == r && e.what[0]);
                return 0;
        }
        check_rebuilt(id, cmd, msg);
        c = hb_ctl_find(cmd);
        if (c && hb_ctl_check(c, json_object_get(msg, "args"), &e) == 0)
                for (int i = 0; c->args[i].name; i++)
                        check(!c->args[i].required ||
                              json_object_get(json_object_get(msg, "args"), c->args[i].name));
        check(hb_ctl_error_from(json_object_get(msg, "args"), &e) < 0);
        json_decref(msg);
        return 0;
}
