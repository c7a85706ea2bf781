-- Sends only pages nobody has written for a while, those in use first. The worked example of docs/POLICY_API.md.
local calm = {
  api = 1,
  kind = "scorer",
  name = "calm",
  version = "1.0.0",
  params = {
    calm_s = { default = 10, min = 0, max = 3600, help = "seconds without a write that make a page calm" },
  },
}

function calm:score(pages)
  local is_calm = pages.version_age_s:ge(self.params.calm_s)
  local use = pages.predicted / (pages.predicted + 1)
  return is_calm:where(0.2 + 0.6 * use, -1)
end

return calm
