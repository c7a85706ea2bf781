/* model train: a model from traces. */
#include "base/units.h"
#include "cli/model_view.h"
#include "cli/table.h"
#include "cli/work.h"
#include "draw/format.h"
#include "learn/train.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WORDS 256

struct lists {
        const char *words[MOST_WORDS]; /* into text */
        char *text;
};

/* ---- the command line ---- */

/* "0.2" is a share of the lessons, anything else names traces. */
static int read_validate(struct hb_cli *c, struct hb_train_options *o, struct lists *l, struct hb_err *e) {
        const char *value = hb_cli_value(c, "validate");
        double share;
        char *save;

        if (!value)
                return 0;
        if (hb_cli_read_number(HB_CLI_REAL, value, &share)) {
                if (!(share >= 0 && share < 0.9))
                        return hb_err_set(e, -EINVAL, value, "a share from 0 to 0.9, or traces with commas",
                                          "--validate cannot be understood");
                o->validate_share = share;
                o->validate_none = share == 0;
                return 0;
        }
        l->text = strdup(value);
        if (!l->text)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        for (char *w = strtok_r(l->text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
                if (o->nvalidate == MOST_WORDS)
                        return hb_err_set(e, -E2BIG, "--validate", NULL, "at most %d traces", MOST_WORDS);
                l->words[o->nvalidate++] = w;
        }
        o->validate = l->words;
        return 0;
}

static int read_horizons(struct hb_cli *c, struct hb_dataset_options *d, struct hb_err *e) {
        const char *list = hb_cli_value(c, "horizon");
        char one[32];

        for (const char *p = list; p && *p; p += *p == ',') {
                size_t n = strcspn(p, ",");
                double s;

                snprintf(one, sizeof(one), "%.*s", (int)(n < 31 ? n : 31), p);
                if (d->nhorizons == HB_DATASET_HORIZONS || !hb_cli_read_number(HB_CLI_REAL, one, &s) ||
                    !(s >= 1 && s <= 300))
                        return hb_err_set(e, -EINVAL, list, "up to 8 of 1 to 300 s with commas: 5,10,30",
                                          "--horizon cannot be understood");
                d->horizons[d->nhorizons++] = s;
                p += n;
        }
        return 0;
}

static int read_options(struct hb_cli *c, struct hb_train_options *o, struct lists *l, struct hb_err *e) {
        const char *memory = hb_cli_value(c, "memory"), *note = hb_cli_value(c, "note");
        int r = read_validate(c, o, l, e);

        o->traces = c->words;
        o->ntraces = c->nwords;
        o->out = hb_cli_value(c, "output");
        o->from = hb_cli_value(c, "from");
        o->resume = hb_cli_flag(c, "resume");
        o->seed = (uint64_t)hb_cli_number(c, "seed");
        o->passes = (uint32_t)hb_cli_number(c, "epochs");
        o->patience = (uint32_t)hb_cli_number(c, "patience");
        o->hidden = (uint32_t)hb_cli_number(c, "hidden");
        o->dense = (uint32_t)hb_cli_number(c, "dense");
        o->steps = (uint32_t)hb_cli_number(c, "steps");
        o->data.pages = (uint32_t)hb_cli_number(c, "pages");
        o->trainer.rate = (float)hb_cli_number(c, "rate");
        snprintf(o->note, sizeof(o->note), "%s", note ? note : "");
        if (r == 0 && memory && (hb_units_bytes(memory, &o->memory_bytes) < 0 || o->memory_bytes < 1u << 20))
                r = hb_err_set(e, -EINVAL, memory, "a size from 1 MiB: 512MiB, 2GiB",
                               "--memory cannot be understood");
        return r < 0 ? r : read_horizons(c, &o->data, e);
}

/* ---- running ---- */

static int on_progress(void *arg, const struct hb_train_progress *p) {
        char what[150];
        double done = p->of ? (double)p->at / (double)p->of : 0;
        int n;

        if (p->pass == 0)
                return hb_cli_work_share(arg, 0, "gathering lessons");
        n = snprintf(what, sizeof(what), "pass %u of %u", p->pass, p->passes);
        if (isfinite(p->loss))
                n += snprintf(what + n, sizeof(what) - (size_t)n, ", loss %.4f", p->loss);
        if (isfinite(p->validation))
                n += snprintf(what + n, sizeof(what) - (size_t)n, ", validation %.4f (best %.4f)",
                              p->validation, p->best);
        if (p->pages_per_s > 0)
                snprintf(what + n, sizeof(what) - (size_t)n, ", %.0f k pages/s", p->pages_per_s / 1000);
        return hb_cli_work_share(arg, (p->pass - 1 + done) / p->passes, what);
}

static json_t *result_json(const char *out, const struct hb_train_result *r) {
        json_t *o = json_pack("{s:s,s:i,s:i,s:b,s:b,s:I,s:I,s:I,s:I}", "file", out, "passes", (int)r->passes,
                              "best_pass", (int)r->best_pass, "resumed", r->resumed, "stopped_early",
                              r->stopped_early, "lessons", (json_int_t)r->lessons, "held_back",
                              (json_int_t)r->held_back, "pages", (json_int_t)r->pages, "bad_steps",
                              (json_int_t)r->bad_steps);

        hb_cli_set(o, "loss", hb_model_real(r->loss));
        hb_cli_set(o, "validation", hb_model_real(r->validation));
        hb_cli_set(o, "validation_untrained", hb_model_real(r->untrained));
        hb_cli_set(o, "took_s", hb_model_real(r->took_s));
        hb_cli_set(o, "model", hb_model_card_json(&r->model));
        return o;
}

static void show(struct hb_cli *c, const char *out, const struct hb_train_result *r) {
        char text[300], num[HB_FMT_SIZE];

        hb_cli_field(c, "model", out);
        snprintf(text, sizeof(text), "%llu of %llu pages, %llu held back", (unsigned long long)r->lessons,
                 (unsigned long long)r->pages, (unsigned long long)r->held_back);
        hb_cli_field(c, "lessons", text);
        snprintf(text, sizeof(text), "%u%s%s, the best was %u, %s", r->passes, r->resumed ? ", resumed" : "",
                 r->stopped_early ? ", stopped early" : "", r->best_pass, hb_fmt_seconds(r->took_s, num));
        hb_cli_field(c, "passes", text);
        snprintf(text, sizeof(text), "%.4f; on what was held back %.4f, untrained %.4f", r->loss,
                 r->validation, r->untrained);
        hb_cli_field(c, "loss", text);
        hb_model_card_show(c, &r->model);
}

static int run_train(struct hb_cli *c, struct hb_err *e) {
        struct hb_train_options o = {0};
        struct hb_train_result res;
        struct hb_cli_work work;
        struct lists lists = {0};
        int r = read_options(c, &o, &lists, e);

        if (r == 0) {
                hb_cli_work_begin(&work, c, "training");
                r = hb_train_run(&o, on_progress, &work, &res, e);
                hb_cli_work_end(&work);
        }
        free(lists.text);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result_json(o.out, &res), e);
        show(c, o.out, &res);
        return 0;
}

