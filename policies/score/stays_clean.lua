-- Does not fetch what will be dirtied before it is of use.
--
-- A copy is worth something if it is used before it is overwritten, or lies there clean until the guest moves. With accesses that
-- only read at rate r and writes at rate w, both within the horizon, the first event is a read with chance r / (r + w), and none
-- comes with chance exp(-(r + w)): then the copy is still good for the move. What is left is the chance that the copy is
-- overwritten first, and counts against the page (`waste`). A page whose last write is young is about to be written again, and
-- waits for `calm_s` without one. Where the target has the bytes already (`known`) nothing is sent that could be in vain.
-- Source: writes in the near future decide what pre-copy sends in vain: Clark et al., "Live migration of virtual machines", NSDI
-- 2005 (writable working set); Ibrahim et al., "Optimized pre-copy live migration for memory intensive applications", SC 2011.
local stays_clean = {
  api = 1,
  kind = "scorer",
  name = "stays_clean",
  version = "1.1.0",
  params = {
    still = { default = 0.4, min = 0, max = 1, help = "worth of a copy that nobody used, but that stays good for the move" },
    waste = { default = 1, min = 0, max = 1, help = "what the chance to be overwritten first counts against it" },
    calm_s = { default = 3, min = 0, max = 600, unit = "s", help = "seconds without a write before a page is looked at" },
  },
}

function stays_clean:score(pages)
  local p = self.params
  local writes = pages.predicted_writes
  local reads = (pages.predicted - writes):max(0)
  local all = reads + writes
  local untouched = (-all):exp()
  local first_a_read = (1 - untouched) * (reads / all)
  local first_a_write = (1 - untouched) * (writes / all)
  local worth = first_a_read + untouched * p.still - first_a_write * p.waste * (1 - pages.known)
  return pages.version_age_s:ge(p.calm_s):where(worth, -1)
end

return stays_clean
