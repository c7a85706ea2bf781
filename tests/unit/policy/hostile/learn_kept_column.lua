-- expect: EINVAL a column of an earlier call is used
-- kind: predictor
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
local said
function p:rehearse(pages)
  said = pages.read_heat
end
function p:learn()
  if said then self.sum = said:sum() end
end
return p
