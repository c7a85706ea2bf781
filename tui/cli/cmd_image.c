/* image: looks into the memory kept ready on this host for a guest that runs elsewhere. A page is given out
 * only when it is fresh. */
#include "base/shape.h"
#include "cli/table.h"
#include "draw/format.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)tolower((unsigned char)c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode_page(const char *hex, unsigned char *page, struct hb_err *e) {
        bool good = strlen(hex) == 2 * HB_PAGE_SIZE;

        for (unsigned i = 0; good && i < HB_PAGE_SIZE; i++) {
                int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

                good = high >= 0 && low >= 0;
                page[i] = (unsigned char)(high << 4 | low);
        }
        return good ? 0
                    : hb_err_set(e, -EBADMSG, NULL, "are both programs of one version?",
                                 "what harbingerd sent is not a page");
}

static void hexdump(FILE *out, const unsigned char *page) {
        bool skipping = false;

        for (unsigned at = 0; at < HB_PAGE_SIZE; at += 16) {
                bool same = at > 0 && at + 16 < HB_PAGE_SIZE && memcmp(page + at, page + at - 16, 16) == 0;

                if (same && !skipping)
                        fputs("*\n", out);
                skipping = same;
                if (same)
                        continue;
                fprintf(out, "%03x ", at);
                for (unsigned i = 0; i < 16; i++)
                        fprintf(out, "%s%02x", i == 8 ? "  " : " ", page[at + i]);
                fputs("  ", out);
                for (unsigned i = 0; i < 16; i++)
                        fputc(page[at + i] >= 0x20 && page[at + i] < 0x7F ? page[at + i] : '.', out);
                fputc('\n', out);
        }
}

/* A guest's memory is nobody else's business: the file is for its owner alone. */
static int write_file(const char *path, const unsigned char *page, struct hb_err *e) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r = 0;
        size_t done = 0;
        ssize_t n;

        while (fd >= 0 && done < HB_PAGE_SIZE && r == 0) {
                n = write(fd, page + done, HB_PAGE_SIZE - done);
                if (n > 0)
                        done += (size_t)n;
                else if (n == 0 || errno != EINTR)
                        r = n == 0 ? -EIO : -errno;
        }
        if (fd < 0 || (close(fd) < 0 && r == 0))
                r = -errno;
        return r < 0 ? hb_err_set(e, r, path, NULL, "cannot write the page: %s", strerror(-r)) : 0;
}

static int run_read(struct hb_cli *c, struct hb_err *e) {
        const char *file = hb_cli_value(c, "output");
        unsigned char page[HB_PAGE_SIZE];
        json_t *result;
        double gfn = 0;
        int r;

        hb_cli_read_number(HB_CLI_COUNT, c->operands[1], &gfn);
        r = hb_cli_call(c, "image.read",
                        json_pack("{s:s,s:I}", "guest", c->operands[0], "gfn", (json_int_t)gfn),
                        HB_CLI_SOON_MS, NULL, NULL, &result, e);
        if (r < 0)
                return r;
        if (c->json && !file)
                return hb_cli_print_json(c, result, e);
        r = decode_page(hb_json_text(result, "hex"), page, e);
        if (r == 0 && file)
                r = write_file(file, page, e);
        else if (r == 0 && c->io->out_tty)
                hexdump(c->io->out, page);
        else if (r == 0 && fwrite(page, 1, HB_PAGE_SIZE, c->io->out) != HB_PAGE_SIZE)
                r = hb_err_set(e, -EIO, NULL, NULL, "cannot write the page");
        if (r == 0 && c->json) {
                json_object_del(result, "hex");
                hb_cli_set(result, "file", json_string(file));
                return hb_cli_print_json(c, result, e);
        }
        json_decref(result);
        return r;
}

static void show_info(struct hb_cli *c, const json_t *info) {
        static const char *const headings[] = {"REGION", ">SIZE", ">IN USE", "FILE", NULL};
        static const char *const states[] = {"fresh", "stale", "absent", "fetching", "resident", "zero"};
        hb_cli_table *t = hb_cli_table_new(headings);
        char num[HB_FMT_SIZE], path[64];
        json_t *r;
        size_t i;

        hb_cli_field(c, "guest", hb_json_text(info, "guest"));
        hb_cli_field(c, "as of epoch", hb_fmt_count(hb_json_number(info, "processed"), num));
        for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
                snprintf(path, sizeof(path), "states.%s", states[i]);
                hb_cli_field(c, states[i], hb_fmt_count(hb_json_number(info, path), num));
        }
        fputc('\n', c->io->out);
        json_array_foreach(json_object_get(info, "regions"), i, r) {
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(r, "name"));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_json_number(r, "bytes"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_json_number(r, "allocated_bytes"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(r, "path"));
        }
        hb_cli_table_print(t, c);
}

static int run_info(struct hb_cli *c, struct hb_err *e) {
        json_t *result;
        int r = hb_cli_call(c, "image.info", json_pack("{s:s}", "guest", c->operands[0]), HB_CLI_SOON_MS,
                            NULL, NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        show_info(c, result);
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_image_read = {
        .name = "image read",
        .summary = "read one page of a guest that may come here",
        .about = "Prints the page's 4096 bytes; on a terminal as a hexdump. A page that is not here yet, or "
                 "changed on the source since, is refused "
                 "(exit code 3 or 6) and asked for at once: try again in a moment.",
        .examples = {"image read vm1 0x100", "image read vm1 256 -o page.bin",
                     "image read vm1 256 | xxd | head"},
        .operands = {{"GUEST", HB_CLI_NAME}, {"GFN", HB_CLI_COUNT, false, 0, 4294967295.0}},
        .options = {{"output", 'o', HB_CLI_TEXT, "FILE", false, 0, 0,
                     "write the bytes to FILE, readable by you alone"}},
        .run = run_read,
};

const struct hb_cli_command hb_cli_image_info = {
        .name = "image info",
        .summary = "show what is ready here of a guest that may come",
        .examples = {"image info vm1"},
        .operands = {{"GUEST", HB_CLI_NAME}},
        .run = run_info,
};
