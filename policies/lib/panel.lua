-- The predictors that blend and lstm ask and compare, under one hood.
local markov = hb.use "predict/markov"

local panel = {
  NAMES = { "recency", "ewma", "lfu", "periodic", "markov", "markov+", "markov-", "majority", "model", "anchored" },
  RECENCY = 1,
  ANCHORED = 10,
  markov = markov,
  majority = hb.use "predict/majority",
}

local SIMPLE = {
  recency = hb.use "predict/recency",
  ewma = hb.use "predict/ewma",
  lfu = hb.use "predict/lfu",
  periodic = hb.use "predict/periodic",
  majority = panel.majority,
}
local OF_MODEL = { model = true, anchored = true }
local OF_MARKOV = { markov = 1, ["markov+"] = 0.5, ["markov-"] = 2 } -- weight of recency beside what followed
local SURE = 0.999

function panel.observe(epoch, guest)
  markov:observe(epoch, guest)
  panel.majority:observe(epoch, guest)
end

-- Chances as expected accesses: what a Poisson process with this chance of none would have.
local function model_answer(pages, guest)
  local accessed, written = pages:model(guest.horizon_s)
  if accessed then
    return -(-accessed:min(SURE)):log1p(), -(-written:min(SURE)):log1p()
  end
end

local ANCHOR = 0.2 -- recency's share of an anchored chance

local function anchor(chance, age, touched, horizon)
  local recent = (age:lt(horizon) + 1 / (age * (1 / horizon) + 1)) * 0.5
  local held = chance * (1 - ANCHOR) + recent * ANCHOR
  return -(-(touched:gt(0):where(held, chance) * SURE)):log1p()
end

-- The model held to recency: a fifth of the chance is how lately the page was accessed, with a step where the horizon before
-- ends. Of a page that was never touched recency knows nothing: the model alone.
local function anchored_answer(pages, guest)
  local accessed, written = pages:model(guest.horizon_s)
  if accessed then
    local horizon = guest.horizon_s
    return anchor(accessed, pages.age_s, pages.seen, horizon), anchor(written, pages.version_age_s, pages.written, horizon)
  end
end

-- Accesses and writes; nothing when it has no answer now. share: markov's, when known already.
function panel.ask(name, pages, guest, share)
  if SIMPLE[name] then
    return SIMPLE[name]:predict(pages, guest)
  elseif name == "model" then
    return model_answer(pages, guest)
  elseif name == "anchored" then
    return anchored_answer(pages, guest)
  end
  share = share or markov:share(pages, guest)
  if share then
    return markov:mixed(share, pages, guest, OF_MARKOV[name])
  end
end

-- Of all: lists by number in NAMES, without those that have no answer.
function panel.ask_all(pages, guest, with_model)
  local accesses, writes = {}, {}
  local share = markov:share(pages, guest)
  for i, name in ipairs(panel.NAMES) do
    if (share or not OF_MARKOV[name]) and (with_model or not OF_MODEL[name]) then
      accesses[i], writes[i] = panel.ask(name, pages, guest, share)
    end
  end
  return accesses, writes
end

-- The answer of this one, else recency's.
function panel.answer(name, pages, guest)
  local accesses, writes = panel.ask(name, pages, guest)
  if accesses then
    return accesses, writes
  end
  return SIMPLE.recency:predict(pages, guest)
end

return panel
