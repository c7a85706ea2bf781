-- Expected accesses and writes within the horizon, from decayed rates and ages.
--
-- A rate r that goes on gives r * horizon accesses. Whether it goes on is read from the time since the last one: a page
-- silent for much longer than `fade_s` has probably been left, so its rate counts 1 / (1 + age / fade_s). That keeps the two
-- baselines that are hard to beat, frequency (the rate) and recency (the age), in one number.
local ewma = {
  api = 1,
  kind = "predictor",
  name = "ewma",
  version = "1.0.0",
  params = {
    fade_s = { default = 30, min = 0.1, max = 3600, help = "silence after which a page's rate counts half (seconds)" },
  },
}

function ewma:predict(pages, guest)
  local per_fade, horizon = 1 / self.params.fade_s, guest.horizon_s
  local rate = hb.term("rate", pages.read_heat + pages.write_heat)
  local silence = hb.term("silence", pages.age_s * per_fade + 1)
  local write_rate = hb.term("write_rate", pages.write_heat)
  local write_silence = hb.term("write_silence", pages.version_age_s * per_fade + 1)
  return rate * horizon / silence, write_rate * horizon / write_silence
end

return ewma
