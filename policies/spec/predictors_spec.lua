-- What the shipped predictors promise, each on the guest that it is made for.
local harbinger = require "harbinger"

local GUEST = { horizon_s = 10 }

describe("recency", function()
  it("puts the later accessed before the earlier, and knows writes apart", function()
    local recency = harbinger.policy "predict/recency.lua"
    local accesses, writes = recency:predict({ age_s = { 0, 5, 1e9 }, version_age_s = { 1e9, 5, 0 } }, GUEST)
    assert.is_true(accesses[1] > accesses[2] and accesses[2] > accesses[3])
    assert.is_true(writes[3] > writes[2] and writes[2] > writes[1])
  end)
end)

describe("lfu", function()
  it("puts what is accessed every second before what comes now and then", function()
    local lfu = harbinger.policy "predict/lfu.lua"
    local pages = harbinger.pages { pages = 4096, seed = 1 }
      :hot { from = 0, pages = 64 }
      :returning { from = 1024, pages = 64, every_s = 20, for_s = 3 }
      :run(60)
    local accesses = lfu:predict(pages)
    assert.is_true(pages:of(accesses, 3) > pages:of(accesses, 1030))
  end)
end)

describe("periodic", function()
  it("expects back what is due, before what was passed later and never returned", function()
    local periodic = harbinger.policy "predict/periodic.lua"
    local pages = harbinger.pages { pages = 8192, seed = 2 }
      :returning { from = 1024, pages = 64, every_s = 20, for_s = 3 }
      :scan { from = 4096, pages = 4000, per_s = 30 }
      :run(75) -- the next return lies within the horizon
    local accesses = periodic:predict(pages)
    assert.is_true(pages:of(accesses, 1030) > 2 * pages:of(accesses, 4096 + 30 * 65))
  end)
end)

describe("majority", function()
  local function epoch(number, runs)
    return { number = number, now_s = number, accessed = #runs, written = 0, cut = false, runs = runs }
  end

  it("follows interleaved streams, up and down", function()
    local majority = harbinger.policy "predict/majority.lua"
    for t = 1, 12 do
      majority:observe(
        epoch(t, { { gfn = 16 * t, pages = 16, written = false }, { gfn = 8000 - 8 * t, pages = 8, written = false } }),
        { now_s = t, epoch_s = 1, horizon_s = 10 }
      )
    end
    local accesses = majority:predict(
      { gfn = { 220, 3000, 7890 }, age_s = { 1e9, 1e9, 1e9 }, version_age_s = 1e9 },
      { now_s = 12, epoch_s = 1, horizon_s = 10 }
    )
    assert.is_true(accesses[1] > 1 and accesses[3] > 1)
    assert.is_true(accesses[2] < 0.001)
  end)

  it("sees no trend in what jumps about", function()
    local majority = harbinger.policy "predict/majority.lua"
    for t = 1, 12 do
      majority:observe(epoch(t, { { gfn = t * t * 7919 % 60000, pages = 1, written = false } }), { now_s = t })
    end
    local accesses = majority:predict({ gfn = { 100, 30000 }, age_s = { 1e9, 1e9 }, version_age_s = 1e9 }, { now_s = 12 })
    assert.is_true(accesses[1] < 0.001 and accesses[2] < 0.001)
  end)
end)

describe("markov", function()
  it("names what followed the last times", function()
    local markov = harbinger.policy "predict/markov.lua"
    local pages = harbinger.pages { pages = 8192, seed = 4, horizon_s = 5 }
      :scan { from = 1024, pages = 2560, per_s = 40 } -- a round takes 64 s
      :run(200, markov)
    local accesses = markov:predict(pages) -- it stands at 8 s of its fourth round
    assert.is_true(pages:of(accesses, 1024 + 40 * 10) > 2 * pages:of(accesses, 1024 + 40 * 40)) -- left 30 s later
  end)
end)

describe("blend and lstm", function()
  it("answer from the first call on, say by whom, and go on from what was saved", function()
    for _, name in ipairs { "blend", "lstm" } do
      local policy = harbinger.policy("predict/" .. name .. ".lua")
      local pages = harbinger.pages { pages = 4096, seed = 5 }
        :hot { from = 0, pages = 64, reads = 3 }
        :returning { from = 1024, pages = 64, every_s = 20, for_s = 3 }
        :run(60, policy)
      assert.is_true(pages:judge(policy:predict(pages)).f1 > 0.4)
      assert.is_true(#policy:note() > 0)
      local other = harbinger.policy("predict/" .. name .. ".lua")
      other:restore(policy:save())
      assert.are.equal(#policy:predict(pages), #other:predict(pages))
    end
  end)

  local function lived_with(policy)
    return harbinger.pages { pages = 4096, seed = 6 }:hot { from = 0, pages = 64, reads = 3 }:run(17, policy)
  end

  it("begin with the model held to recency where there is one, else with recency", function()
    local with = "models/default.hbm"
    local lstm = harbinger.policy("predict/lstm.lua", { model = with })
    lived_with(lstm)
    assert.is_truthy(lstm:note():find("held to recency", 1, true))
    lstm = harbinger.policy "predict/lstm.lua"
    lived_with(lstm)
    assert.are.equal("no model: recency answers", lstm:note())

    local blend = harbinger.policy("predict/blend.lua", { model = with })
    lived_with(blend)
    assert.is_truthy(blend:note():find("^by anchored"))
    blend = harbinger.policy("predict/blend.lua", { model = with })
    blend:tune("model", false)
    lived_with(blend)
    assert.is_truthy(blend:note():find("^by recency"))
  end)

  it("fall back to recency when the model is gone", function()
    local lstm = harbinger.policy("predict/lstm.lua", { model = "models/default.hbm" })
    lived_with(lstm)
    local other = harbinger.policy "predict/lstm.lua"
    other:restore(lstm:save())
    lived_with(other)
    assert.are.equal("no model: recency answers", other:note())
  end)
end)
