-- What the default scorer promises: pages in use that stay clean first, then cold clean ones, overwritten ones last.
local harbinger = require "harbinger"

describe("cost_benefit", function()
  local scorer = harbinger.policy "score/cost_benefit.lua"

  it("orders: in use and clean, cold and clean, overwritten", function()
    local s = scorer:score { predicted = { 10, 0, 10 }, predicted_writes = { 0, 0, 10 } }
    assert.is_true(s[1] > s[2] and s[2] > 0 and s[3] < 0)
  end)

  it("counts use on the source, too", function()
    local s = scorer:score { predicted = { 0, 0 }, read_heat = { 0, 5 } }
    assert.is_true(s[2] > s[1])
  end)

  it("takes what costs little before what costs much", function()
    local s = scorer:score { predicted = { 1, 1 }, bytes_to_send = { 100, 4160 } }
    assert.is_true(s[1] > s[2])
    s = scorer:score({ predicted = { 1, 1 }, run_length = { 1, 64 } }, { latency_s = 0.05 })
    assert.is_true(s[2] > s[1])
  end)

  it("counts nothing against what the target has already", function()
    local slow = { latency_s = 0.5, free_bytes_per_s = 0 }
    local pages = {
      predicted = { 1, 1, 1 }, predicted_writes = { 0, 0, 10 },
      bytes_to_send = { 4160, 0, 0 }, known = { 0, 1, 1 },
    }
    local s = scorer:score(pages, slow)
    assert.is_true(s[2] > s[1] and s[2] > s[3] and s[3] >= 0)
    assert.are.equal(s[2], scorer:score(pages)[2])
  end)

  it("takes the link's load into account, and bears a link without room", function()
    local pages = { predicted = { 1 }, bytes_to_send = { 4160 } }
    local idle = scorer:score(pages, { used_share = 0 })[1]
    local full = scorer:score(pages, { used_share = 1, free_bytes_per_s = 0 })[1]
    assert.is_true(idle > full and full > -1)
  end)

  it("counts a link that loses its pace as one that has less to give", function()
    local pages = { predicted = { 1 }, bytes_to_send = { 4160 } }
    local steady = scorer:score(pages, { pace_loss = 0 })[1]
    local stalling = scorer:score(pages, { pace_loss = 0.8 })[1]
    assert.is_true(steady > stalling and stalling > scorer:score(pages, { pace_loss = 1 })[1])
  end)

  it("stays within -1 and 1 whatever it is given", function()
    local s = scorer:score({ predicted = { 1e9, 0 }, predicted_writes = { 0, 1e9 }, bytes_to_send = { 1e9, 1e9 } },
      { bytes_per_s = 0 })
    assert.is_true(s[1] <= 1 and s[2] >= -1)
  end)
end)
