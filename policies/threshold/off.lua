-- Observe only: scores are computed and recorded, nothing is prefetched. A migration that was asked for still moves the guest:
-- while it drains, everything goes.
local off = { api = 1, kind = "threshold", name = "off", version = "1.0.0" }

local ABOVE_EVERY_SCORE = 2

function off:threshold(_, _, guest)
  return guest.draining and -1 or ABOVE_EVERY_SCORE
end

return off
