/* log: one line per decision, to stderr with syslog's `<N>` prefix (what journald reads), or plain text on a
 * terminal. The only process-wide state in the library: the level and the style, set once at start.
 * Thread-safe. */
#pragma once

enum hb_log_level {
        HB_LOG_ERR = 3,
        HB_LOG_WARNING = 4,
        HB_LOG_NOTICE = 5,
        HB_LOG_INFO = 6,
        HB_LOG_DEBUG = 7
};

void hb_log_setup(enum hb_log_level max, int with_prefix);
enum hb_log_level hb_log_level(void);
void hb_log(enum hb_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct hb_err;
/* "doing: what (which): next" */
void hb_log_err(enum hb_log_level level, const char *doing, const struct hb_err *e);
