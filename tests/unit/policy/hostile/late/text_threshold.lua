-- expect: EINVAL the result must be a number, not string
-- kind: threshold
-- in: threshold
local p = { api = 1, kind = "threshold", name = "p", version = "1" }
function p:threshold(scores, link, guest)
  if guest.pages == 100000 then
    return "1"
  end
  return scores.previous
end
return p
