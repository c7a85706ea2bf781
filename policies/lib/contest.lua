-- Which of several answers is the best on this guest, from lessons.
--
-- Contestants answer each lesson; when it ends, each gets the F1 of the pages it named first, as many as the definition of
-- prediction quality has it (docs/POLICY_API.md). Lessons differ much more from each other than contestants do in one, so the
-- *differences* of a challenger to the leader are looked at, lesson by lesson, the last ones most. The leader changes when
-- another is better by more than chance explains: mean - caution * deviation / sqrt(n) above `margin`, where n counts lessons
-- that do not overlap.
-- Sources: following the leader: Cesa-Bianchi, Lugosi, "Prediction, learning, and games", Cambridge 2006; the bound in place of
-- the mean: Mnih, Szepesvari, Audibert, "Empirical Bernstein stopping", ICML 2008.
local contest = {}
contest.__index = contest

local EVERY_S = 5 -- between two lessons (core/policy/lesson.h)
local OPEN = 16 -- lessons that may be open at most
local REMEMBERED = 32
local LEAST = 2 -- lessons that do not overlap, before anybody is believed

-- names: of the contestants, the first is believed until another is better. options: decay (0.9 a lesson), caution (1),
-- margin (0.005).
function contest.new(names, options)
  options = options or {}
  local self = setmetatable({}, contest)
  self.names, self.leader, self.lessons = names, 1, 0
  self.decay, self.caution = options.decay or 0.9, options.caution or 1
  self.margin = options.margin or 0.005
  self.past = {} -- F1 by lesson and contestant
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

-- By how much contestant i is better than the leader, as far as that is sure; nil: not known yet. The last lessons count most.
function contest:ahead_by(i, horizon_s)
  local n, sum, squares, lessons, weight = 0, 0, 0, 0, 1
  for at = #self.past, 1, -1 do
    local mine, its = self.past[at][i], self.past[at][self.leader]
    if mine and its then
      local difference = mine - its
      n, sum, squares = n + weight, sum + weight * difference, squares + weight * difference * difference
      lessons = lessons + 1
    end
    weight = weight * self.decay
  end
  local apart = EVERY_S / (horizon_s + EVERY_S) -- share of the lessons that do not overlap
  local free = math.min(lessons, (1 + self.decay) / (1 - self.decay)) * apart
  if free < LEAST then
    return nil
  end
  local mean = sum / n
  return mean - self.caution * math.sqrt(math.max(squares / n - mean * mean, 0) / free)
end

function contest:lead(horizon_s)
  local best, most = self.leader, self.margin
  for i = 1, #self.names do
    local by = i ~= self.leader and self:ahead_by(i, horizon_s)
    if by and by > most then
      best, most = i, by
    end
  end
  self.leader = best
end

-- answers: as contest:take gave them; truth: 1 where it was accessed; weight: pages of the guest that each of the sample stands
-- for; room: how many may be named.
function contest:learn(answers, truth, weight, room, horizon_s)
  if room <= 0 or truth:sum() <= 0 then
    return
  end
  local f1 = {}
  for i = 1, #self.names do
    f1[i] = answers[i] and contest.f1_of(answers[i], truth, weight, room)
  end
  self.lessons = self.lessons + 1
  self.past[#self.past + 1] = f1
  if #self.past > REMEMBERED then
    table.remove(self.past, 1)
  end
  self:lead(horizon_s)
end

function contest:leading()
  return self.names[self.leader]
end

-- F1 over the recent lessons; nil: unknown.
function contest:score(name)
  local n, sum, weight = 0, 0, 1
  for at = #self.past, 1, -1 do
    for i = 1, #self.names do
      local f1 = self.names[i] == name and self.past[at][i]
      if f1 then
        n, sum = n + weight, sum + weight * f1
      end
    end
    weight = weight * self.decay
  end
  return n > 0 and sum / n or nil
end

-- What of it goes to another state: by name, so that a later version may have other contestants.
function contest:save()
  local past = {}
  for at = 1, #self.past do
    past[at] = {}
    for i = 1, #self.names do
      past[at][self.names[i]] = self.past[at][i] or nil
    end
  end
  return { lessons = self.lessons, leader = self:leading(), past = past }
end

function contest:restore(kept)
  self.lessons, self.past = kept.lessons, {}
  for i = 1, #self.names do
    self.leader = self.names[i] == kept.leader and i or self.leader
  end
  for at = 1, #kept.past do
    self.past[at] = {}
    for i = 1, #self.names do
      self.past[at][i] = kept.past[at][self.names[i]] or false
    end
  end
end

return contest
