local harbinger = require "harbinger"

describe("working_set", function()
  it("expects what the last horizon saw, and nothing else", function()
    local pages = harbinger.pages { pages = 4096, horizon_s = 10 }
      :hot { from = 0, pages = 32, stop_s = 40 } -- a phase that is over
      :hot { from = 1024, pages = 32, start_s = 40, writes = 1 }
      :run(60)
    local accesses, writes = harbinger.policy("predict/working_set.lua"):predict(pages)
    assert.are.equal(0, pages:of(accesses, 5))
    assert.is_true(pages:of(accesses, 1030) >= 9)
    assert.is_true(pages:of(writes, 1030) >= 9)
  end)

  it("finds the next horizon's pages in a guest of phases", function()
    local pages = harbinger.pages { pages = 4096, seed = 2 }
      :hot { from = 0, pages = 200 }
      :random { from = 512, pages = 3000, per_s = 5 }
    local policy = harbinger.policy "predict/working_set.lua"
    local quality = pages:run(60, policy):judge(policy:predict(pages))
    assert.is_true(quality.f1 > 0.7)
  end)

  it("reaches as far as it is told", function()
    local pages = harbinger.pages { pages = 256 }:hot { pages = 8, stop_s = 30 }:run(45)
    local policy = harbinger.policy "predict/working_set.lua"
    assert.are.equal(0, policy:predict(pages)[1])
    policy:tune("reach", 4)
    assert.is_true(policy:predict(pages)[1] > 0)
  end)
end)
