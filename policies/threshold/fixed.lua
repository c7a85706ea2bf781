-- A cut that stays where it is put. When a migration was asked for, everything goes.
local fixed = {
  api = 1,
  kind = "threshold",
  name = "fixed",
  version = "1.0.0",
  params = {
    cut = { default = 0.1, min = -1, max = 1, help = "pages that score this much or more are prefetched" },
  },
}

function fixed:threshold(_, _, guest)
  return guest.draining and -1 or self.params.cut
end

return fixed
