-- Tells of all it is told: for spec/module_spec.lua.
local teller = {
  api = 1,
  kind = "predictor",
  name = "teller",
  version = "2.1",
  history = true,
  params = {
    weight = { default = 1, min = 0, max = 10, help = "times this much" },
    steps = { default = 2, min = 1, max = 5, type = "integer", help = "a whole number" },
    loud = { default = false, type = "boolean", help = "says what it does" },
  },
}

local memory = { epochs = 0, learned = 0 }

function teller:predict(pages)
  if pages.n == 7 then
    error("seven pages")
  end
  if self.params.loud then
    hb.log("asked about pages")
  end
  return pages.heat * self.params.weight, pages.seen
end

function teller:observe(epoch, guest)
  memory.epochs = memory.epochs + 1
  hb.counter("runs", #epoch.runs)
  hb.counter("first", epoch.runs[1] and epoch.runs[1].gfn or -1)
  hb.counter("accessed", epoch.accessed)
  hb.counter("written", epoch.written)
  hb.counter("horizon", guest.horizon_s)
end

function teller:rehearse(pages, _, lesson)
  hb.note("lesson " .. tostring(lesson) .. " of " .. tostring(pages.n) .. " pages")
end

function teller:learn(outcome)
  memory.learned = memory.learned + 1
  hb.counter("right", outcome.accessed:sum())
  hb.counter("returning", outcome.returning:sum())
  hb.counter("reads", outcome.reads:sum())
  hb.counter("budget", outcome.budget)
end

function teller:save()
  return memory
end

function teller:restore(data)
  memory = data
  hb.counter("restored", memory.epochs)
end

return teller
