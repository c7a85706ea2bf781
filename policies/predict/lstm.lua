-- The learned model (nn/model.h): an LSTM over each block's past, and what is known of the page, give the chance that the page is
-- accessed, and written, within the horizon.
--
-- A model earns its place on each guest: it answers while it names more of the lessons' pages rightly than the best of the plain
-- predictors does (lib/contest), else that one answers, and the status says so. The same while no model is loaded.
-- Sources: one small network for many pages: Doudali et al., "Kleio: a hybrid memory page scheduler with machine intelligence",
-- HPDC 2019; Shi et al., "A hierarchical neural model of data prefetching" (Voyager), ASPLOS 2021.
local contest = hb.use "lib/contest"
local panel = hb.use "lib/panel"

local lstm = {
  api = 1,
  kind = "predictor",
  name = "lstm",
  version = "1.0.0",
  history = true,
  params = {
    guard = { default = true, type = "boolean", help = "use the model only where it beats the best baseline" },
    caution = { default = 0.5, min = 0, max = 10, help = "how sure another must be better before it is believed" },
    margin = { default = 0.005, min = 0, max = 1, help = "F1 by which another must be ahead to become the leader" },
  },
}

local MODEL = "model"

local accesses_by, writes_by = contest.new(panel.NAMES), contest.new(panel.NAMES)
local loaded -- whether there was a model when last asked; nil: not asked yet

local function rounded(f1)
  return f1 and tostring(math.floor(f1 * 1000 + 0.5) / 1000) or "unknown"
end

local function note(guard)
  local by = accesses_by:leading()
  if loaded == false then
    hb.note("no model: " .. (guard and by or "recency") .. " answers")
  elseif not guard then
    hb.note("model used always (guard = false)")
  elseif by == MODEL then
    hb.note("model used: F1 " .. rounded(accesses_by:score(MODEL)) .. " of recent lessons, the best")
  elseif accesses_by.lessons == 0 then
    hb.note("model not used yet: no lesson has ended")
  else
    hb.note(
      "model not used: " .. by .. " better (F1 " .. rounded(accesses_by:score(by)) .. ", model "
        .. rounded(accesses_by:score(MODEL)) .. ")"
    )
  end
end

function lstm:observe(epoch, guest)
  if self.params.guard then
    panel.observe(epoch, guest)
  end
end

function lstm:rehearse(pages, guest, lesson)
  if not self.params.guard then
    return
  end
  local accesses, writes = panel.ask_all(pages, guest, true)
  loaded = accesses[#panel.NAMES] ~= nil
  accesses_by:rehearse(lesson, accesses)
  writes_by:rehearse(lesson, writes)
end

function lstm:learn(outcome)
  local accesses, writes = accesses_by:take(outcome.lesson), writes_by:take(outcome.lesson)
  for _, c in ipairs { accesses_by, writes_by } do
    c.caution, c.margin = self.params.caution, self.params.margin
  end
  if accesses and writes then
    accesses_by:learn(accesses, outcome.accessed, outcome.budget, outcome.horizon_s)
    writes_by:learn(writes, outcome.written, outcome.budget_writes, outcome.horizon_s)
  end
  note(self.params.guard)
end

local function always_the_model(pages, guest)
  local accesses, writes = panel.ask(MODEL, pages, guest)
  loaded = accesses ~= nil
  if loaded then
    return accesses, writes
  end
  return panel.ask("recency", pages, guest)
end

function lstm:predict(pages, guest)
  if not self.params.guard then
    local accesses, writes = always_the_model(pages, guest)
    note(false)
    return accesses, writes
  end
  local by, writes_of = accesses_by:leading(), writes_by:leading()
  local accesses, writes = panel.answer(by, pages, guest)
  if writes_of ~= by then
    local _, others = panel.answer(writes_of, pages, guest)
    writes = others
  end
  return accesses, writes
end

function lstm:save()
  return { accesses = accesses_by:save(), writes = writes_by:save() }
end

function lstm:restore(kept)
  accesses_by:restore(kept.accesses)
  writes_by:restore(kept.writes)
end

return lstm
