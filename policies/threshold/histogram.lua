-- The cut that fills the link to capacity: so many of the highest scoring candidates pass as the link has room for in `ahead_s`
-- seconds. It rises at once, so that the link is never flooded, and falls slowly, so that a quiet moment does not let everything
-- in. Pages below `floor` never pass: they are not worth their bytes however idle the link is.
--
-- Source: Lee et al., "MEMTIS: efficient memory tiering with dynamic page classification and page size determination", SOSP 2023
-- (a histogram filled from the hot end down to capacity; the threshold rises at once and falls by one step after cooling).
local histogram = {
  api = 1,
  kind = "threshold",
  name = "histogram",
  version = "1.0.0",
  params = {
    ahead_s = { default = 2, min = 0.1, max = 600, unit = "s", help = "seconds of free link that may be filled" },
    floor = { default = 0.05, min = -1, max = 1, help = "the cut never falls below this" },
    cool_s = { default = 1, min = 0.05, max = 600, unit = "s", help = "seconds between two steps down, of one bucket" },
  },
}

local PAGE = 4096
local ABOVE_EVERY_SCORE = 2

local cooled_s

-- The lower end of the lowest bucket that still fits. Buckets are filled from the top; one that overflows stays out.
local function fills(scores, pages)
  local cut = ABOVE_EVERY_SCORE
  for bucket = hb.buckets, 1, -1 do
    pages = pages - scores.histogram[bucket]
    if pages < 0 then
      return cut
    end
    cut = -1 + 2 * (bucket - 1) / hb.buckets
  end
  return cut
end

function histogram:threshold(scores, link, guest)
  local p, step = self.params, 2 / hb.buckets
  if guest.draining then
    cooled_s = guest.now_s
    return -1
  end
  cooled_s = cooled_s or guest.now_s
  local wanted = math.max(fills(scores, link.free_bytes_per_s * p.ahead_s / PAGE), p.floor)
  local previous = math.min(scores.previous, 1 + step) -- an "above every score" falls from the top
  if wanted >= previous then
    cooled_s = guest.now_s
    return wanted
  end
  local steps = math.floor((guest.now_s - cooled_s) / p.cool_s)
  if steps > 0 then
    cooled_s = guest.now_s
  end
  return math.max(previous - steps * step, wanted)
end

return histogram
