-- Sets of pages, kept small: 64 neighbours (a region) are the bits of one integer. A set is a plain table, region -> mask.
local pages = { REGION = 64 }

local REGION = pages.REGION

-- The bits of [gfn, gfn + n) in this region.
function pages.mask(region, gfn, n)
  local first = region * REGION
  local from, to = math.max(gfn - first, 0), math.min(gfn + n - 1 - first, REGION - 1)
  return (-1 << from) & ~(to == REGION - 1 and 0 or -1 << (to + 1))
end

-- The regions that a run touches, first and last.
function pages.regions(gfn, n)
  return gfn // REGION, (gfn + n - 1) // REGION
end

function pages.add(set, gfn, n)
  local first, last = pages.regions(gfn, n)
  for region = first, last do
    set[region] = (set[region] or 0) | pages.mask(region, gfn, n)
  end
end

function pages.join(set, other)
  for region, mask in pairs(other) do
    set[region] = (set[region] or 0) | mask
  end
end

-- How many bits are set.
function pages.ones(mask)
  mask = mask - ((mask >> 1) & 0x5555555555555555)
  mask = (mask & 0x3333333333333333) + ((mask >> 2) & 0x3333333333333333)
  mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0f
  return (mask * 0x0101010101010101) >> 56
end

local function add_runs(runs, region, mask)
  local gfn = region * REGION
  while mask ~= 0 do
    if mask & 1 ~= 0 then
      local last = runs[#runs]
      if last and last.gfn + last.pages == gfn then
        last.pages = last.pages + 1
      else
        runs[#runs + 1] = { gfn = gfn, pages = 1 }
      end
    end
    mask, gfn = mask >> 1, gfn + 1
  end
end

-- As a list of runs, ascending, neighbours joined: what pages:spread takes. At most 65536 of them.
function pages.runs(set)
  local runs = {}
  for region, mask in pairs(set) do -- pairs goes through numbers in order
    add_runs(runs, region, mask)
    if #runs > 65536 - REGION then
      break
    end
  end
  return runs
end

-- Of a set with more than `most` regions about that many, and the same ones each time, so that sets stay comparable; and the
-- share that was kept.
function pages.thin(set, most)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  if n <= most then
    return set, 1
  end
  local kept, limit = {}, 65536 * most // n
  for region, mask in pairs(set) do
    if (region * 0x9e3779b1 >> 16) & 0xffff < limit then
      kept[region] = mask
    end
  end
  return kept, most / n
end

return pages
