-- How many pages of the guest each page of a lesson stands for.
--
-- Samples are drawn by class: pages in use, pages that were left, pages never seen (core/place/lessons.c), and not in proportion,
-- so what they say of the guest has to be weighed by how many of each class there are. That is counted here from observations.
local markov = hb.use "predict/markov"
local page_sets = hb.use "lib/pages"

local census = {}
census.__index = census

local SAMPLE = 4096 -- pages of a lesson; fewer: it is all there are
local REGIONS = 262144 -- counted at most

function census.new()
  return setmetatable({ ever = {}, regions = 0, touched = 0, taken = {}, resident = 0 }, census)
end

function census:add(region, mask)
  local before = self.ever[region]
  if not before then
    if self.regions >= REGIONS then
      return
    end
    self.regions, before = self.regions + 1, 0
  end
  local new = mask & ~before
  if new ~= 0 then
    self.ever[region] = before | mask
    self.touched = self.touched + page_sets.ones(new)
  end
end

function census:observe(runs)
  for _, run in ipairs(runs) do
    local first, last = page_sets.regions(run.gfn, run.pages)
    for region = first, last do
      self:add(region, page_sets.mask(region, run.gfn, run.pages))
    end
  end
end

-- As of a lesson's begin.
function census:take(pages, guest)
  local recent = pages.n >= SAMPLE and markov:recent_count(guest.horizon_s) or 0
  self.taken = {
    recent = recent,
    returning = math.max(self.touched - recent, 0),
    new = math.max(guest.resident_pages - self.touched, 0),
  }
  return self.taken
end

-- Pages of the guest for each of the sample, and for one in use. taken: what census:take gave.
function census.weights(taken, outcome)
  if outcome.n < SAMPLE then
    return hb.vec(outcome.n, 1), 1
  end
  local returning, new = outcome.returning:sum(), outcome.new:sum()
  local recent = math.max(outcome.n - returning - new, 1)
  local of_recent = math.max(taken.recent / recent, 1)
  local of_returning = math.max(taken.returning / math.max(returning, 1), 1)
  local of_new = math.max(taken.new / math.max(new, 1), 1)
  local weight = outcome.returning:where(of_returning, outcome.new:where(of_new, hb.vec(outcome.n, of_recent)))
  return weight:copy(), of_recent
end

return census
