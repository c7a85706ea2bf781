/* ctl: the control socket's language, shared by daemon, command line and console. Unix stream socket, one
 * JSON object a line.
 *
 *  request   {"id":1,"cmd":"place","args":{"guest":"vm1","host":"b"}}
 *  progress  {"id":1,"progress":{...}}                       zero or more, for long commands
 *  answer    {"id":1,"ok":true,"result":{...}}
 *  failure   {"id":1,"ok":false,"error":{"code":"ENOENT","what":"...","which":"...","next":"..."}}
 *
 * A request line is at most HB_CTL_MAX_REQUEST bytes, any other HB_CTL_MAX_LINE. Closing the connection gives
 * up waiting, not the command. docs/CONTROL.md lists commands, arguments and results; this header's table is
 * what the daemon checks requests against. */
#pragma once
#include "base/err.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define HB_CTL_MAX_LINE (4u << 20)
#define HB_CTL_MAX_REQUEST                                                                                   \
        (64u << 10) /* arguments are a few scalars; a request is parsed whole, before it is trusted */

enum hb_ctl_arg_type { HB_ARG_STRING, HB_ARG_INT, HB_ARG_REAL, HB_ARG_BOOL };
struct hb_ctl_arg {
        const char *name;
        enum hb_ctl_arg_type type;
        bool required;
};
struct hb_ctl_command {
        const char *name; /* "guest.attach" */
        struct hb_ctl_arg args[8];
        bool changes; /* needs more than a reader's right */
};
const struct hb_ctl_command *hb_ctl_commands(size_t *ret_count);
const struct hb_ctl_command *hb_ctl_find(const char *name);
/* Unknown arguments, missing ones and wrong types are -EINVAL, named. */
int hb_ctl_check(const struct hb_ctl_command *c, const json_t *args, struct hb_err *e);

json_t *hb_ctl_request(int id, const char *cmd, json_t *args /* stolen */);
json_t *hb_ctl_ok(int id, json_t *result /* stolen */);
json_t *hb_ctl_fail(int id, const struct hb_err *e);
json_t *hb_ctl_progress(int id, json_t *progress /* stolen */);
json_t *hb_ctl_error_json(const struct hb_err *e);
/* Fills *ret (NULL allowed) from the "error" member of a failure and returns its code, always negative. A
 * code this build has no name for, or an object that is not an error, is -EPROTO. */
int hb_ctl_error_from(const json_t *error, struct hb_err *ret);
/* A JSON string of any bytes: what is not UTF-8 becomes '?' (a path, a process name). NULL only without
 * memory. */
json_t *hb_ctl_text(const char *s);
/* A JSON number; null for what JSON cannot say (infinite: "never"; NaN: unknown). */
json_t *hb_ctl_real(double v);
/* One line, '\n' included; malloc'd; NULL: no memory. */
char *hb_ctl_line(const json_t *msg, size_t *ret_len);
/* Parses one request line ('\n' may be included). *ret_cmd points into *ret_msg, whose "args" is always an
 * object. -EBADMSG. */
int hb_ctl_parse_request(const char *line, size_t len, int *ret_id, const char **ret_cmd, json_t **ret_msg,
                         struct hb_err *e);

/* ---- client, blocking ---- */
typedef struct hb_ctl_client hb_ctl_client;
/* -ENOENT / -ECONNREFUSED: daemon not running; -EACCES: not in the socket's group. */
int hb_ctl_connect(const char *socket_path, hb_ctl_client **ret, struct hb_err *e);
hb_ctl_client *hb_ctl_close(hb_ctl_client *c);
int hb_ctl_fd(const hb_ctl_client *c);
/* While this descriptor is readable (a signalfd, a pipe) calls return -EINTR at once: the command goes on in
 * the daemon. -1: none. */
void hb_ctl_interrupt_on(hb_ctl_client *c, int fd);
/* Sends one request and waits; progress (may be NULL) is called for each progress object. *ret_result: new
 * reference. The daemon's failure is returned as its code with *e filled. timeout_ms < 0: none; -ETIMEDOUT
 * and -EINTR leave the connection usable: the late answer is skipped by the next call. -ECONNRESET: the
 * daemon went away; -EBADMSG: it does not speak this language. */
int hb_ctl_call(hb_ctl_client *c, const char *cmd, json_t *args /* stolen */, int timeout_ms,
                void (*progress)(void *arg, const json_t *p), void *arg, json_t **ret_result,
                struct hb_err *e);
