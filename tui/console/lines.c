/* lines: the views without a screen. --json and --csv wait until the daemons have said what the view needs,
 * print it and end. --plain prints a view as lines, again each period, or, where somebody types, when asked:
 * a line is an action's name ("down", "filter web", "migrate") or a key's, a question is answered by the next
 * line, an empty line shows the view again. It is the console for screen readers, and for scripts that act.
 */
#include "console/app.h"
#include "draw/doc_out.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_NS   (400 * 1000000ll)   /* nothing new for so long: all is there */
#define PATIENCE_NS (5 * HB_APP_SECOND) /* for a daemon that does not answer */

static bool all_heard(const struct hb_app *a, const struct hb_err **ret_why) {
        bool all = true;

        for (unsigned i = 0; i < hb_world_seats(a->world); i++) {
                const struct hb_seat *s = hb_world_seat(a->world, i);

                if (s && !s->tick) {
                        all = false;
                        if (s->why.code)
                                *ret_why = &s->why;
                }
        }
        return all;
}

static bool any_heard(const struct hb_app *a) {
        for (unsigned i = 0; i < hb_world_seats(a->world); i++) {
                const struct hb_seat *s = hb_world_seat(a->world, i);

                if (s && s->tick)
                        return true;
        }
        return false;
}

/* Until every daemon has said something, or cannot be had. */
static int wait_for_ticks(struct hb_app *a, struct hb_err *e) {
        int64_t until = a->now_ns + PATIENCE_NS;
        const struct hb_err *why = NULL;

        while (!a->quit && !all_heard(a, &why)) {
                if (a->now_ns >= until ||
                    (why && !a->o->demo && a->now_ns >= until - PATIENCE_NS + HB_APP_SECOND))
                        break;
                hb_app_wait(a, -1, 100, NULL);
                hb_app_players_watch(a);
        }
        if (a->failed.code) {
                *e = a->failed;
                return a->failed.code;
        }
        if (any_heard(a) || a->quit)
                return 0;
        if (why) {
                *e = *why;
                if (e->code == -ENOENT)
                        e->code = -ECONNREFUSED; /* no socket is no daemon, not "no such guest" */
                return e->code;
        }
        return hb_err_set(e, -ETIMEDOUT, NULL, "harbinger doctor", "no daemon has answered in %lld s",
                          PATIENCE_NS / HB_APP_SECOND);
}

/* Who named a guest wants that one: its absence is a failure, not a view. */
static int check_subject(const struct hb_app *a, struct hb_err *e) {
        bool of_guest =
                a->view == HB_VIEW_GUEST || a->view == HB_VIEW_PLACEMENT || a->view == HB_VIEW_MIGRATION;

        if (!a->o->subject || !of_guest || hb_world_guest(a->world, a->o->subject))
                return 0;
        return hb_err_set(e, -ENOENT, a->o->subject,
                          "harbinger console --plain --view overview --ticks 1 lists them",
                          "no such guest on the hosts looked at");
}

/* The view asks for its details while it is built; built again until nothing new comes. */
static void settle(struct hb_app *a) {
        int64_t began = a->now_ns, last = a->now_ns;

        hb_app_build(a);
        while (!a->quit && a->now_ns - last < SETTLE_NS && a->now_ns - began < PATIENCE_NS) {
                if (hb_world_asking(a->world))
                        last = a->now_ns;
                if (hb_app_wait(a, -1, 50, NULL) || !hb_world_asking(a->world)) {
                        hb_app_build(a);
                        if (!hb_world_asking(a->world))
                                break;
                }
        }
}

static int print(struct hb_app *a) {
        FILE *out = a->o->stream;
        int r = 0;
        json_t *j;

        if (!a->doc)
                return -ENOMEM;
        if (a->o->out == HB_OUT_PLAIN) {
                r = hb_doc_plain(a->doc, hb_app_memory(a)->place.row, a->utf8, out);
                fputc('\n', out);
        } else if (a->o->out == HB_OUT_CSV) {
                r = hb_doc_csv(a->doc, out);
        } else {
                j = hb_doc_json(a->doc);
                r = !j || json_dumpf(j, out, a->o->ticks > 1 ? JSON_COMPACT : JSON_INDENT(2)) < 0 ||
                                    fputc('\n', out) == EOF
                            ? -EIO
                            : 0;
                json_decref(j);
        }
        return fflush(out) != 0 || ferror(out) ? -EIO : r;
}

/* ---- typed lines ---- */
static void tell(struct hb_app *a) {
        FILE *out = a->o->err;

        if (a->prompt.kind != HB_PROMPT_NONE) {
                fprintf(out, "? %s", a->prompt.question);
                if (a->prompt.kind == HB_PROMPT_CONFIRM)
                        fprintf(out, ". Type %s to do it, anything else not to.", a->prompt.wanted);
                for (unsigned i = 0; i < a->prompt.nchoices; i++)
                        fprintf(out, "%s%s", i ? ", " : " One of: ", a->prompt.choices[i]);
                if (a->prompt.text[0])
                        fprintf(out, " (empty: %s)", a->prompt.text);
                fputc('\n', out);
        }
        if (a->message[0]) {
                const char *sign = a->message_style == HB_STYLE_BAD    ? "error: "
                                   : a->message_style == HB_STYLE_WARN ? "warning: "
                                                                       : "";

                fprintf(out, "%s%s\n", sign, a->message);
                a->message[0] = '\0';
        }
        fflush(out);
}

