-- Fetches pages in the company of their block: a page that is little used itself is worth more when the rest of its 2 MiB
-- block is wanted. Programs lay out together what they use together, and neighbours travel in one request.
--
-- Shows segments: pages come in ascending order, so a block's pages are neighbours in the columns. `segments` numbers the
-- runs of equal block numbers, `segment_mean` makes one number a block of them, `spread_from` gives it back to each page.
local same_block = {
  api = 1,
  kind = "scorer",
  name = "same_block",
  version = "1.0.0",
  params = {
    company = { default = 0.5, min = 0, max = 1, help = "share of the worth that comes from the page's block" },
    waste = { default = 0.6, min = 0, max = 1, help = "weight of the chance that the copy is overwritten" },
  },
}

function same_block:score(pages)
  local company, waste = self.params.company, self.params.waste
  local use = hb.term("use", pages.predicted / (pages.predicted + 1))
  local block, blocks = pages.block:segments()
  local block_use = hb.term("block_use", use:segment_mean(block, blocks):spread_from(block))
  local clean = hb.term("clean", (-pages.predicted_writes):exp())
  local worth = 0.2 + 0.6 * ((1 - company) * use + company * block_use)
  return worth * clean - waste * (1 - clean)
end

return same_block
