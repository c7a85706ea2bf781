-- The cut that follows the link, the guest's dirty rate and the measured accuracy.
--
-- Each signal is a push between 0 and 1, the strongest sets where the cut wants to be between the lowest cut and `ceiling`:
--   shy     what we sent and the guest overwrote keeps a good part of the link: from 3 % of it on an idle link, from 2 % on
--           a busy one, all of the way at 20 %. It comes at once and fades in minutes, so a guest that cannot be foreseen is
--           left alone and only probed
--   busy    others use the link: up to 0.4 of the way, to 1 the less of what we sent was used; a poor recall takes half back
--   dirty   the guest dirties faster than the link has room: up to 0.3 of the way, so that only pages that stay clean pass
-- The lowest cut is `floor`, where every clean page passes; on an *ample* link it is -1: there others are quiet and the guest
-- dirties a few per cent of what is free, so the whole guest is kept there, and what is overwritten costs next to nothing. A
-- link of which nothing was measured yet counts as ample, for only pages that are sent measure it. The cut moves by at most
-- `rise` (five times that when shy) or `fall` a second and not at all for less than `still`. It rises slower than it falls, so
-- that traffic of our own that fills the link cannot swing it far; but when a link is ample no more, or a drain is over, it is
-- back at the lowest cut at once. Its numbers were chosen on the
-- grid of tests/bench/threshold_grid.sh, which shows how far each link and trace is from the fixed cut that is best for it.
local adaptive = {
  api = 1,
  kind = "threshold",
  name = "adaptive",
  version = "1.1.0",
  params = {
    floor = { default = 0.05, min = -1, max = 1, help = "the cut on an idle link that is not ample" },
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
  local low, high = 0.03 - 0.01 * busy, 0.2
  local now = ramp(harm(link, accuracy, dt), low, high) * ramp(accuracy.wasted_share or 0, 0.2, 0.5)
  memory.shy = math.max(now, memory.shy * fade_s / (fade_s + dt))
end

-- What the guest dirties as a share of what the link has free, less what it loses by stalling; 0 while nothing is known of it.
local function dirty_share(link, guest)
  local free = link.free_bytes_per_s * (1 - link.pace_loss)
  return link.bytes_per_s > 0 and guest.dirty_bytes_per_s / math.max(free, 1) or 0
end

local function push(link, guest, accuracy)
  local precision = accuracy.precision or 1
  local missed = ramp(1 - (accuracy.recall or 1), 0.1, 0.5)
  local busy = ramp(link.used_share, 0.8, 1) * (0.4 + 0.6 * ramp(1 - precision, 0.3, 0.9))
  local dirty = 0.3 * ramp(dirty_share(link, guest), 1, 2)
  return math.max(memory.shy, busy - 0.5 * missed * busy, dirty)
end

local function percent(share)
  return tostring(math.floor(share * 100 + 0.5)) .. " %"
end

-- How many candidates are in buckets that lie above the cut, at least in part.
local function passing(scores, cut)
  local n = 0
  for bucket = 1, hb.buckets do
    n = n + (2 * bucket / hb.buckets - 1 > cut and scores.histogram[bucket] or 0)
  end
  return n
end

local function say(scores, cut, ample)
  if memory.shy > 0.5 then
    hb.note("prefetching held back: copies were overwritten before use, " .. percent(memory.harm) .. " of the link now")
  elseif scores.n > 0 and passing(scores, cut) == 0 then
    hb.note("prefetching off: no candidate is worth its bytes, the guest overwrites them too soon")
  elseif ample >= 0.5 then
    hb.note("the link is ample: the whole guest is kept on the target")
  else
    hb.note("prefetching what stays clean")
  end
end

function adaptive:threshold(scores, link, guest, accuracy)
  local p = self.params
  local dt = seconds_since_last_call(guest)
  remember_harm(link, accuracy, dt, p.fade_s)
  if guest.draining then
    return -1
  end
  local ceiling = math.max(p.floor, p.ceiling)
  local ample = (1 - ramp(dirty_share(link, guest), 0.03, 0.06)) * (1 - ramp(link.used_share, 0.3, 0.6))
  local lowest = p.floor + (-1 - p.floor) * ample
  local previous = math.min(math.max(scores.previous, lowest), ceiling)
  local step = lowest + (ceiling - lowest) * push(link, guest, accuracy) - previous
  local cut = previous
  if math.abs(step) >= p.still then
    cut = previous + math.min(math.max(step, -p.fall * dt), p.rise * dt * (1 + 4 * memory.shy))
  end
  say(scores, cut, ample)
  return cut
end

return adaptive
