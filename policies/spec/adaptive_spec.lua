-- What the default threshold promises: it goes down on an idle link, up when prefetching does harm, and never stands in
-- the way of a migration.
local harbinger = require "harbinger"

-- So many seconds of the same world, one call a second; returns the cut at the end.
local function live(policy, seconds, link, accuracy, cut, from_s)
  for i = 1, seconds do
    if accuracy and accuracy.grow then
      accuracy.wasted = (accuracy.wasted or 0) + accuracy.grow
    end
    local a = accuracy and { wasted = accuracy.wasted, wasted_share = accuracy.wasted_share, precision = accuracy.precision }
    cut = policy:threshold({ previous = cut }, link, { now_s = (from_s or 0) + i, dirty_bytes_per_s = 0 }, a)
  end
  return cut
end

describe("adaptive", function()
  it("goes to its floor, or below, on an idle link", function()
    local policy = harbinger.policy "threshold/adaptive.lua"
    assert.is_true(live(policy, 60, { used_share = 0 }, nil, 0.5) <= policy.params.floor + policy.params.still)
  end)

  it("rises when what was sent is overwritten", function()
    local policy = harbinger.policy "threshold/adaptive.lua"
    local low = live(policy, 30, { used_share = 0.5 }, nil, 0)
    local high = live(policy, 60, { used_share = 0.5 }, { wasted_share = 0.8, wasted = 0, grow = 15000 }, low, 30)
    assert.is_true(high > low + 0.2)
  end)

  it("moves in steps, down faster than up", function()
    local policy = harbinger.policy "threshold/adaptive.lua"
    local first = live(policy, 1, { used_share = 0 }, nil, 0.5)
    assert.is_true(first >= 0.5 - policy.params.fall - 1e-9 and first < 0.5)
  end)

  it("lets everything pass while a migration drains", function()
    local policy = harbinger.policy "threshold/adaptive.lua"
    assert.are.equal(-1, policy:threshold({ previous = 0.5 }, { used_share = 1 }, { draining = true }))
  end)
end)
