-- What was accessed in the most windows will be accessed next (LFU): a window of a second counts once, however often the page
-- was touched in it, so that one burst is not mistaken for a habit. Among equals the more recent comes first.
--
-- The number: windows with an access a second since watching began, times the horizon.
-- Source: Aho, Denning, Ullman, "Principles of optimal page replacement", JACM 18(1), 1971 (independent references).
local lfu = { api = 1, kind = "predictor", name = "lfu", version = "1.0.0", history = true }

local RECENT = 0.01 -- windows that recency may add: decides among equals only

local began

function lfu:predict(pages, guest)
  began = began or guest.now_s - 1
  local per_window = guest.horizon_s / math.max(guest.now_s - began, pages.n > 0 and pages.seen:highest() or 1, 1)
  local seen, written = pages.seen, pages.written
  local accesses = (seen + seen:min(1) * RECENT / (pages.age_s + 1)) * per_window
  return accesses, (written + written:min(1) * RECENT / (pages.version_age_s + 1)) * per_window
end

return lfu