static void answer(struct hb_app *a, const char *line) {
        enum hb_prompt_end end;

        if (line[0] || a->prompt.kind == HB_PROMPT_CONFIRM)
                snprintf(a->prompt.text, sizeof(a->prompt.text), "%s", line);
        end = hb_prompt_key(&a->prompt, HB_KEY_ENTER);
        if (end == HB_PROMPT_TAKEN) {
                char text[HB_PROMPT_TEXT];

                memcpy(text, a->prompt.text, sizeof(text));
                hb_app_answer(a, text);
        } else if (end == HB_PROMPT_CANCELLED) {
                hb_app_cancel(a);
        } else {
                hb_app_say(a, HB_STYLE_WARN, "\"%s\" is none of them", line);
                a->prompt.text[0] = '\0';
        }
}

/* "filter web", "guest vm1", "down", "m" */
static void obey(struct hb_app *a, char *line) {
        char *rest = line + strcspn(line, " \t");
        enum hb_action action;
        int key;

        if (*rest)
                *rest++ = '\0';
        rest += strspn(rest, " \t");
        if (!line[0])
                return;
        action = hb_action_from_name(line);
        if (action == HB_DO_NONE && hb_key_from_name(line, &key) == 0)
                action = hb_keymap_get(a->config->keys, key);
        if (action == HB_DO_NONE) {
                hb_app_say(a, HB_STYLE_WARN, "\"%s\" is no action; help lists them", line);
                return;
        }
        if (action == HB_DO_FILTER) {
                hb_app_remember(a);
                snprintf(hb_app_memory(a)->order.filter, sizeof(a->filter_before), "%s", rest);
                return;
        }
        hb_app_act(a, action);
        if (rest[0] && hb_action_group(action) == HB_GROUP_VIEW)
                hb_app_go(a, a->view, rest);
        else if (rest[0] && a->prompt.kind == HB_PROMPT_ASK)
                answer(a, rest);
}

static void take_line(struct hb_app *a, char *line) {
        line[strcspn(line, "\r\n")] = '\0';
        if (a->prompt.kind != HB_PROMPT_NONE)
                answer(a, line);
        else
                obey(a, line);
        tell(a);
}

/* Lines from standard input without waiting for whole ones. */
struct input {
        char buf[1024];
        size_t n;
        bool ended;
};

/* One line is taken at a time, and shown what came of it, so that a script's next one finds its question. */
static bool next_line(struct input *in, char line[sizeof(((struct input *)0)->buf)]) {
        char *end = memchr(in->buf, '\n', in->n);
        size_t n;

        if (!end && in->n < sizeof(in->buf) - 1 && !(in->ended && in->n > 0))
                return false;
        n = end ? (size_t)(end - in->buf) : in->n;
        memcpy(line, in->buf, n);
        line[n] = '\0';
        n += end != NULL;
        memmove(in->buf, in->buf + n, in->n - n);
        in->n -= n;
        return true;
}

static void read_more(struct input *in) {
        ssize_t n;

        if (in->n >= sizeof(in->buf) - 1)
                return;
        n = read(STDIN_FILENO, in->buf + in->n, sizeof(in->buf) - 1 - in->n);
        if (n > 0)
                in->n += (size_t)n;
        else if (n == 0 || (errno != EINTR && errno != EAGAIN))
                in->ended = true;
}

/* What was ordered is waited for, so that the next line finds it done. */
static void wait_for_orders(struct hb_app *a) {
        while (!a->quit && hb_app_under_way(a) > 0) {
                hb_app_wait(a, -1, 500, NULL);
                if (a->message[0])
                        tell(a);
        }
        if (a->message[0])
                tell(a);
}

static int plain(struct hb_app *a, struct hb_err *e) {
        bool typed = isatty(STDIN_FILENO), input, due = true;
        struct input in = {.ended = false};
        char line[sizeof(in.buf)];
        unsigned shown = 0;
        int64_t next = a->now_ns;
        int r = 0;

        while (!a->quit && r == 0) {
                if (due) {
                        settle(a);
                        r = print(a);
                        shown++;
                        next = a->now_ns + a->every_ns;
                        if (a->o->ticks && shown >= a->o->ticks)
                                break;
                }
                hb_app_wait(a, in.ended ? -1 : STDIN_FILENO, typed && !a->o->every_s ? 500 : 100, &input);
                hb_app_players_watch(a);
                if (a->message[0])
                        tell(a);
                if (input && !in.ended)
                        read_more(&in);
                due = (!typed || a->o->every_s > 0) && a->now_ns >= next && a->prompt.kind == HB_PROMPT_NONE;
                while (!a->quit && next_line(&in, line)) {
                        take_line(a, line);
                        wait_for_orders(a);
                        due = a->prompt.kind == HB_PROMPT_NONE;
                        if (due)
                                settle(a);
                }
        }
        return r < 0 && r != -ENOMEM ? hb_err_set(e, r, NULL, NULL, "the output cannot be written") : r;
}

int hb_app_lines(struct hb_app *a, struct hb_err *e) {
        unsigned n = a->o->ticks ? a->o->ticks : 1;
        int r;

        a->now_ns = hb_app_clock();
        r = wait_for_ticks(a, e);
        if (r == 0 && !a->quit)
                r = check_subject(a, e);
        if (r < 0)
                return r;
        if (a->o->out == HB_OUT_PLAIN)
                return plain(a, e);
        for (unsigned i = 0; i < n && !a->quit && r == 0; i++) {
                int64_t next = a->now_ns + a->every_ns;

                settle(a);
                r = print(a);
                while (i + 1 < n && !a->quit && a->now_ns < next)
                        hb_app_wait(a, -1, (int)((next - a->now_ns) / 1000000) + 1, NULL);
        }
        return r < 0 ? hb_err_set(e, r, NULL, NULL, "the output cannot be written") : 0;
}
