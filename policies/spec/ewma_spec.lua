-- What the default predictor promises: a rate that goes on, fading with silence, told apart for writes.
local harbinger = require "harbinger"

describe("ewma", function()
  local ewma = harbinger.policy "predict/ewma.lua"

  it("expects what went on to go on", function()
    local accesses, writes = ewma:predict({ read_heat = { 2 }, write_heat = { 1 } }, { horizon_s = 10 })
    assert.are.equal(30, accesses[1])
    assert.are.equal(10, writes[1])
  end)

  it("counts half what has been silent for fade_s", function()
    local accesses = ewma:predict({ read_heat = { 2, 2 }, age_s = { 0, ewma.params.fade_s } }, { horizon_s = 10 })
    assert.is_near(accesses[1] / 2, accesses[2], 1e-4)
  end)

  it("expects nothing of a page never seen", function()
    local accesses, writes = ewma:predict { read_heat = { 0 }, age_s = { 1e9 }, version_age_s = { 1e9 } }
    assert.are.same({ 0, 0 }, { accesses[1], writes[1] })
  end)

  it("prefers a hot set to pages a scan has passed", function()
    local pages = harbinger.pages { pages = 8192, seed = 3 }
      :hot { from = 0, pages = 64, reads = 5 }
      :scan { from = 1024, pages = 4096, per_s = 50 }
      :run(60)
    local accesses = ewma:predict(pages)
    assert.is_true(pages:of(accesses, 5) > 10 * pages:of(accesses, 1030))
    assert.is_true(pages:judge(accesses).recall > 0)
  end)

  it("gives the same answer twice", function()
    local pages = harbinger.pages { seed = 3 }:random { pages = 4096, per_s = 200, writes = 0.5 }:run(40)
    assert.are.same({ ewma:predict(pages) }, { ewma:predict(pages) })
  end)

  it("can be tuned within its range", function()
    local other = harbinger.policy "predict/ewma.lua"
    other:tune("fade_s", 60)
    assert.are.equal(60, other.params.fade_s)
    assert.has_error(function() other:tune("fade_s", 0) end)
  end)
end)
