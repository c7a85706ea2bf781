-- The learned model (nn/model.h): an LSTM over each block's past, and what is known of the page, give the chance that the page is
-- accessed, and written, within the horizon.
--
-- A model has to keep its place on each guest. It begins *anchored*: a fifth of each chance is how lately the page was accessed,
-- which costs a good model little and holds a bad one near recency (lib/panel). When lessons say that the model alone, or one of
-- the plain predictors, names more pages rightly, and by more than chance explains (lib/contest), that one answers, and the
-- status says so. While no model is loaded it begins with recency.
-- Sources: one small network for many pages: Doudali et al., "Kleio: a hybrid memory page scheduler with machine intelligence",
-- HPDC 2019; Shi et al., "A hierarchical neural model of data prefetching" (Voyager), ASPLOS 2021.
local jury = hb.use "lib/jury"
local panel = hb.use "lib/panel"

local lstm = {
  api = 1,
  kind = "predictor",
  name = "lstm",
  version = "1.0.0",
  history = true,
  params = {
    guard = { default = true, type = "boolean", help = "use the model only where it beats the best baseline" },
    caution = { default = 1, min = 0, max = 10, help = "how sure another must be better before it is believed" },
    margin = { default = 0.005, min = 0, max = 1, help = "F1 by which another must be ahead to become the leader" },
  },
}

local MODEL, ANCHORED = "model", "anchored"

local judges = jury.new()
local loaded -- whether there was a model when last asked; nil: not asked yet

local function rounded(f1)
  return f1 and tostring(math.floor(f1 * 1000 + 0.5) / 1000) or "unknown"
end

local function note(guard)
  local by = judges.accesses:leading()
  if loaded == false then
    hb.note("no model: " .. (guard and by or "recency") .. " answers")
  elseif not guard then
    hb.note("model used always (guard = false)")
  elseif by == ANCHORED and judges.accesses.lessons == 0 then
    hb.note("model used, held to recency: no lesson has ended")
  elseif by == ANCHORED then
    hb.note("model used, held to recency: F1 " .. rounded(judges.accesses:score(by)) .. " of recent lessons, the best")
  elseif by == MODEL then
    hb.note("model used: F1 " .. rounded(judges.accesses:score(MODEL)) .. " of recent lessons, the best")
  elseif judges.accesses.lessons == 0 then
    hb.note("model not used yet: no lesson has ended")
  else
    hb.note(
      "model not used: " .. by .. " better (F1 " .. rounded(judges.accesses:score(by)) .. ", model "
        .. rounded(math.max(judges.accesses:score(MODEL) or 0, judges.accesses:score(ANCHORED) or 0)) .. ")"
    )
  end
end

function lstm:observe(epoch, guest)
  if self.params.guard then
    judges:observe(epoch, guest)
  end
end

function lstm:rehearse(pages, guest, lesson)
  if self.params.guard then
    loaded = judges:rehearse(pages, guest, lesson, true)
  end
end

function lstm:learn(outcome)
  if self.params.guard then
    judges:learn(outcome, self.params)
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
  if self.params.guard then
    return judges:answer(pages, guest)
  end
  local accesses, writes = always_the_model(pages, guest)
  note(false)
  return accesses, writes
end

function lstm:save()
  return { judges = judges:save() }
end

function lstm:restore(kept)
  judges:restore(kept.judges)
end

return lstm
