-- The cut that follows the link, the guest's dirty rate and the measured accuracy.
--
-- Each signal is a push between 0 and 1, the strongest sets where the cut wants to be between `floor` and `ceiling`:
--   shy     what we sent and the guest overwrote keeps a good part of the link: from 10 % of it on an idle link, from 2 % on a
--           busy one. It comes at once and fades in minutes, so a guest that cannot be foreseen is left alone and only probed
--   busy    others use the link: up to 0.4 of the way, to 1 the less of what we sent was used; a poor recall takes half back
--   dirty   the guest dirties faster than the link has room: a little, so that only pages that stay clean pass
-- An idle link without waste pushes nothing: the cut goes to the floor, where every clean page passes. The cut moves by at most
-- `rise` (five times that when shy) or `fall` a second and not at all for less than `still`. It rises slower than it falls, so
-- that traffic of our own that fills the link cannot swing it far.
local adaptive = {
  api = 1,
  kind = "threshold",
  name = "adaptive",
  version = "1.0.0",
  params = {
    floor = { default = 0.05, min = -1, max = 1, help = "the cut on an idle link" },
    ceiling = { default = 0.5, min = -1, max = 1, help = "the cut when prefetching does harm" },
    rise = { default = 0.02, min = 0.001, max = 1, help = "largest step up in a second" },
    fall = { default = 0.05, min = 0.001, max = 1, help = "largest step down in a second" },
    still = { default = 0.02, min = 0, max = 1, help = "differences below this are left alone" },
    fade_s = { default = 100, min = 1, max = 3600, help = "time in which shyness halves (seconds)" },
  },
}

local PAGE = 4096
local SMOOTH_S = 3 -- time over which the waste is averaged
local LONGEST_S = 5 -- a longer silence between two calls counts as this much

local memory = { shy = 0, harm = 0 }

-- 0 at or below `low`, 1 at or above `high`, a line between.
local function ramp(x, low, high)
  return math.min(math.max((x - low) / (high - low), 0), 1)
end

local function seconds_since_last_call(guest)
  local dt = memory.now and guest.now_s - memory.now or guest.epoch_s
  memory.now = guest.now_s
  return math.min(math.max(dt, 0), LONGEST_S)
end

-- Share of the link that pages sent for nothing have kept of late.
local function harm(link, accuracy, dt)
  local pages = math.max(accuracy.wasted - (memory.wasted or accuracy.wasted), 0)
  memory.wasted = accuracy.wasted
  if dt > 0 and link.bytes_per_s > 0 then
    local now = pages * PAGE / dt / link.bytes_per_s
    memory.harm = memory.harm + (now - memory.harm) * dt / (dt + SMOOTH_S)
  end
  return memory.harm
end

local function remember_harm(link, accuracy, dt, fade_s)
  local busy = ramp(link.used_share, 0.3, 0.9)
  local low, high = 0.1 - 0.08 * busy, 0.5 - 0.3 * busy
  local now = ramp(harm(link, accuracy, dt), low, high) * ramp(accuracy.wasted_share or 0, 0.2, 0.5)
  memory.shy = math.max(now, memory.shy * fade_s / (fade_s + dt))
end

local function push(link, guest, accuracy)
  local precision = accuracy.precision or 1
  local missed = ramp(1 - (accuracy.recall or 1), 0.1, 0.5)
  local busy = ramp(link.used_share, 0.8, 1) * (0.4 + 0.6 * ramp(1 - precision, 0.3, 0.9))
  local dirty = 0.1 * ramp(guest.dirty_bytes_per_s / math.max(link.free_bytes_per_s, 1), 0.5, 2)
  return math.max(memory.shy, busy - 0.5 * missed * busy, dirty)
end

function adaptive:threshold(scores, link, guest, accuracy)
  local p = self.params
  local dt = seconds_since_last_call(guest)
  remember_harm(link, accuracy, dt, p.fade_s)
  if guest.draining then
    return -1
  end
  local ceiling = math.max(p.floor, p.ceiling)
  local previous = math.min(math.max(scores.previous, p.floor), ceiling)
  local step = p.floor + (ceiling - p.floor) * push(link, guest, accuracy) - previous
  if math.abs(step) < p.still then
    return previous
  end
  return previous + math.min(math.max(step, -p.fall * dt), p.rise * dt * (1 + 4 * memory.shy))
end

return adaptive
