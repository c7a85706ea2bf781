-- Pages that go away and come back: when will this one return, from how long its absences were?
--
-- A page that is there stays for now (as recency has it). One that has been away for `a` seconds returns within the horizon with
-- the chance that an absence, of which the mean and the deviation are known, ends between a and a + horizon, given that it lasted
-- a: of a logistic distribution, which is near enough to a normal one and needs nothing but exp. A page that never went away and
-- came back has no such figures and is left to recency.
-- Source: inter-reference gaps as predictors: Phalke, Gopinath, "An inter-reference gap model for temporal locality in program
-- behavior", SIGMETRICS 1995.
local periodic = {
  api = 1,
  kind = "predictor",
  name = "periodic",
  version = "1.0.0",
  history = true,
  params = {
    spread = { default = 0.25, min = 0.01, max = 2, help = "least deviation of absences, as a share of their mean" },
    there_s = { default = 2, min = 1, max = 60, unit = "s", help = "a page silent for less is not away" },
  },
}

local STEEP = 1.7 -- a logistic distribution with this factor is near the normal one
local SURE = 0.999

-- Share of the absences that are shorter than x.
local function shorter(x, mean, steepness)
  return 1 / (1 + ((mean - x) * steepness):exp())
end

function periodic:predict(pages, guest)
  local p, horizon = self.params, guest.horizon_s
  local age, mean = pages.age_s, pages.gap_s
  local deviation = pages.gap_dev_s:max(mean * p.spread) + 1
  local steepness = STEEP / deviation
  local until_now = shorter(age, mean, steepness)
  local returning = (shorter(age + horizon, mean, steepness) - until_now) / (1 - until_now):max(0.001)
  returning = (age:gt(mean + deviation * 3)):where(returning * 0.1, returning):clamp(0, SURE)

  local recent = (hb.vec(pages.n, horizon) / (age + 1)):log1p()
  local away = age:ge(p.there_s) * pages.returns:ge(1)
  local accesses = away:where(-(-returning):log1p(), recent)
  return accesses, accesses * (pages.written / pages.seen):min(1)
end

return periodic
