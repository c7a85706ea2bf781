-- expect: EINVAL predict/p.lua:
-- kind: predictor
-- It cannot read what it wrote.
local p = { api = 1, kind = "predictor", name = "p", version = "1" }
function p:predict(pages)
  return pages.read_heat, pages.write_heat
end
local memory = { list = { 1 } }
function p:save()
  return memory
end
function p:restore(data)
  memory = data.gone.list
end
return p
