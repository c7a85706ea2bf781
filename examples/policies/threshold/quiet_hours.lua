-- Fetches little in the hours in which the link is wanted for other things, and much in the others.
--
-- A policy has no clock but its input's: guest.now_s counts seconds, of what day it does not say. So the operator says which
-- hour it is when the count stands at 0 (`policy tune` may set it at any time), and the day goes on from there.
local quiet_hours = {
  api = 1,
  kind = "threshold",
  name = "quiet_hours",
  version = "1.0.0",
  params = {
    zero_hour = { default = 0, min = 0, max = 24, unit = "h", help = "hour of the day at which guest.now_s is 0" },
    from_hour = { default = 8, min = 0, max = 24, unit = "h", help = "the quiet hours begin" },
    to_hour = { default = 18, min = 0, max = 24, unit = "h", help = "the quiet hours end; before from_hour: next day" },
    quiet = { default = 0.6, min = -1, max = 2, help = "the cut in quiet hours; above 1 nothing is fetched" },
    open = { default = 0.05, min = -1, max = 2, help = "the cut in all others" },
  },
}

local function within(hour, from, to)
  if from <= to then
    return hour >= from and hour < to
  end
  return hour >= from or hour < to
end

function quiet_hours:threshold(_, _, guest)
  local p = self.params
  if guest.draining then
    return -1 -- a migration was asked for: it is not for us to be quiet
  end
  local hour = (p.zero_hour + guest.now_s / 3600) % 24
  local is_quiet = within(hour, p.from_hour, p.to_hour)
  hb.note(is_quiet and "quiet hours" or "open hours")
  return is_quiet and p.quiet or p.open
end

return quiet_hours
