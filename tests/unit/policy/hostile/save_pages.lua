-- expect: EINVAL a column of an earlier call is used
-- kind: predictor
-- Columns belong to their call.
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
local kept
function p:rehearse(pages)
  kept = pages.read_heat
end
function p:save()
  return { kept = kept }
end
return p
