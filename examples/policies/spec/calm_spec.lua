local harbinger = require "harbinger"

describe("calm", function()
  local policy = harbinger.policy "score/calm.lua"

  it("leaves pages alone until they have been calm for a while", function()
    local scores = policy:score { predicted = { 5, 5 }, version_age_s = { 3, 30 } }
    assert.are.equal(-1, scores[1])
    assert.is_true(scores[2] > 0)
  end)

  it("takes those in use first", function()
    local scores = policy:score { predicted = { 5, 0 }, version_age_s = 1e9 }
    assert.is_true(scores[1] > scores[2])
  end)
end)
