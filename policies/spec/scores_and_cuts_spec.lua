-- What the other shipped scorers and thresholds promise.
local harbinger = require "harbinger"

describe("plain", function()
  it("is the chance of use, laid over -1 to 1", function()
    local s = harbinger.policy("score/plain.lua"):score { predicted = { 0, 0.6931472, 100 } }
    assert.is_near(-1, s[1], 1e-6)
    assert.is_near(0, s[2], 1e-6)
    assert.is_near(1, s[3], 1e-6)
  end)
end)

describe("stays_clean", function()
  local scorer = harbinger.policy "score/stays_clean.lua"

  it("leaves alone what will be dirtied before it is read", function()
    local s = scorer:score { predicted = { 5, 5, 0 }, predicted_writes = { 0, 5, 0 }, version_age_s = 1e9 }
    assert.is_true(s[1] > s[3] and s[3] > 0 and s[2] < 0)
  end)

  it("does not mind what is overwritten where the target has the bytes", function()
    local s = scorer:score { predicted = { 5, 5 }, predicted_writes = { 5, 5 }, version_age_s = 1e9, known = { 0, 1 } }
    assert.is_true(s[1] < 0 and s[2] > 0)
  end)

  it("waits for calm", function()
    local s = scorer:score { predicted = { 5 }, version_age_s = { 0 } }
    assert.are.equal(-1, s[1])
  end)
end)

describe("histogram", function()
  local function scores(n, previous)
    local histogram = {}
    for bucket = 1, 64 do
      histogram[bucket] = bucket > 32 and n or 0
    end
    return { histogram = histogram, previous = previous }
  end

  it("lets pass what the link has room for, rises at once and falls slowly", function()
    local policy = harbinger.policy "threshold/histogram.lua"
    local narrow, wide = { free_bytes_per_s = 4096 * 50 }, { free_bytes_per_s = 4096 * 50000 }
    local high = policy:threshold(scores(10, 0), narrow, { now_s = 1 })
    assert.is_near(1 - 10 * 2 / 64, high, 1e-6) -- 100 pages: ten buckets of ten
    local next_cut = policy:threshold(scores(10, high), wide, { now_s = 2 })
    assert.is_near(high - 2 / 64, next_cut, 1e-6)
  end)

  it("lets everything go while the guest moves", function()
    local policy = harbinger.policy "threshold/histogram.lua"
    assert.are.equal(-1, policy:threshold(scores(1, 0.5), nil, { draining = true }))
  end)
end)
