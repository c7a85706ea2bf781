-- What the fixed threshold promises: a cut that stays where it is put, but for a migration.
local harbinger = require "harbinger"

describe("fixed", function()
  local policy = harbinger.policy "threshold/fixed.lua"

  it("stays whatever goes on", function()
    for _, share in ipairs { 0, 0.5, 1 } do
      assert.are.equal(policy.params.cut, policy:threshold({ previous = share }, { used_share = share }))
    end
  end)

  it("goes where it is tuned to", function()
    local other = harbinger.policy "threshold/fixed.lua"
    other:tune("cut", 0.7)
    assert.is_near(0.7, other:threshold {}, 1e-9)
  end)

  it("lets everything pass while a migration drains", function()
    assert.are.equal(-1, policy:threshold({}, nil, { draining = true }))
  end)
end)
