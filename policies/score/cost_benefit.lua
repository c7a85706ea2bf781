-- The worth of having a page on the target now, between -1 and 1, from five inputs: its predicted use on the target, its use
-- on the source, the link's latency and bandwidth, and what sending it costs against what it brings.
--
-- Every page must move in the end, so even a page nobody uses brings a gain (`base`): it will not have to travel after the
-- request. What can spoil any gain is a write: the copy is stale then and travels again. `clean` is the chance that no write
-- comes within the horizon (writes as a Poisson process). So pages in use that stay clean come first, then cold clean ones,
-- and pages that are written again and again come last, below zero.
--
-- A page whose bytes the target has already (`known`) keeps no link and waits for none, and a copy of it that is overwritten sent
-- nothing in vain: neither counts against it.
local cost_benefit = {
  api = 1,
  kind = "scorer",
  name = "cost_benefit",
  version = "1.1.0",
  params = {
    base = { default = 0.3, min = 0, max = 1, help = "gain of any page that is there and stays clean" },
    w_target = { default = 0.5, min = 0, max = 1, help = "weight of the predicted use on the target" },
    w_source = { default = 0.1, min = 0, max = 1, help = "weight of the present use on the source" },
    w_cost = { default = 0.2, min = 0, max = 1, help = "weight of the time the page keeps the link" },
    w_waste = { default = 0.6, min = 0, max = 1, help = "weight of the chance that the copy is overwritten" },
  },
}

local PAGE = 4096

function cost_benefit:score(pages, link)
  local p = self.params
  local use = hb.term("use", pages.predicted / (pages.predicted + 1))
  local heat = pages.read_heat + pages.write_heat
  local source = hb.term("source", heat / (heat + 1))
  local clean = hb.term("clean", (-pages.predicted_writes):exp())

  -- Seconds on the link as it is, beside those of a whole page alone on the link when idle: 0.5 means equal. A link that
  -- stalls now and then has that much less to give.
  local bandwidth = math.max(link.bytes_per_s, 1)
  local free = math.max(link.free_bytes_per_s * (1 - link.pace_loss), 0.01 * bandwidth)
  local whole = PAGE / bandwidth + link.latency_s
  local seconds = pages.bytes_to_send * (1 / free) + link.latency_s / pages.run_length
  local cost = hb.term("cost", seconds / (seconds + whole))

  local travels = hb.term("travels", 1 - pages.known)

  local gain = hb.term("gain", (p.base + p.w_target * use + p.w_source * source) * clean)
  return gain - p.w_cost * cost * travels - p.w_waste * (1 - clean) * travels
end

return cost_benefit
