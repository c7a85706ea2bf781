-- The module itself: what goes in, what comes out, what is refused.
local harbinger = require "harbinger"

describe("harbinger.policy", function()
  local p
  before_each(function()
    p = harbinger.policy "predict/teller.lua"
  end)

  it("says what it loaded", function()
    assert.are.same({ "teller", "predictor", "2.1" }, { p.name, p.kind, p.version })
    assert.are.equal(32, #p.hash)
    assert.are.same({ weight = 1, steps = 2, loud = false }, p.params)
    assert.is_true(p.memory_bytes > 0)
    assert.has_error(function() return p.nonesuch end)
  end)

  it("takes lists and numbers as columns", function()
    local accesses = p:predict { read_heat = { 1, 2, 3 }, write_heat = 1 }
    assert.are.same({ 2, 3, 4 }, accesses)
    assert.are.same({}, (p:predict { n = 0 }))
    assert.is_true(p:spent_ms() > 0)
  end)

  it("refuses what does not exist", function()
    assert.error_matches(function() p:predict { read_heta = { 1 } } end, "there is no 'read_heta'")
    assert.error_matches(function() p:predict({ n = 1 }, { horizon = 3 }) end, "guest: there is no 'horizon'")
    assert.error_matches(function() p:predict { read_heat = { 1, 2 }, age_s = { 1 } } end, "age_s must be a list of 2")
    assert.error_matches(function() p:predict { read_heat = { 1, "x" } } end, "read_heat: element 2 is string")
    assert.error_matches(function() p:score { n = 1 } end, "'teller' is a predictor")
    assert.error_matches(function() harbinger.policy "predict/none.lua" end, "there is no such policy")
    assert.error_matches(function() harbinger.policy("predict/teller.lua", { memory = 3 }) end, "there is no 'memory'")
  end)

  it("passes the policy's own errors on, with their line", function()
    assert.error_matches(function() p:predict { n = 7 } end, "predict/teller.lua:19: seven pages")
  end)

  it("tells it what was accessed", function()
    p:observe({ number = 4, runs = { { gfn = 8, pages = 3 }, { gfn = 20, pages = 2, written = true } } }, { horizon_s = 5 })
    assert.are.same({ runs = 2, first = 8, accessed = 5, written = 2, horizon = 5 }, p:counters())
    assert.error_matches(function() p:observe { runs = { 3 } } end, "run 1 is no table")
    assert.error_matches(function() p:observe {} end, "'runs' must be a list")
  end)

  it("examines it", function()
    p:rehearse({ read_heat = { 1, 2 }, gfn = { 5, 9 } }, nil, 12)
    assert.are.equal("lesson 12 of 2 pages", p:note())
    p:learn { lesson = 12, accessed = { 1, 0 }, returning = { 0, 1 }, budget = 1 }
    assert.are.same({ right = 1, returning = 1, reads = 1, budget = 1 }, p:counters())
  end)

  it("tunes, hears, saves and restores it", function()
    p:tune("weight", 3)
    p:tune("loud", true)
    assert.are.same({ 6 }, (p:predict { read_heat = { 2 } }))
    assert.are.same({ "asked about pages" }, p:log())
    assert.are.same({}, p:log())
    assert.has_error(function() p:tune("weight", 11) end)
    assert.has_error(function() p:tune("steps", 1.5) end)
    assert.has_error(function() p:tune("nonesuch", 1) end)
    p:observe { runs = {} }
    local other = harbinger.policy "predict/teller.lua"
    other:restore(p:save())
    assert.are.equal(1, other:counters().restored)
    assert.has_error(function() other:restore "garbage" end)
  end)
end)

describe("harbinger.pages", function()
  it("is seen through history, too", function()
    local p = harbinger.policy "predict/teller.lua"
    local pages = harbinger.pages { pages = 64 }:hot { from = 3, pages = 2, stop_s = 4 }:run(9, p)
    local _, seen = p:predict(pages)
    assert.are.same({ 4, 4 }, seen)
    assert.are.same({ 3, 4 }, pages:gfns())
    assert.are.equal(2, #pages)
    assert.is_nil(pages:of(seen, 40))
    assert.are.same({ 5, 5 }, pages:columns().age_s)
    assert.are.equal(0, p:counters().accessed)
  end)

  it("refuses what cannot be", function()
    local pages = harbinger.pages { pages = 64 }
    assert.error_matches(function() pages:hot { page = 3 } end, "there is no 'page'")
    assert.error_matches(function() pages:hot { from = 60, pages = 10 } end, "the guest has 64")
    assert.error_matches(function() pages:scan { per_s = 0 } end, "per_s")
    assert.has_error(function() pages:run(-1) end)
    assert.has_error(function() pages:run(1, {}) end)
    assert.has_error(function() harbinger.pages { pages = 1e6 } end)
    assert.has_error(function() pages:run(3):of({ 1 }, 0) end)
  end)
end)
