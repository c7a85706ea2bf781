-- Whom to believe on this guest: asks every predictor about each lesson's sample, and answers by the one that has lately named
-- the most pages rightly; for accesses and for writes on their own.
--
-- No baseline wins everywhere: recency where a program stays, markov where phases come again, majority where it walks through
-- memory. Averages of them were tried (ranks, chances, exponential weights) and were no better than the best one, so the leader
-- answers alone, chosen with care (lib/contest). One thing is added to it: pages ahead of streams, many of which were never
-- touched, so that no other predictor can name them. As many quarters of the way ahead are named first as that would have paid in
-- the lessons of late (lib/ahead). Before lessons say more: the model held to recency (lib/panel), or recency where there is no
-- model, and all that is ahead.
-- Sources: Herbster, Warmuth, "Tracking the best expert", Machine Learning 32, 1998; see also the predictors' own.
local ahead = hb.use "lib/ahead"
local jury = hb.use "lib/jury"
local panel = hb.use "lib/panel"

local blend = {
  api = 1,
  kind = "predictor",
  name = "blend",
  version = "1.0.0",
  history = true,
  params = {
    caution = { default = 1, min = 0, max = 10, help = "how sure another must be better before it is believed" },
    margin = { default = 0.005, min = 0, max = 1, help = "F1 by which another must be ahead to become the leader" },
    ahead = { default = true, type = "boolean", help = "name pages ahead of streams" },
    model = { default = true, type = "boolean", help = "the learned model is among those asked" },
  },
}

local judges, streams = jury.new(), ahead.new()

function blend:observe(epoch, guest)
  judges:observe(epoch, guest)
  streams:observe(epoch.runs)
end

function blend:rehearse(pages, guest, lesson)
  judges:rehearse(pages, guest, lesson, self.params.model)
  streams:issue(lesson, panel.majority:ahead(guest), judges.census.ever, pages, guest)
end

local function status()
  local leader = judges.accesses:leading()
  local f1 = judges.accesses:score(leader)
  local how = f1 and " (F1 " .. tostring(math.floor(f1 * 1000 + 0.5) / 1000) .. " of recent lessons)" or ""
  hb.note("by " .. leader .. how .. ", writes by " .. judges.writes:leading())
end

function blend:learn(outcome)
  local leading, weight, room = judges:learn(outcome, self.params)
  if leading then
    streams:learn(outcome.lesson, leading, outcome.accessed, weight, room)
    status()
  end
end

-- Pages ahead of streams come first; those in use stand where the leader puts them.
local function name_ahead(accesses, pages, guest)
  local quarters = streams:quarters()
  local masks = quarters > 0 and ahead.masks(panel.majority:ahead(guest), pages, guest)
  return masks and ahead.first(accesses, masks[quarters]) or accesses
end

function blend:predict(pages, guest)
  local accesses, writes = judges:answer(pages, guest)
  return self.params.ahead and name_ahead(accesses, pages, guest) or accesses, writes
end

function blend:save()
  return { judges = judges:save(), gain = streams.gain }
end

function blend:restore(kept)
  judges:restore(kept.judges)
  streams.gain = kept.gain
end

return blend
