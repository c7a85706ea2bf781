local harbinger = require "harbinger"

describe("quiet_hours", function()
  local function at(policy, hour)
    return policy:threshold({}, nil, { now_s = hour * 3600 })
  end

  it("is quiet from eight to six", function()
    local policy = harbinger.policy "threshold/quiet_hours.lua"
    for hour, cut in pairs { [3] = policy.params.open, [9] = policy.params.quiet, [17.9] = policy.params.quiet,
      [18] = policy.params.open, [33] = policy.params.quiet } do
      assert.is_near(cut, at(policy, hour), 1e-9)
    end
    assert.are.equal("quiet hours", policy:note())
  end)

  it("may be quiet over midnight, and be told the hour", function()
    local policy = harbinger.policy "threshold/quiet_hours.lua"
    policy:tune("from_hour", 22)
    policy:tune("to_hour", 6)
    assert.is_true(at(policy, 23) > 0.5 and at(policy, 2) > 0.5 and at(policy, 12) < 0.5)
    policy:tune("zero_hour", 12)
    assert.is_true(at(policy, 12) > 0.5)
  end)

  it("never stands in a migration's way", function()
    local policy = harbinger.policy "threshold/quiet_hours.lua"
    assert.are.equal(-1, policy:threshold({}, nil, { now_s = 9 * 3600, draining = true }))
  end)
end)
