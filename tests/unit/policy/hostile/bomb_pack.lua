-- expect: ENOMEM not enough memory
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
function p:score(pages, link, guest)
  local function grow(...)
    return grow(1, 2, 3, 4, 5, 6, 7, 8, ...)
  end
  return grow()
end
return p
