-- The cut that follows the link, the guest's dirty rate and the measured accuracy.
--
-- Each signal is a push between 0 and 1, the strongest sets where the cut wants to be between `floor` and `ceiling`:
--   waste   much of what was sent was overwritten before use: up to the ceiling, whatever the link
--   busy    others use the link: up to 0.4 of the way, to 1 the less of what we sent was used
--   dirty   the guest dirties faster than the link has room: a little, so that only pages that stay clean pass
-- and a poor recall takes back some of it. An idle link without waste pushes nothing: the cut goes to the floor, where every
-- clean page passes. The cut moves by at most `rise` or `fall` an epoch and not at all for less than `still`; it rises slowly
-- and falls fast, so that traffic of our own that fills the link cannot make it swing far.
local adaptive = {
  api = 1,
  kind = "threshold",
  name = "adaptive",
  version = "1.0.0",
  params = {
    floor = { default = 0.05, min = -1, max = 1, help = "the cut on an idle link" },
    ceiling = { default = 0.5, min = -1, max = 1, help = "the cut when prefetching does harm" },
    rise = { default = 0.02, min = 0.001, max = 1, help = "largest step up, an epoch" },
    fall = { default = 0.05, min = 0.001, max = 1, help = "largest step down, an epoch" },
    still = { default = 0.01, min = 0, max = 1, help = "differences below this are left alone" },
  },
}

-- 0 at or below `low`, 1 at or above `high`, a line between.
local function ramp(x, low, high)
  return math.min(math.max((x - low) / (high - low), 0), 1)
end

local function push(link, guest, accuracy)
  local precision = accuracy.precision or 1
  local waste = ramp(accuracy.wasted_share or 0, 0.2, 0.6)
  local busy = ramp(link.used_share, 0.8, 1) * (0.4 + 0.6 * ramp(1 - precision, 0.3, 0.9))
  local dirty = 0.1 * ramp(guest.dirty_bytes_per_s / math.max(link.free_bytes_per_s, 1), 0.5, 2)
  local missed = ramp(1 - (accuracy.recall or 1), 0.1, 0.5)
  return math.max(waste, busy - 0.5 * missed * busy, dirty)
end

function adaptive:threshold(scores, link, guest, accuracy)
  local p = self.params
  if guest.draining then
    return -1
  end
  local ceiling = math.max(p.floor, p.ceiling)
  local previous = math.min(math.max(scores.previous, p.floor), ceiling)
  local target = p.floor + (ceiling - p.floor) * push(link, guest, accuracy)
  local step = target - previous
  if math.abs(step) < p.still then
    return previous
  end
  return previous + math.min(math.max(step, -p.fall), p.rise)
end

return adaptive
