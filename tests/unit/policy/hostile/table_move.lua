-- expect: EINVAL field 'move'
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages)
  return table.move({}, 1, 1e15, 2)
end
return p
