-- Whom to believe on this guest: asks every predictor about each lesson's sample, and answers by the one that has lately named
-- the most pages rightly; for accesses and for writes on their own.
--
-- No baseline wins everywhere: recency where a program stays, markov where phases come again, majority where it walks through
-- memory. Averages of them were tried (ranks, chances, exponential weights) and were no better than the best one, so the leader
-- answers alone, chosen with care (lib/contest). One thing is added to it: pages ahead of a stream, which lessons, made of
-- touched pages, cannot teach. What they would have brought is measured beside each lesson: of the pages ahead, those accessed
-- within the horizon, less the ones that the leader's last places would have named rightly instead (lib/ahead). As many quarters
-- of the way ahead are named first as that has paid of late. Before the first lesson: recency, and all that is ahead.
-- Sources: Herbster, Warmuth, "Tracking the best expert", Machine Learning 32, 1998; see also the predictors' own.
local ahead = hb.use "lib/ahead"
local contest = hb.use "lib/contest"
local panel = hb.use "lib/panel"

local blend = {
  api = 1,
  kind = "predictor",
  name = "blend",
  version = "1.0.0",
  history = true,
  params = {
    caution = { default = 0.5, min = 0, max = 10, help = "how sure another must be better before it is believed" },
    margin = { default = 0.005, min = 0, max = 1, help = "F1 by which another must be ahead to become the leader" },
    ahead = { default = true, type = "boolean", help = "name pages ahead of streams" },
    model = { default = true, type = "boolean", help = "the learned model is among those asked" },
  },
}

local SAMPLE = 4096 -- pages of a lesson; fewer: the guest has touched no more
local FIRST = 1.001 -- of the highest answer: before it

local accesses_by, writes_by = contest.new(panel.NAMES), contest.new(panel.NAMES)
local streams = ahead.new()
local guest_share = { sample = 0, all = 0, accessed = 0 } -- pages of the last epoch: in samples, in the guest

function blend:observe(epoch, guest)
  panel.observe(epoch, guest)
  streams:observe(epoch.runs)
  guest_share.accessed = epoch.accessed
end

local function note_share(pages, guest)
  if pages.n < SAMPLE then
    guest_share.sample, guest_share.all = 1, 1
  else
    guest_share.sample = 0.8 * guest_share.sample + pages.age_s:lt(guest.epoch_s):sum()
    guest_share.all = 0.8 * guest_share.all + guest_share.accessed
  end
end

function blend:rehearse(pages, guest, lesson)
  local accesses, writes = panel.ask_all(pages, guest, self.params.model)
  accesses_by:rehearse(lesson, accesses)
  writes_by:rehearse(lesson, writes)
  note_share(pages, guest)
  streams:issue(lesson, panel.majority:ahead(guest.horizon_s), function(region)
    return panel.markov:recent_mask(region, guest.horizon_s)
  end)
end

local function status()
  local leader = accesses_by:leading()
  local f1 = accesses_by:score(leader)
  hb.note(
    "by "
      .. leader
      .. (f1 and " (F1 " .. tostring(math.floor(f1 * 1000 + 0.5) / 1000) .. " of lessons)" or "")
      .. ", writes by "
      .. writes_by:leading()
  )
end

function blend:learn(outcome)
  local accesses, writes = accesses_by:take(outcome.lesson), writes_by:take(outcome.lesson)
  if not accesses or not writes then
    return
  end
  for _, c in ipairs { accesses_by, writes_by } do
    c.caution, c.margin = self.params.caution, self.params.margin
  end
  local leading = accesses[accesses_by.leader] or accesses[1]
  if leading and outcome.budget > 0 then
    local share = guest_share.all > 0 and math.min(guest_share.sample / guest_share.all, 1) or 1
    streams:learn(outcome.lesson, leading, outcome.accessed, outcome.budget, share)
  end
  accesses_by:learn(accesses, outcome.accessed, outcome.budget, outcome.horizon_s)
  writes_by:learn(writes, outcome.written, outcome.budget_writes, outcome.horizon_s)
  status()
end

-- Pages ahead of streams come first; those in use stand where the leader puts them.
local function name_ahead(accesses, pages, guest)
  local parts = panel.majority:ahead(guest.horizon_s)
  local quarters = parts.streams > 0 and streams:quarters() or 0
  local first = math.max(accesses:highest() or 0, 1) * FIRST
  local away = pages.age_s:ge(guest.horizon_s)
  for quarter = 1, quarters do
    if #parts[quarter] > 0 then
      accesses = accesses:max(pages:spread(parts[quarter]) * away * first)
    end
  end
  return accesses
end

function blend:predict(pages, guest)
  local by, writes_of = accesses_by:leading(), writes_by:leading()
  local accesses, writes = panel.answer(by, pages, guest)
  if writes_of ~= by then
    local _, others = panel.answer(writes_of, pages, guest)
    writes = others
  end
  return self.params.ahead and name_ahead(accesses, pages, guest) or accesses, writes
end

function blend:save()
  return { accesses = accesses_by:save(), writes = writes_by:save(), gain = streams.gain }
end

function blend:restore(kept)
  accesses_by:restore(kept.accesses)
  writes_by:restore(kept.writes)
  streams.gain = kept.gain
end

return blend
