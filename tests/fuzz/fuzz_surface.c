/* fuzz_surface: any bytes, written at any place of a surface of any size, leave a surface whose every cell
 * may go to a terminal. The input: width, height, UTF-8 or not, then commands of six bytes and a text up to
 * its NUL. */
#include "draw/surface.h"
#include "draw/text.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct command {
        uint8_t kind, x, y, width, style, height;
};

static void check(bool ok) {
        if (!ok)
                abort();
}

static void check_cell(const hb_surface *s, unsigned x, unsigned y) {
        const struct hb_cell *c = hb_surface_at(s, x, y), *next = hb_surface_at(s, x + 1, y);

        check(c->style < HB_STYLES);
        if (c->ch == 0) { /* a second half */
                check(x > 0 && hb_char_width(hb_surface_at(s, x - 1, y)->ch) == 2);
                return;
        }
        check(hb_text_clean(c->ch, hb_surface_utf8(s)) == c->ch);
        check((hb_char_width(c->ch) == 2) == (next && next->ch == 0));
}

static void run(hb_surface *s, const struct command *c, const char *text) {
        const char *at = text;
        enum hb_style style = (enum hb_style)(c->style % HB_STYLES);
        uint32_t ch;

        switch (c->kind % 5) {
        case 0:
                check(hb_surface_text(s, c->x, c->y, c->width, style, text) <= c->width);
                break;
        case 1:
                hb_surface_right(s, c->x, c->y, c->width, style, text);
                break;
        case 2:
                memcpy(&ch, c, sizeof(ch));
                hb_surface_put(s, c->x, c->y, style, ch);
                break;
        case 3:
                ch = hb_text_next(&at, true);
                hb_surface_fill(s, c->x, c->y, c->width, c->height, style, ch);
                break;
        default:
                hb_surface_choose(s, c->x, c->y, c->width);
        }
}

/* Every byte written is ASCII, or the surface may hold more. */
static void check_written(const hb_surface *s) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        check(out && hb_surface_write(s, out) == 0);
        fclose(out);
        for (size_t i = 0; i < size; i++)
                check((unsigned char)text[i] >= 0x20 ? text[i] != 0x7f : text[i] == '\n');
        for (size_t i = 0; i < size && !hb_surface_utf8(s); i++)
                check((unsigned char)text[i] < 0x80);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        hb_surface *s;
        struct command c;

        if (size < 3)
                return 0;
        check(hb_surface_new(data[0] % 100, data[1] % 40, data[2] & 1, &s) == 0);
        for (data += 3, size -= 3; size >= sizeof(c);) {
                char *text;
                size_t n;

                memcpy(&c, data, sizeof(c));
                data += sizeof(c);
                size -= sizeof(c);
                n = strnlen((const char *)data, size);
                text = malloc(n + 1); /* exactly its size: a read past its end shows */
                check(text != NULL);
                memcpy(text, data, n);
                text[n] = '\0';
                run(s, &c, text);
                free(text);
                n += n < size;
                data += n;
                size -= n;
        }
        for (unsigned y = 0; y < hb_surface_height(s); y++)
                for (unsigned x = 0; x < hb_surface_width(s); x++)
                        check_cell(s, x, y);
        check_written(s);
        hb_surface_free(s);
        return 0;
}