const struct hb_cli_command hb_cli_model_train = {
        .name = "model train",
        .summary = "train a model on traces",
        .about = "Every 5 s of a trace's time, at each horizon, a sample of pages is looked at as the model "
                 "sees "
                 "them in a running placement, and labelled by what follows. Training stops when the loss on "
                 "lessons that are held back (the last of each trace, or other traces) has not fallen for "
                 "some "
                 "passes; the best weights are kept. Stopped by ctrl-C, the same command with --resume goes "
                 "on "
                 "after the last whole pass and ends with the same model. The same traces, options and seed "
                 "give the same model on one machine.",
        .examples = {"model train vm1.hbt vm2.hbt -o mine.hbm",
                     "model train *.hbt -o mine.hbm --validate other.hbt",
                     "model train *.hbt -o mine.hbm --resume  # goes on after ctrl-C",
                     "model train vm1.hbt -o vm1.hbm --from mine.hbm --rate 0.0005"},
        .operands = {{"TRACE", HB_CLI_TEXT, .many = true}},
        .options =
                {{"output", 'o', HB_CLI_TEXT, "FILE", true, 0, 0,
                  "the model to write; replaced when it is there"},
                 {"validate", 0, HB_CLI_TEXT, "SHARE|TRACE,...", false, 0, 0,
                  "what is held back: a share of each trace's end (default: 0.15), or these traces"},
                 {"epochs", 0, HB_CLI_COUNT, "N", false, 1, 10000,
                  "passes over all lessons at most (default: 30)"},
                 {"patience", 0, HB_CLI_COUNT, "N", false, 1, 10000,
                  "stop after N passes without a better validation (default: 5)"},
                 {"resume", 0, HB_CLI_FLAG, NULL, false, 0, 0, "go on where a run that was stopped left off"},
                 {"seed", 0, HB_CLI_COUNT, "N", false, 1, 9e15, "of weights, samples and order (default: 1)"},
                 {"hidden", 0, HB_CLI_COUNT, "N", false, 1, 256, "cells of the LSTM (default: 32)"},
                 {"dense", 0, HB_CLI_COUNT, "N", false, 1, 512, "width of the layer after it (default: 48)"},
                 {"rate", 0, HB_CLI_REAL, "R", false, 1e-7, 1, "of learning (default: 0.001)"},
                 {"steps", 0, HB_CLI_COUNT, "N", false, 1, 1000, "mini-batches for each lesson (default: 2)"},
                 {"horizon", 0, HB_CLI_TEXT, "S,...", false, 0, 0, "to look ahead (default: 5,10,30)"},
                 {"pages", 0, HB_CLI_COUNT, "N", false, 8, 65536, "of a lesson (default: 384)"},
                 {"memory", 0, HB_CLI_TEXT, "SIZE", false, 0, 0,
                  "for lessons; fewer moments are taken where it is short (default: 512MiB)"},
                 {"from", 0, HB_CLI_TEXT, "MODEL", false, 0, 0, "begin with the weights of this model"},
                 {"note", 0, HB_CLI_TEXT, "TEXT", false, 0, 0, "in the model (default: the traces' names)"}},
        .run = run_train,
};
