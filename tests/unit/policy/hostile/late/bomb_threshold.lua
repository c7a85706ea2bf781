-- expect: ENOMEM not enough memory
-- kind: threshold
-- in: threshold
local p = { api = 1, kind = "threshold", name = "p", version = "1" }
function p:threshold(scores, link, guest)
  if guest.pages == 100000 then
    local t = {}
    for i = 1, 1e9 do t[i] = { i } end
  end
  return scores.previous
end
return p
