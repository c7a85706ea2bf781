-- Two contests among the panel's predictors, one by accesses, one by writes; what blend and lstm judge by.
local census = hb.use "lib/census"
local contest = hb.use "lib/contest"
local panel = hb.use "lib/panel"

local jury = {}
jury.__index = jury

function jury.new()
  return setmetatable({
    accesses = contest.new(panel.NAMES),
    writes = contest.new(panel.NAMES),
    census = census.new(),
    taken = {},
  }, jury)
end

function jury:observe(epoch, guest)
  panel.observe(epoch, guest)
  self.census:observe(epoch.runs)
end

-- Who answers until lessons say more: with a model it, held to recency; without one recency, also when it is gone again.
local function begin_with(c, modelled)
  local by_model = c:leading() == "model" or c:leading() == "anchored"
  if modelled and c.lessons == 0 then
    c.leader = panel.ANCHORED
  elseif not modelled and by_model then
    c.leader = panel.RECENCY
  end
end

-- Asks everybody. Returns whether there is a model.
function jury:rehearse(pages, guest, lesson, with_model)
  local accesses, writes = panel.ask_all(pages, guest, with_model)
  self.accesses:rehearse(lesson, accesses)
  self.writes:rehearse(lesson, writes)
  self.taken[lesson] = self.census:take(pages, guest)
  self.taken[lesson - 16] = nil
  local modelled = accesses[panel.ANCHORED] ~= nil
  begin_with(self.accesses, modelled)
  begin_with(self.writes, modelled)
  return modelled
end

-- Returns what else can be learned from: the values of the one that leads so far, pages that each page stands for, how many may
-- be named. Nothing when the lesson was not rehearsed.
function jury:learn(outcome, params)
  local accesses, writes = self.accesses:take(outcome.lesson), self.writes:take(outcome.lesson)
  local taken = self.taken[outcome.lesson]
  self.taken[outcome.lesson] = nil
  if not accesses or not writes or not taken then
    return nil
  end
  for _, c in ipairs { self.accesses, self.writes } do
    c.caution, c.margin = params.caution, params.margin
  end
  local weight, of_recent = census.weights(taken, outcome)
  local room, leading = outcome.budget * of_recent, accesses[self.accesses.leader] or accesses[1]
  self.accesses:learn(accesses, outcome.accessed, weight, room, outcome.horizon_s)
  self.writes:learn(writes, outcome.written, weight, outcome.budget_writes * of_recent, outcome.horizon_s)
  return leading, weight, room
end

-- The leaders' answers.
function jury:answer(pages, guest)
  local by, writes_of = self.accesses:leading(), self.writes:leading()
  local accesses, writes = panel.answer(by, pages, guest)
  if writes_of ~= by then
    local _, others = panel.answer(writes_of, pages, guest)
    writes = others
  end
  return accesses, writes
end

function jury:save()
  return { accesses = self.accesses:save(), writes = self.writes:save() }
end

function jury:restore(kept)
  self.accesses:restore(kept.accesses)
  self.writes:restore(kept.writes)
end

return jury
