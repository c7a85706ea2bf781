-- expect: ETIME stopped after
-- Each level catches the error of the one below and starts again.
local p = { api = 1, kind = "scorer", name = "p", version = "1" }
local function again()
  while true do pcall(again) end
end
function p:score(pages)
  again()
end
return p
