/* scaffold_text: what `policy new` writes. Each policy is complete and decides something sensible; each
 * specification passes. The comments say what to change first. */
#include "author/scaffold.h"

#define HEAD                                                                                                 \
        "-- @NAME@: say here in one sentence what it does, then why, and whose idea it was.\n"               \
        "--\n"                                                                                               \
        "-- Columns, methods and limits: docs/POLICY_API.md. While you work on it:\n"                        \
        "--   harbinger policy check FILE     is it sound, and fast enough\n"                                \
        "--   harbinger policy test FILE      does it do what its specification says\n"

static const char predictor[] = HEAD
        "local policy = {\n"
        "  api = 1,\n"
        "  kind = \"predictor\",\n"
        "  name = \"@NAME@\",\n"
        "  version = \"0.1.0\",\n"
        "  params = { -- what an operator may turn while it runs: self.params.fade_s\n"
        "    fade_s = { default = 30, min = 0.1, max = 3600, unit = \"s\", help = \"silence after which a "
        "rate counts "
        "half\" },\n"
        "  },\n"
        "}\n"
        "\n"
        "-- How often will each page be accessed, and written, within the next guest.horizon_s seconds? "
        "`pages` holds\n"
        "-- columns, one number a page: write the formula for one page, it is computed for all of them.\n"
        "function policy:predict(pages, guest)\n"
        "  local goes_on = 1 / (pages.age_s / self.params.fade_s + 1) -- a page silent for long was probably "
        "left\n"
        "  local accesses = (pages.read_heat + pages.write_heat) * guest.horizon_s * goes_on\n"
        "  local writes = pages.write_heat * guest.horizon_s * goes_on\n"
        "  return accesses, writes\n"
        "end\n"
        "\n"
        "return policy\n";

static const char scorer[] =
        HEAD "local policy = {\n"
             "  api = 1,\n"
             "  kind = \"scorer\",\n"
             "  name = \"@NAME@\",\n"
             "  version = \"0.1.0\",\n"
             "  params = { -- what an operator may turn while it runs: self.params.waste\n"
             "    waste = { default = 0.6, min = 0, max = 1, help = \"what a copy costs that is overwritten "
             "before its "
             "use\" },\n"
             "  },\n"
             "}\n"
             "\n"
             "-- What is it worth to have each page on this host now, from -1 (do not) to 1 (at once)? "
             "`pages` holds columns,\n"
             "-- one number a page: write the formula for one page, it is computed for all of them.\n"
             "function policy:score(pages, _link, _guest, _accuracy)\n"
             "  local clean = (-pages.predicted_writes):exp() -- the chance that nothing is written within "
             "the horizon\n"
             "  local use = pages.predicted / (pages.predicted + 1)\n"
             "  return (0.3 + 0.6 * use) * clean - self.params.waste * (1 - clean)\n"
             "end\n"
             "\n"
             "return policy\n";

static const char threshold[] =
        HEAD "local policy = {\n"
             "  api = 1,\n"
             "  kind = \"threshold\",\n"
             "  name = \"@NAME@\",\n"
             "  version = \"0.1.0\",\n"
             "  params = { -- what an operator may turn while it runs: self.params.idle\n"
             "    idle = { default = 0.1, min = -1, max = 1, help = \"the cut on an idle link\" },\n"
             "    busy = { default = 0.6, min = -1, max = 1, help = \"the cut on a full link\" },\n"
             "  },\n"
             "}\n"
             "\n"
             "-- From which score on is a page fetched? -1: all of them; above 1: none.\n"
             "function policy:threshold(_scores, link, guest, _accuracy)\n"
             "  if guest.draining then\n"
             "    return -1 -- a migration was asked for: everything has to go\n"
             "  end\n"
             "  return self.params.idle + (self.params.busy - self.params.idle) * link.used_share\n"
             "end\n"
             "\n"
             "return policy\n";

const char *const hb_author_policy_text[HB_POLICY_KINDS] = {predictor, scorer, threshold};

#define SPEC_HEAD                                                                                            \
        "-- What @NAME@ promises. Run by: harbinger policy test spec/@NAME@_spec.lua\n"                      \
        "local harbinger = require \"harbinger\"\n"                                                          \
        "\n"

static const char predictor_spec[] =
        SPEC_HEAD "describe(\"@NAME@\", function()\n"
                  "  -- Ninety seconds of a guest: a hot set, a scan that goes round, and pages that return "
                  "every 20 s.\n"
                  "  local function guest()\n"
                  "    return harbinger.pages { pages = 8192, seed = 1 }\n"
                  "      :hot { from = 0, pages = 64 }\n"
                  "      :scan { from = 1024, pages = 4096, per_s = 50 }\n"
                  "      :returning { from = 6144, pages = 128, every_s = 20, for_s = 3 }\n"
                  "  end\n"
                  "\n"
                  "  it(\"expects more of a hot page than of one a scan has passed\", function()\n"
                  "    local policy, pages = harbinger.policy \"predict/@NAME@.lua\", guest():run(60)\n"
                  "    local accesses = policy:predict(pages)\n"
                  "    assert.is_true(pages:of(accesses, 7) > pages:of(accesses, 1030))\n"
                  "  end)\n"
                  "\n"
                  "  it(\"finds most of what will be accessed\", function()\n"
                  "    local policy, pages = harbinger.policy \"predict/@NAME@.lua\", guest()\n"
                  "    pages:run(60, policy) -- it observes, rehearses and learns as beside a guest\n"
                  "    assert.is_true(pages:judge(policy:predict(pages)).f1 > 0.1)\n"
                  "  end)\n"
                  "end)\n";

static const char scorer_spec[] =
        SPEC_HEAD "describe(\"@NAME@\", function()\n"
                  "  local policy = harbinger.policy \"score/@NAME@.lua\"\n"
                  "\n"
                  "  it(\"prefers a page in use to one that is not\", function()\n"
                  "    local scores = policy:score { predicted = { 5, 0 } }\n"
                  "    assert.is_true(scores[1] > scores[2])\n"
                  "  end)\n"
                  "\n"
                  "  it(\"leaves a page alone that will be overwritten\", function()\n"
                  "    local scores = policy:score { predicted = { 5, 5 }, predicted_writes = { 0, 5 } }\n"
                  "    assert.is_true(scores[1] > 0 and scores[2] < 0)\n"
                  "  end)\n"
                  "end)\n";

static const char threshold_spec[] =
        SPEC_HEAD "describe(\"@NAME@\", function()\n"
                  "  local policy = harbinger.policy \"threshold/@NAME@.lua\"\n"
                  "\n"
                  "  it(\"asks for more the busier the link is\", function()\n"
                  "    local idle = policy:threshold({}, { used_share = 0 })\n"
                  "    local full = policy:threshold({}, { used_share = 1 })\n"
                  "    assert.is_true(full > idle)\n"
                  "  end)\n"
                  "\n"
                  "  it(\"lets everything pass once a migration was asked for\", function()\n"
                  "    assert.are.equal(-1, policy:threshold({}, { used_share = 1 }, { draining = true }))\n"
                  "  end)\n"
                  "end)\n";

const char *const hb_author_spec_text[HB_POLICY_KINDS] = {predictor_spec, scorer_spec, threshold_spec};
