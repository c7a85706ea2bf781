local harbinger = require "harbinger"

describe("same_block", function()
  local policy = harbinger.policy "score/same_block.lua"

  it("likes an idle page in a busy block better than one in an idle block", function()
    local scores = policy:score { gfn = { 0, 1, 2, 600 }, predicted = { 5, 5, 0, 0 } }
    assert.is_true(scores[3] > scores[4])
    assert.is_true(scores[1] > scores[3])
  end)

  it("leaves alone what is overwritten, whatever its block", function()
    local scores = policy:score { gfn = { 0, 1 }, predicted = { 5, 5 }, predicted_writes = { 0, 9 } }
    assert.is_true(scores[1] > 0 and scores[2] < 0)
  end)

  it("scores each page by itself when company counts nothing", function()
    local alone = harbinger.policy "score/same_block.lua"
    alone:tune("company", 0)
    local scores = alone:score { gfn = { 0, 1, 600 }, predicted = { 5, 0, 0 } }
    assert.are.equal(scores[2], scores[3])
  end)
end)
