-- Expects of each page what the horizon that has just passed saw of it: the working set of P. J. Denning ("The working set
-- model for program behavior", CACM 1968) as a predictor. Cruder than rates that fade, and hard to beat on programs that go
-- through phases: what a phase has left behind is forgotten all at once.
local working_set = {
  api = 1,
  kind = "predictor",
  name = "working_set",
  version = "1.0.0",
  history = true, -- pages:active looks back
  params = {
    reach = { default = 1, min = 0.5, max = 4, unit = "horizons", help = "how far back counts" },
  },
}

function working_set:predict(pages, guest)
  local reach = guest.horizon_s * self.params.reach
  -- Shares of the seconds with an access; the rate breaks ties between pages that were there all the time.
  local there = pages:active(0, reach) * guest.horizon_s
  local rate = pages.heat / (pages.heat + 1)
  return there + 0.01 * there:min(1) * rate, pages:active_writes(0, reach) * guest.horizon_s
end

return working_set
