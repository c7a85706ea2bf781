-- expect: ETIME stopped after
while true do end
