-- What naming pages ahead of streams first would have brought, measured with each lesson: on its sample, and beside it on pages
-- that were never touched, which a lesson does not have.
local contest = hb.use "lib/contest"
local page_sets = hb.use "lib/pages"

local ahead = { QUARTERS = 4 }
ahead.__index = ahead

local CELLS = 2048 -- regions remembered for a lesson
local OPEN = 16 -- lessons that may be open at most
local DECAY = 0.8 -- a lesson
local FIRST = 1.001 -- of the highest value: before it

function ahead.new()
  return setmetatable({ open = {}, order = {}, masks = {}, gain = { 0, 0, 0, 0 } }, ahead)
end

local function add_cell(cells, quarter, region, mask)
  local cell = cells[region]
  if not cell then
    if cells.count >= CELLS then
      return
    end
    cells.count = cells.count + 1
    cell = { known = 0, hit = 0 }
    cells[region] = cell
  end
  local new = mask & ~cell.known
  cell[quarter] = (cell[quarter] or 0) | new
  cell.known = cell.known | mask
end

-- Which of these pages lie within the first quarters and are away: lists of vectors by number of quarters; nil: no streams.
function ahead.masks(parts, pages, guest)
  if parts.streams == 0 then
    return nil
  end
  local away, masks = pages.age_s:ge(guest.horizon_s), {}
  local sum = hb.vec(pages.n, 0)
  for quarter = 1, ahead.QUARTERS do
    if #parts[quarter] > 0 then
      sum = sum:max(pages:spread(parts[quarter]) * away)
    end
    masks[quarter] = sum
  end
  return masks
end

-- These pages before all others.
function ahead.first(values, mask)
  return values:max(mask * (math.max(values:highest() or 0, 1) * FIRST))
end

-- parts: lists of runs by quarter of the horizon. ever: region -> bits of the pages that were touched before.
function ahead:issue(lesson, parts, ever, pages, guest)
  local cells = { count = 0 }
  local masks = ahead.masks(parts, pages, guest) or {}
  for quarter = 1, #masks do
    masks[quarter] = masks[quarter]:copy()
  end
  self.masks[lesson] = masks
  for quarter = 1, ahead.QUARTERS do
    for _, run in ipairs(parts[quarter]) do
      local first, last = page_sets.regions(run.gfn, run.pages)
      for region = first, last do
        add_cell(cells, quarter, region, page_sets.mask(region, run.gfn, run.pages) & ~(ever[region] or 0))
      end
    end
  end
  self.open[lesson] = cells
  self.order[#self.order + 1] = lesson
  if #self.order > OPEN then
    local old = table.remove(self.order, 1)
    self.open[old], self.masks[old] = nil, nil
  end
end

local function hit(cells, run)
  local first, last = page_sets.regions(run.gfn, run.pages)
  for region = first, last do
    local cell = cells[region]
    if cell then
      cell.hit = cell.hit | page_sets.mask(region, run.gfn, run.pages)
    end
  end
end

function ahead:observe(runs)
  for _, lesson in ipairs(self.order) do
    local cells = self.open[lesson]
    if cells and cells.count > 0 then
      for _, run in ipairs(runs) do
        hit(cells, run)
      end
    end
  end
end

-- Of the first 1, 2, ... quarters: pages named, and those accessed since.
function ahead:take(lesson)
  local cells, named, right = self.open[lesson], { 0, 0, 0, 0 }, { 0, 0, 0, 0 }
  self.open[lesson] = nil
  while self.order[1] and not self.open[self.order[1]] do
    table.remove(self.order, 1)
  end
  for key, cell in pairs(cells or {}) do
    for quarter = 1, key ~= "count" and ahead.QUARTERS or 0 do
      for longer = quarter, ahead.QUARTERS do
        named[longer] = named[longer] + page_sets.ones(cell[quarter] or 0)
        right[longer] = right[longer] + page_sets.ones((cell[quarter] or 0) & cell.hit)
      end
    end
  end
  return named, right
end

-- leading: the leader's values for the sample; truth, weight and room as in contest:learn.
function ahead:learn(lesson, leading, truth, weight, room)
  local masks = self.masks[lesson] or {}
  local named, right = self:take(lesson)
  local worth = (truth * weight):copy()
  local all = (contest.first(leading, weight, room) * worth):sum()
  self.masks[lesson] = nil
  if #masks == 0 then -- no streams: what is known of them stays as it is
    return
  end
  for quarters = 1, ahead.QUARTERS do
    local new = math.min(named[quarters], room)
    local values = ahead.first(leading, masks[quarters])
    local brought = (contest.first(values, weight, room - new) * worth):sum() - all
    brought = brought + (new > 0 and new * right[quarters] / named[quarters] or 0)
    self.gain[quarters] = DECAY * self.gain[quarters] + (1 - DECAY) * brought / math.max(room, 1)
  end
end

-- How many quarters to name first: as many as have paid best in the last lessons with streams, all before the first.
function ahead:quarters()
  local best, most = 0, 0
  for quarters = 1, ahead.QUARTERS do
    if self.gain[quarters] >= most then
      best, most = quarters, self.gain[quarters]
    end
  end
  return best
end

return ahead
