/* model eval: a model beside every baseline, on traces. */
#include "cli/model_view.h"
#include "cli/work.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define POLICIES "/usr/share/harbinger/policies"

static int on_cells(void *arg, double share, unsigned done, unsigned of) {
        char what[60];

        snprintf(what, sizeof(what), "%u of %u cells", done, of);
        return hb_cli_work_share(arg, share, what);
}

static int read_options(struct hb_cli *c, struct hb_eval_options *o, struct hb_err *e) {
        const char *budget = hb_cli_value(c, "budget");

        o->traces = c->words;
        o->ntraces = c->nwords;
        o->policy_dir = hb_cli_flag(c, "policies") ? hb_cli_value(c, "policies") : POLICIES;
        o->model = hb_cli_value(c, "model");
        o->baselines = hb_cli_value(c, "baselines");
        o->learned = hb_cli_value(c, "learned");
        o->horizons = hb_cli_value(c, "horizon");
        o->jobs = (unsigned)hb_cli_number(c, "jobs");
        o->seed = (uint64_t)hb_cli_number(c, "seed");
        o->finetune = hb_cli_flag(c, "frozen") ? -1 : (int)hb_cli_number(c, "finetune");
        o->oracle_budget = budget && strcmp(budget, "oracle") == 0;
        if (budget && !o->oracle_budget && strcmp(budget, "working-set") != 0)
                return hb_err_set(e, -EINVAL, budget, "working-set or oracle",
                                  "--budget cannot be understood");
        return 0;
}

static int run_eval(struct hb_cli *c, struct hb_err *e) {
        struct hb_eval_options o = {0};
        struct hb_eval *v = NULL;
        struct hb_cli_work work;
        int r = read_options(c, &o, e);

        if (r < 0)
                return r;
        hb_cli_work_begin(&work, c, "evaluating");
        r = hb_eval_run(&o, on_cells, &work, &v, e);
        hb_cli_work_end(&work);
        if (r == 0 && c->json) {
                json_t *j = hb_model_eval_json(v);

                r = j ? hb_cli_print_json(c, j, e) : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        } else if (r == 0) {
                hb_model_eval_show(c, v);
        }
        hb_eval_free(v);
        return r;
}

const struct hb_cli_command hb_cli_model_eval = {
        .name = "model eval",
        .summary = "put a model beside every baseline, on traces",
        .about = "Each trace is replayed with each predictor and horizon through the production engine, and "
                 "predictions are judged as docs/POLICY_API.md says, with equal budgets. A learned predictor "
                 "stands twice: frozen, with the model as it is in its file, and tuned, trained on the way "
                 "by what "
                 "the guest does. Traces that the model was trained on flatter it: give others.",
        .examples = {"model eval vm3.hbt --model mine.hbm", "model eval *.hbt --horizon 10 --json",
                     "model eval vm3.hbt --baselines recency,lfu --frozen"},
        .operands = {{"TRACE", HB_CLI_TEXT, .many = true}},
        .options = {{"model", 0, HB_CLI_TEXT, "FILE", false, 0, 0,
                     "default: models/default.hbm of the policies"},
                    {"policies", 0, HB_CLI_TEXT, "DIR", false, 0, 0,
                     "has predict/, and models/ (default: " POLICIES ")"},
                    {"horizon", 0, HB_CLI_TEXT, "S,...", false, 0, 0, "to look ahead (default: 5,10,30)"},
                    {"baselines", 0, HB_CLI_TEXT, "NAME,...", false, 0, 0,
                     "default: recency,ewma,lfu,majority,markov,periodic,blend"},
                    {"learned", 0, HB_CLI_TEXT, "NAME,...", false, 0, 0,
                     "predictors that ask the model (default: lstm)"},
                    {"budget", 0, HB_CLI_TEXT, "HOW", false, 0, 0,
                     "pages a prediction may name: working-set (default) or oracle", "working-set oracle"},
                    {"finetune", 0, HB_CLI_COUNT, "N", false, 1, 100000,
                     "steps of training for each lesson on the way"},
                    {"frozen", 0, HB_CLI_FLAG, NULL, false, 0, 0, "leave out the tuned ones"},
                    {"seed", 0, HB_CLI_COUNT, "N", false, 1, 9e15, "of policies and training (default: 1)"},
                    {"jobs", 'j', HB_CLI_COUNT, "N", false, 1, 256,
                     "cells at a time (default: one a processor)"}},
        .run = run_eval,
};
