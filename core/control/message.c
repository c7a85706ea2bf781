/* message: builds and reads the lines of the control socket.
 *
 * Invariant: what is built here is always valid JSON on one line, whatever bytes the strings hold, since a
 * path or a process name need not be UTF-8. Parsing refuses duplicate members: two readers of one line must
 * not see two different requests. Pure; any thread. */
#include "base/fault.h"
#include "control/ctl.h"
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char request_form[] = "send one JSON object a line: {\"id\":1,\"cmd\":\"status\",\"args\":{}}";

json_t *hb_ctl_text(const char *s) {
        json_t *j = json_string(s ? s : "");
        char *copy;

        if (j)
                return j;
        copy = strdup(s);
        if (!copy)
                return NULL;
        for (char *p = copy; *p; p++)
                if ((unsigned char)*p >= 0x80)
                        *p = '?';
        j = json_string(copy);
        free(copy);
        return j;
}

json_t *hb_ctl_real(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

/* Packs {"id":id, key:value}, stealing value; NULL when memory or value is missing. */
static json_t *envelope(int id, const char *key, json_t *value) {
        json_t *msg = value ? json_pack("{s:i}", "id", id) : NULL;

        if (!msg) {
                json_decref(value);
                return NULL;
        }
        if (json_object_set_new(msg, key, value) < 0) {
                json_decref(msg);
                return NULL;
        }
        return msg;
}

static json_t *answer(int id, bool ok, const char *key, json_t *value) {
        json_t *msg = envelope(id, key, value);

        if (msg && json_object_set_new(msg, "ok", json_boolean(ok)) < 0) {
                json_decref(msg);
                return NULL;
        }
        return msg;
}

json_t *hb_ctl_request(int id, const char *cmd, json_t *args) {
        json_t *msg = envelope(id, "args", args ? args : json_object());

        if (msg && json_object_set_new(msg, "cmd", json_string(cmd)) < 0) {
                json_decref(msg);
                return NULL;
        }
        return msg;
}

json_t *hb_ctl_ok(int id, json_t *result) {
        return answer(id, true, "result", result ? result : json_object());
}

json_t *hb_ctl_fail(int id, const struct hb_err *e) {
        return answer(id, false, "error", hb_ctl_error_json(e));
}

json_t *hb_ctl_progress(int id, json_t *progress) {
        return envelope(id, "progress", progress);
}

json_t *hb_ctl_error_json(const struct hb_err *e) {
        return json_pack("{s:s, s:o, s:o, s:o}", "code", hb_errno_name(e->code), "what", hb_ctl_text(e->what),
                         "which", hb_ctl_text(e->which), "next", hb_ctl_text(e->next));
}

static const char *member(const json_t *o, const char *key) {
        const char *s = json_string_value(json_object_get(o, key));

        return s ? s : "";
}

int hb_ctl_error_from(const json_t *error, struct hb_err *ret) {
        int code = hb_errno_from_name(member(error, "code"));

        if (!code && !member(error, "what")[0])
                return hb_err_set(ret, -EPROTO, NULL, NULL,
                                  "the daemon reported a failure without saying which");
        return hb_err_set(ret, code ? code : -EPROTO, member(error, "which"), member(error, "next"), "%s",
                          member(error, "what"));
}

char *hb_ctl_line(const json_t *msg, size_t *ret_len) {
        size_t need = msg && !hb_fault("control.line") ? json_dumpb(msg, NULL, 0, JSON_COMPACT) : 0;
        char *line = need ? malloc(need + 2) : NULL;

        if (!line)
                return NULL;
        json_dumpb(msg, line, need, JSON_COMPACT);
        line[need] = '\n';
        line[need + 1] = '\0';
        *ret_len = need + 1;
        return line;
}

static int bad_request(struct hb_err *e, const char *why) {
        return hb_err_set(e, -EBADMSG, NULL, request_form, "bad request: %s", why);
}

/* Checks the members of a parsed request and makes "args" an object when it is left out. */
static int check_request(json_t *msg, int *ret_id, const char **ret_cmd, struct hb_err *e) {
        json_t *id = json_object_get(msg, "id"), *cmd = json_object_get(msg, "cmd"),
               *args = json_object_get(msg, "args");

        if (!json_is_object(msg))
                return bad_request(e, "not an object");
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
                return bad_request(e, "\"id\" must be a whole number from 0 to 2147483647");
        if (!json_is_string(cmd))
                return bad_request(e, "\"cmd\" must be a string");
        if (args && !json_is_object(args))
                return bad_request(e, "\"args\" must be an object");
        if (json_object_size(msg) != (args ? 3u : 2u))
                return bad_request(e, "only \"id\", \"cmd\" and \"args\" are known");
        if (!args && json_object_set_new(msg, "args", json_object()) < 0)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a request");
        *ret_id = (int)json_integer_value(id);
        *ret_cmd = json_string_value(cmd);
        return 0;
}

int hb_ctl_parse_request(const char *line, size_t len, int *ret_id, const char **ret_cmd, json_t **ret_msg,
                         struct hb_err *e) {
        json_error_t why;
        json_t *msg;
        int r;

        if (len > HB_CTL_MAX_REQUEST)
                return bad_request(e, "the line is too long");
        msg = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
        if (!msg)
                return bad_request(e, why.text);
        r = check_request(msg, ret_id, ret_cmd, e);
        if (r < 0) {
                json_decref(msg);
                return r;
        }
        *ret_msg = msg;
        return 0;
}
