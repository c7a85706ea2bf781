/* text_diff: the longest common subsequence of lines, by the plain table, after what is equal at both ends
 * has been set aside. Texts whose middles are too large for a table (MOST_CELLS, 16 MiB) are shown as
 * replaced from the first line that differs to the last: right, if not the shortest. No state, any thread. */
#include "daemon/text_diff.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CELLS (4u << 20)
#define AROUND     3u

struct line {
        const char *p;
        size_t size; /* without its end */
};

struct side {
        struct line *line;
        uint32_t n;
};

enum what { SAME, GONE, COME };

struct script { /* the edit, a step a line */
        uint8_t *step;
        uint32_t n;
};

static int split(const struct hb_text *t, struct side *s) {
        size_t lines = 1;
        for (size_t i = 0; i < t->size; i++)
                lines += t->data[i] == '\n';
        s->line = calloc(lines, sizeof *s->line);
        s->n = 0;
        if (!s->line)
                return -ENOMEM;
        for (const char *p = t->data, *end = t->data + t->size; p < end;) {
                const char *nl = memchr(p, '\n', (size_t)(end - p));
                s->line[s->n++] = (struct line){p, (size_t)((nl ? nl : end) - p)};
                p = nl ? nl + 1 : end;
        }
        return 0;
}

static bool equal(const struct line *a, const struct line *b) {
        return a->size == b->size && memcmp(a->p, b->p, a->size) == 0;
}

static void steps(struct script *s, enum what w, uint32_t n) {
        memset(s->step + s->n, (int)w, n);
        s->n += n;
}

/* length[i][j]: of the longest common subsequence of a[i..] and b[j..]. */
static void walk(const struct side *a, const struct side *b, const uint32_t *length, struct script *s) {
        uint32_t i = 0, j = 0, w = b->n + 1;
        while (i < a->n && j < b->n) {
                if (equal(&a->line[i], &b->line[j])) {
                        steps(s, SAME, 1);
                        i++;
                        j++;
                } else if (length[(i + 1) * w + j] >= length[i * w + j + 1]) {
                        steps(s, GONE, 1);
                        i++;
                } else {
                        steps(s, COME, 1);
                        j++;
                }
        }
        steps(s, GONE, a->n - i);
        steps(s, COME, b->n - j);
}

static int middle(const struct side *a, const struct side *b, struct script *s) {
        uint32_t w = b->n + 1, *length;
        if ((uint64_t)(a->n + 1) * w > MOST_CELLS) {
                steps(s, GONE, a->n);
                steps(s, COME, b->n);
                return 0;
        }
        length = calloc((size_t)(a->n + 1) * w, sizeof *length);
        if (!length)
                return -ENOMEM;
        for (uint32_t i = a->n; i-- > 0;)
                for (uint32_t j = b->n; j-- > 0;) {
                        uint32_t down = length[(i + 1) * w + j], right = length[i * w + j + 1];
                        length[i * w + j] = equal(&a->line[i], &b->line[j]) ? length[(i + 1) * w + j + 1] + 1
                                            : down > right                  ? down
                                                                            : right;
                }
        walk(a, b, length, s);
        free(length);
        return 0;
}

static int compare(const struct side *a, const struct side *b, struct script *s) {
        uint32_t least = a->n < b->n ? a->n : b->n, head = 0, tail = 0;
        while (head < least && equal(&a->line[head], &b->line[head]))
                head++;
        while (tail < least - head && equal(&a->line[a->n - 1 - tail], &b->line[b->n - 1 - tail]))
                tail++;
        struct side ma = {a->line + head, a->n - head - tail}, mb = {b->line + head, b->n - head - tail};
        steps(s, SAME, head);
        int r = middle(&ma, &mb, s);
        steps(s, SAME, tail);
        return r;
}

/* ---- written ---- */

static void put_line(struct hb_buf *out, char sign, const struct line *l) {
        hb_buf_u8(out, (uint8_t)sign);
        hb_buf_raw(out, l->p, l->size);
        hb_buf_u8(out, '\n');
}

/* Steps [from, to), which begin at line i of a and j of b. */
static void put_hunk(const struct side *a, const struct side *b, const struct script *s, uint32_t from,
                     uint32_t to, uint32_t i, uint32_t j, struct hb_buf *out) {
        uint32_t na = 0, nb = 0;
        char head[80];
        for (uint32_t k = from; k < to; k++) {
                na += s->step[k] != COME;
                nb += s->step[k] != GONE;
        }
        int n = snprintf(head, sizeof head, "@@ -%u,%u +%u,%u @@\n", na ? i + 1 : i, na, nb ? j + 1 : j, nb);
        hb_buf_raw(out, head, (size_t)n);
        for (uint32_t k = from; k < to; k++) {
                if (s->step[k] == COME)
                        put_line(out, '+', &b->line[j]);
                else
                        put_line(out, s->step[k] == GONE ? '-' : ' ', &a->line[i]);
                i += s->step[k] != COME;
                j += s->step[k] != GONE;
        }
}

/* The first changed step at or after k; s->n: none. */
static uint32_t next_change(const struct script *s, uint32_t k) {
        while (k < s->n && s->step[k] == SAME)
                k++;
        return k;
}

static void put_hunks(const struct side *a, const struct side *b, const struct script *s,
                      struct hb_buf *out) {
        uint32_t at = 0, i = 0, j = 0;
        for (uint32_t k = next_change(s, 0); k < s->n;) {
                uint32_t from = k > at + AROUND ? k - AROUND : at, last = k, next;
                while ((next = next_change(s, last + 1)) < s->n && next - last <= 2 * AROUND + 1)
                        last = next;
                uint32_t to = last + 1 + AROUND < s->n ? last + 1 + AROUND : s->n;
                for (; at < from; at++) { /* what is equal between two hunks */
                        i++;
                        j++;
                }
                put_hunk(a, b, s, from, to, i, j, out);
                for (; at < to; at++) {
                        i += s->step[at] != COME;
                        j += s->step[at] != GONE;
                }
                k = next;
        }
}

int hb_text_diff(const struct hb_text *a, const struct hb_text *b, struct hb_buf *out) {
        struct side sa = {0}, sb = {0};
        struct script s = {0};
        char head[400];
        int r = split(a, &sa);
        if (r == 0)
                r = split(b, &sb);
        if (r == 0 && !(s.step = malloc((size_t)sa.n + sb.n + 1)))
                r = -ENOMEM;
        if (r == 0)
                r = compare(&sa, &sb, &s);
        if (r == 0 && next_change(&s, 0) < s.n) {
                int n = snprintf(head, sizeof head, "--- %.180s\n+++ %.180s\n", a->label, b->label);
                hb_buf_raw(out, head, (size_t)n);
                put_hunks(&sa, &sb, &s, out);
        }
        free(sa.line);
        free(sb.line);
        free(s.step);
        return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
