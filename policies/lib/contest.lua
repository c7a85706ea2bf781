-- Which of several answers is the best on this guest, from lessons.
--
-- Contestants answer each lesson; when it ends, each gets the F1 of the K pages it named first, K as the definition of prediction
-- quality has it (docs/POLICY_API.md). Lessons differ much more from each other than contestants do in one, so what is kept is
-- each contestant's *difference* to the first, its mean and its spread, over the recent lessons. A contestant is believed as far
-- as chance does not explain it: mean - caution * spread / sqrt(n), where n counts lessons that do not overlap. The one believed
-- most leads; the leader changes only when another is ahead by `margin`.
-- Source: following the leader: Cesa-Bianchi, Lugosi, "Prediction, learning, and games", Cambridge 2006; paired differences and
-- lower confidence bounds instead of plain means: Mnih, Szepesvari, Audibert, "Empirical Bernstein stopping", ICML 2008.
local contest = {}
contest.__index = contest

local EVERY_S = 5 -- between two lessons (core/policy/lesson.h)
local OPEN = 16 -- lessons that may be open at most

-- names: of the contestants, the first is believed until another is better. options: decay (0.9 a lesson), caution (0.5),
-- margin (0.005).
function contest.new(names, options)
  options = options or {}
  local self = setmetatable({}, contest)
  self.names, self.leader, self.lessons = names, 1, 0
  self.decay, self.caution = options.decay or 0.9, options.caution or 0.5
  self.margin = options.margin or 0.005
  self.f1, self.mean, self.variance, self.met = {}, {}, {}, {}
  self.open, self.order = {}, {}
  return self
end

-- answers: by contestant, a vector, or nil when it has none this time. They are copied.
function contest:rehearse(lesson, answers)
  local kept = {}
  for i = 1, #self.names do
    kept[i] = answers[i] and answers[i]:copy() or false
  end
  self.open[lesson] = kept
  self.order[#self.order + 1] = lesson
  if #self.order > OPEN then
    self.open[table.remove(self.order, 1)] = nil
  end
end

-- The answers given for a lesson, which is closed by that; nil when it is not open.
function contest:take(lesson)
  local kept = self.open[lesson]
  self.open[lesson] = nil
  while self.order[1] and not self.open[self.order[1]] do
    table.remove(self.order, 1)
  end
  return kept
end

-- A mask of the pages with the highest values, as many as together weigh `room` (a page weighs as many pages of the guest as it
-- stands for).
function contest.first(values, weight, room)
  local low, high = 0, #values
  while low < high do
    local middle = (low + high + 1) // 2
    if (values:topk(middle) * weight):sum() <= room + 0.5 then
      low = middle
    else
      high = middle - 1
    end
  end
  return values:topk(low)
end

-- F1 of the first pages; truth: 1 where it was accessed.
function contest.f1_of(values, truth, weight, room)
  local right = (contest.first(values, weight, room) * truth * weight):sum()
  return right > 0 and 2 * right / (room + (truth * weight):sum()) or 0
end

function contest:note_result(i, f1, difference, rate)
  local w = self.met[i] and rate or 1
  local step = difference - (self.mean[i] or 0)
  self.mean[i] = (self.mean[i] or 0) + w * step
  self.variance[i] = (1 - w) * ((self.variance[i] or 0) + w * step * step)
  self.f1[i] = (self.f1[i] or 0) + w * (f1 - (self.f1[i] or 0))
  self.met[i] = (self.met[i] or 0) + 1
end

-- By how much contestant i is better than the first, as far as it is sure. -inf: not yet known.
function contest:believed(i, horizon_s)
  if i == 1 then
    return 0
  end
  if (self.met[i] or 0) < 2 then
    return -math.huge
  end
  local apart = EVERY_S / (horizon_s + EVERY_S) -- share of the lessons that do not overlap
  local n = math.min(self.met[i], (1 + self.decay) / (1 - self.decay)) * apart
  return self.mean[i] - self.caution * math.sqrt(self.variance[i] / math.max(n, 1))
end

function contest:lead(horizon_s)
  local best = self.leader
  for i = 1, #self.names do
    if self:believed(i, horizon_s) > self:believed(best, horizon_s) then
      best = i
    end
  end
  if self:believed(best, horizon_s) > self:believed(self.leader, horizon_s) + self.margin then
    self.leader = best
  end
end

-- answers: as contest:take gave them; truth: 1 where it was accessed; weight: pages of the guest that each of the sample stands
-- for; room: how many may be named.
function contest:learn(answers, truth, weight, room, horizon_s)
  if room <= 0 or truth:sum() <= 0 or not answers[1] then
    return
  end
  self.lessons = self.lessons + 1
  local rate = math.max(1 - self.decay, 1 / self.lessons)
  local first = contest.f1_of(answers[1], truth, weight, room)
  for i = 1, #self.names do
    if answers[i] then
      local f1 = i == 1 and first or contest.f1_of(answers[i], truth, weight, room)
      self:note_result(i, f1, f1 - first, rate)
    end
  end
  self:lead(horizon_s)
end

function contest:leading()
  return self.names[self.leader]
end

function contest:score(name)
  for i = 1, #self.names do
    if self.names[i] == name then
      return self.f1[i]
    end
  end
end

-- What of it goes to another state: by name, so that a later version may have other contestants.
function contest:save()
  local kept = { lessons = self.lessons, leader = self:leading(), of = {} }
  for i = 1, #self.names do
    if self.met[i] then
      kept.of[self.names[i]] =
        { f1 = self.f1[i], mean = self.mean[i], variance = self.variance[i], met = self.met[i] }
    end
  end
  return kept
end

function contest:restore(kept)
  self.lessons = kept.lessons
  for i = 1, #self.names do
    local of = kept.of[self.names[i]]
    if of then
      self.f1[i], self.mean[i], self.variance[i], self.met[i] = of.f1, of.mean, of.variance, of.met
    end
    if self.names[i] == kept.leader then
      self.leader = i
    end
  end
end

return contest
