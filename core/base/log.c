/* log: one write(2) a line, so that lines of several threads and of a dying process never mix or get lost in
 * a buffer.
 *
 * Invariant: a call makes exactly one line: line breaks and control bytes inside a message become spaces or
 * '?', and what does not fit is cut and marked. Cost: a relaxed load when the level is off. Any thread. */
#include "base/log.h"
#include "base/err.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int log_max = HB_LOG_INFO;
static atomic_int log_prefix;

void hb_log_setup(enum hb_log_level max, int with_prefix) {
        atomic_store_explicit(&log_max, (int)max, memory_order_relaxed);
        atomic_store_explicit(&log_prefix, with_prefix, memory_order_relaxed);
}

enum hb_log_level hb_log_level(void) {
        return (enum hb_log_level)atomic_load_explicit(&log_max, memory_order_relaxed);
}

static const char *level_word(enum hb_log_level level) {
        switch (level) {
        case HB_LOG_ERR:
                return "error: ";
        case HB_LOG_WARNING:
                return "warning: ";
        case HB_LOG_DEBUG:
                return "debug: ";
        case HB_LOG_NOTICE:
        case HB_LOG_INFO:
                break;
        }
        return "";
}

static void flatten(char *s, size_t len) {
        for (size_t i = 0; i < len; i++)
                if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F)
                        s[i] = s[i] == '\n' || s[i] == '\t' ? ' ' : '?';
}

void hb_log(enum hb_log_level level, const char *fmt, ...) {
        char line[1536];
        size_t room = sizeof(line) - 1; /* for the line break */
        size_t head, len;
        va_list ap;
        int n;

        if ((int)level > atomic_load_explicit(&log_max, memory_order_relaxed))
                return;
        if (atomic_load_explicit(&log_prefix, memory_order_relaxed))
                head = (size_t)snprintf(line, room, "<%d>", (int)level);
        else
                head = (size_t)snprintf(line, room, "%s", level_word(level));
        va_start(ap, fmt);
        n = vsnprintf(line + head, room - head, fmt, ap);
        va_end(ap);
        if (n < 0)
                n = 0;
        len = head + (size_t)n;
        if (len >= room) {
                len = room - 1;
                memcpy(line + len - 3, "...", 3);
        }
        flatten(line + head, len - head);
        line[len++] = '\n';
        if (write(STDERR_FILENO, line, len) < 0)
                return; /* nowhere left to say so */
}

void hb_log_err(enum hb_log_level level, const char *doing, const struct hb_err *e) {
        char line[sizeof(*e)];

        hb_log(level, "%s: %s", doing, hb_err_line(e, line, sizeof(line)));
}
