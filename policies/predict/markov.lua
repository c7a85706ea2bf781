-- What followed the last times it looked like this: sequences of accesses that come again.
--
-- The state of a guest is the set of 64-page regions that it accesses in a second, and what led there: two moments are as alike
-- as their sets are (cosine of the regions' page counts), plus `memory` times as alike as the moments before were. The few past
-- moments most like now are found, and what was accessed within a horizon *after* them is expected: a Markov chain over working
-- sets of which the order is not fixed, with the nearest states in place of equal ones. Pages come by themselves then, in the
-- order of their turn, also those that have long been away; recency is added, for what never happened before.
-- Sources: Joseph, Grunwald, "Prefetching using Markov predictors", ISCA 1997; phases that recur, and their successors:
-- Sherwood, Sair, Calder, "Phase tracking and prediction", ISCA 2003.
local page_sets = hb.use "lib/pages"
local recency = hb.use "predict/recency"

local markov = {
  api = 1,
  kind = "predictor",
  name = "markov",
  version = "1.0.0",
  history = true,
  params = {
    moments = { default = 3, min = 1, max = 8, type = "integer", help = "past moments that are looked at" },
    memory = { default = 0.85, min = 0, max = 0.99, help = "weight of the second before, in likeness" },
    sharp = { default = 8, min = 1, max = 32, help = "how much more the more alike moments count" },
    recency = { default = 1, min = 0, max = 10, help = "weight of recency beside what followed" },
  },
}

local WINDOW_S = 0.999 -- epochs are gathered until they make a second
local REACH = 352 -- windows that are remembered, as far as a page's past reaches
local REGIONS = 1024 -- of a window that are remembered
local WIDTH = 512 -- numbers that a set is reduced to for comparing
local LATEST = 5 -- windows between the last epoch heard of and an answer, at most
local SURE = 0.95

local windows = {} -- by number: sets (region -> mask) and sketches, the last REACH of them
local newest = 0
local alike = {} -- by window: how alike it is to the newest, what led there included
local gathering = { set = {} }
local heard_s -- when the newest epoch heard of ended
local followed = {} -- what came after a window, as runs; found when asked for
local answer = {}

-- A vector of length 1 in which alike sets point the same way.
local function sketch_of(set)
  local sums = {}
  for i = 1, WIDTH do
    sums[i] = 0
  end
  for region, mask in pairs(set) do
    local at = region % WIDTH + 1
    sums[at] = sums[at] + math.sqrt(page_sets.ones(mask))
  end
  local v = hb.vec(sums)
  local length = math.sqrt((v * v):sum())
  return (v * (length > 0 and 1 / length or 0)):copy()
end

local function oldest()
  return math.max(newest - REACH + 1, 1)
end

local function compare(memory)
  local new = {}
  for w = oldest(), newest - 1 do
    local likeness = (windows[w].sketch * windows[newest].sketch):sum()
    new[w] = (1 - memory) * likeness + memory * (alike[w - 1] or 0)
  end
  alike = new
end

local function close_window(memory)
  local set, share = page_sets.thin(gathering.set, REGIONS)
  newest = newest + 1
  windows[newest] = { set = set, share = share, sketch = sketch_of(set) }
  windows[newest - REACH] = nil
  followed[newest - REACH] = nil
  compare(memory)
  gathering, answer = { set = {} }, {}
end

function markov:observe(epoch, guest)
  heard_s = epoch.now_s
  gathering.from_s = gathering.from_s or epoch.now_s - guest.epoch_s
  for _, run in ipairs(epoch.runs) do
    page_sets.add(gathering.set, run.gfn, run.pages)
  end
  if epoch.now_s - gathering.from_s >= WINDOW_S then
    close_window(self.params.memory)
  end
end

-- An answer may be asked for a little after the last epoch heard of (`late` windows): then it begins as much later.
local function what_followed(window, late, length)
  local there = followed[window]
  if there and there.length == length and there.late == late then
    return there.runs
  end
  local union = {}
  for w = window + late + 1, window + late + length do
    page_sets.join(union, windows[w].set)
  end
  local runs = page_sets.runs(union)
  followed[window] = { length = length, late = late, runs = runs }
  return runs
end

-- The past moments most like now whose horizon has passed, each with its weight and what followed it.
local function successors(guest, p)
  local length = math.max(math.floor(guest.horizon_s + 0.5), 1)
  local late = math.min(math.max(math.floor(guest.now_s - (heard_s or guest.now_s) + 0.5), 0), LATEST)
  if answer.length == length and answer.late == late then
    return answer
  end
  answer = { length = length, late = late, total = 0 }
  local order = {}
  for w = oldest(), newest - late - length do
    order[#order + 1] = w
  end
  table.sort(order, function(a, b)
    return (alike[a] or 0) > (alike[b] or 0)
  end)
  for i = 1, math.min(p.moments, #order) do
    local weight = math.max(alike[order[i]] or 0, 0) ^ p.sharp
    answer[i] = { weight = weight, runs = what_followed(order[i], late, length) }
    answer.total = answer.total + weight
  end
  for w in pairs(followed) do -- those in use are kept
    if w < oldest() or followed[w].length ~= length then
      followed[w] = nil
    end
  end
  return answer
end

-- How many pages were accessed in the last seconds. For blend.
function markov:recent_count(seconds)
  local union, share = {}, 1
  page_sets.join(union, gathering.set)
  for w = math.max(newest - math.floor(seconds + 0.5) + 1, oldest()), newest do
    page_sets.join(union, windows[w].set)
    share = math.min(share, windows[w].share)
  end
  local n = 0
  for _, mask in pairs(union) do
    n = n + page_sets.ones(mask)
  end
  return n / share
end

-- Share of the moments most like now that this page was accessed after. nil: too early to say. For blend, too.
function markov:share(pages, guest)
  local found = successors(guest, self.params)
  if found.total <= 0 then
    return nil
  end
  local share = hb.vec(pages.n, 0)
  for _, moment in ipairs(found) do
    share = share + pages:spread(moment.runs) * (moment.weight / found.total)
  end
  return share
end

-- Both as one answer, recency with this weight.
function markov:mixed(share, pages, guest, weight)
  local recent = 1 / (pages.age_s * (1 / guest.horizon_s) + 1)
  local chance = (share + recent * weight) * (SURE / (1 + weight))
  local accesses = -(-chance):log1p()
  return accesses, accesses * (pages.written / pages.seen):min(1)
end

function markov:predict(pages, guest)
  local share = self:share(pages, guest)
  if not share then
    return recency:predict(pages, guest)
  end
  return self:mixed(share, pages, guest, self.params.recency)
end

return markov
