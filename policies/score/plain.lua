-- The worth of a page is its predicted use, and nothing else: no cost (so a `known` page saves none), no chance that the copy
-- is overwritten. The yardstick for scorers: what another wins over this one, it wins by looking at more than the prediction.
--
-- Accesses as a Poisson process: the chance of at least one within the horizon, laid over -1 to 1, so that 0 is an even chance.
local plain = { api = 1, kind = "scorer", name = "plain", version = "1.0.0" }

function plain:score(pages)
  return 1 - (-pages.predicted):exp() * 2
end

return plain
