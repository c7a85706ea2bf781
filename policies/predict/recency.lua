-- What was accessed last will be accessed next (LRU): pages ordered by the time since their last known access.
--
-- The number: if the chance of a return falls off with the silence as 1 / t, a page silent for `a` is untouched for another
-- `h` with chance a / (a + h), so it expects log(1 + h / a) accesses. Ages are counted from one second on.
-- Source: stack distances and their heavy tails: Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems
-- Journal 9(2), 1970; Denning, "The working set model for program behavior", CACM 11(5), 1968.
local recency = { api = 1, kind = "predictor", name = "recency", version = "1.0.0" }

function recency:predict(pages, guest)
  local horizon = hb.vec(pages.n, guest.horizon_s)
  return (horizon / (pages.age_s + 1)):log1p(), (horizon / (pages.version_age_s + 1)):log1p()
end

return recency
