/* trace_args: small things that several trace commands need in the same way. */
#include "cli/trace_args.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Digits at *p, decimal or 0x; moves *p behind them. */
static bool read_number(const char **p, uint64_t *ret) {
        bool hex = (*p)[0] == '0' && ((*p)[1] == 'x' || (*p)[1] == 'X');
        const char *digits = hex ? *p + 2 : *p;
        size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");

        if (n == 0 || n > (hex ? 15 : 18))
                return false;
        *ret = strtoull(*p, NULL, hex ? 16 : 10);
        *p = digits + n;
        return true;
}

bool hb_cli_read_range(const char *text, uint64_t *ret_first, uint64_t *ret_last) {
        uint64_t first, last;

        if (!read_number(&text, &first))
                return false;
        last = first;
        if (*text == '-') {
                text++;
                last = UINT64_MAX;
                if (*text && !read_number(&text, &last))
                        return false;
        }
        if (*text || last < first)
                return false;
        *ret_first = first;
        *ret_last = last;
        return true;
}

int hb_cli_pages(const struct hb_cli *c, const char *option, uint64_t *first, uint64_t *npages,
                 struct hb_err *e) {
        const char *text = hb_cli_value(c, option);
        uint64_t last;

        if (!text)
                return 0;
        if (!hb_cli_read_range(text, first, &last))
                return hb_err_set(e, -EINVAL, text, "for example --pages 0x1000-0x1fff, or --pages 4096-",
                                  "--%s must be a range of page numbers A-B", option);
        *npages = last == UINT64_MAX ? 0 : last - *first + 1;
        return 0;
}

void hb_cli_say(const struct hb_cli *c, const char *fmt, ...) {
        va_list ap;

        if (c->json)
                return;
        va_start(ap, fmt);
        vfprintf(c->io->err, fmt, ap);
        va_end(ap);
        fputc('\n', c->io->err);
}

const char *hb_cli_unix_time(uint64_t unix_ns, char *buf) {
        time_t t = (time_t)(unix_ns / 1000000000u);
        struct tm tm;

        if (!unix_ns || !gmtime_r(&t, &tm) || strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                return strcpy(buf, "unknown");
        return buf;
}
