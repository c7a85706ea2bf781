-- Streams: where a program walks through memory, its next pages are the ones ahead of it.
--
-- Leap finds the step that a majority of the last deltas agree on (Boyer-Moore, over the newest 8 deltas, doubled up to 32 until
-- one has more than half). It keeps one history, which two interleaved streams spoil. Here each stream has its own: a run of
-- accessed pages continues the stream whose end, one step on, lies nearest, else begins another. The pages ahead of a stream with
-- a trend are expected: as far as it walks within the horizon, at most `reach` pages a second. Elsewhere recency answers.
-- Source: Al Maruf, Chowdhury, "Effectively prefetching remote memory with Leap", USENIX ATC 2020.
local recency = hb.use "predict/recency"

local majority = {
  api = 1,
  kind = "predictor",
  name = "majority",
  version = "1.0.0",
  history = true,
  params = {
    reach = { default = 64, min = 1, max = 4096, type = "integer", help = "pages a second a stream is followed at most" },
    value = { default = 2, min = 0, max = 10, help = "accesses expected of a page ahead of a stream" },
  },
}

local RING, NEWEST = 32, 8
local NEAR, NEAR_WITH_TREND = 128, 64 -- pages between a run's end and where its stream was expected
local LATEST_S, FORGET_S = 2.5, 8 -- a stream is followed this long after its last run, and forgotten after
local STREAMS, BEGINNERS = 512, 256 -- at most: followed, begun in one epoch
local CELL = 128 -- pages; streams are found by the cell they are expected in
local QUARTERS = 4

local streams, now = {}, { number = -1, at_s = 0, epoch_s = 1 }
local ahead = {} -- what was answered since the last epoch

-- The delta that more than half of the newest `n` agree on, or nil.
local function agreed(ring, n)
  local candidate, count = nil, 0
  for i = #ring - n + 1, #ring do
    if count == 0 then
      candidate = ring[i]
    end
    count = count + (ring[i] == candidate and 1 or -1)
  end
  local votes = 0
  for i = #ring - n + 1, #ring do
    votes = votes + (ring[i] == candidate and 1 or 0)
  end
  return votes > n // 2 and candidate or nil
end

local function trend_of(ring)
  local n = math.min(#ring, NEWEST)
  if n < 3 then
    return nil
  end
  local found = agreed(ring, n)
  while not found and n < #ring do
    n = math.min(2 * n, #ring)
    found = agreed(ring, n)
  end
  return found
end

local function expected_end(stream)
  return stream.at + (stream.trend or 0) * math.max(now.number - stream.number, 1)
end

local function tolerance(stream)
  return stream.trend and math.min(math.max(NEAR_WITH_TREND, math.abs(stream.trend)), 2 * CELL) or NEAR
end

local function by_cell()
  local cells = {}
  for _, stream in ipairs(streams) do
    stream.expected = expected_end(stream)
    local cell = stream.expected // CELL
    local there = cells[cell]
    if there then
      there[#there + 1] = stream
    else
      cells[cell] = { stream }
    end
  end
  return cells
end

local function nearest(cells, at)
  local best, least = nil, math.huge
  for cell = at // CELL - 2, at // CELL + 2 do
    for _, stream in ipairs(cells[cell] or {}) do
      local away = math.abs(at - stream.expected)
      if stream.number ~= now.number and away <= tolerance(stream) and away < least then
        best, least = stream, away
      end
    end
  end
  return best
end

local function follow(stream, at)
  local ring = stream.ring
  ring[#ring + 1] = at - stream.at
  if #ring > RING then
    table.remove(ring, 1)
  end
  stream.at, stream.number, stream.at_s = at, now.number, now.at_s
  stream.trend = trend_of(ring)
end

-- The newest of those that are not forgotten; what began last is at the end.
local function keep(begun)
  local alive = {}
  for _, list in ipairs { streams, begun } do
    for _, stream in ipairs(list) do
      if now.at_s - stream.at_s < FORGET_S then
        alive[#alive + 1] = stream
      end
    end
  end
  streams = {}
  for i = math.max(#alive - STREAMS + 1, 1), #alive do
    streams[#streams + 1] = alive[i]
  end
end

function majority:observe(epoch, guest)
  now = { number = epoch.number, at_s = epoch.now_s, epoch_s = math.max(guest.epoch_s, 0.001) }
  ahead = {}
  local cells, begun = by_cell(), {}
  for _, run in ipairs(epoch.runs) do
    local at = run.gfn + run.pages
    local stream = nearest(cells, at)
    if stream then
      follow(stream, at)
    elseif #begun < BEGINNERS then
      begun[#begun + 1] = { at = at, number = now.number, at_s = now.at_s, ring = {} }
    end
  end
  keep(begun)
end

-- The pages a stream walks through in a quarter of the horizon, as a run; it has gone on by `late` pages since it was heard of.
local function part(stream, late, pages, quarter)
  local from, to = late + pages * (quarter - 1) // QUARTERS, late + pages * quarter // QUARTERS
  if stream.trend > 0 then
    return { gfn = stream.at + from, pages = to - from }
  end
  local low = math.max(stream.at - to, 0)
  return { gfn = low, pages = math.max(stream.at - from - low, 0) }
end

-- What lies ahead of the streams: lists of runs for each quarter of the horizon, the nearest first. For blend, too.
function majority:ahead(guest)
  local late_s = math.min(math.max(guest.now_s - now.at_s, 0), FORGET_S)
  if ahead.horizon_s == guest.horizon_s and ahead.late_s == late_s then
    return ahead
  end
  ahead = { horizon_s = guest.horizon_s, late_s = late_s, streams = 0 }
  for quarter = 1, QUARTERS do
    ahead[quarter] = {}
  end
  for _, stream in ipairs(streams) do
    if stream.trend and stream.trend ~= 0 and now.at_s - stream.at_s < LATEST_S then
      local a_second = math.min(math.abs(stream.trend) / now.epoch_s, self.params.reach)
      local pages = math.floor(a_second * guest.horizon_s)
      ahead.streams = ahead.streams + 1
      for quarter = 1, QUARTERS do
        local run = part(stream, math.floor(a_second * late_s), pages, quarter)
        if run.pages > 0 then
          ahead[quarter][#ahead[quarter] + 1] = run
        end
      end
    end
  end
  return ahead
end

function majority:predict(pages, guest)
  local accesses, writes = recency:predict(pages, guest)
  local parts = self:ahead(guest)
  for quarter = 1, QUARTERS do
    if #parts[quarter] > 0 then
      accesses = accesses:max(pages:spread(parts[quarter]) * self.params.value)
    end
  end
  return accesses, writes
end

return majority
