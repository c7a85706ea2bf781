-- What "off" promises: nothing is prefetched, and a migration that was asked for still moves everything.
local harbinger = require "harbinger"

describe("off", function()
  local policy = harbinger.policy "threshold/off.lua"

  it("lies above every score", function()
    assert.is_true(policy:threshold({}, { used_share = 0 }) > 1)
  end)

  it("lets everything pass while a migration drains", function()
    assert.are.equal(-1, policy:threshold({}, nil, { draining = true }))
  end)
end)
