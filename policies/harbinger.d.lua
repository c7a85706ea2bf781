---@meta harbinger
-- The policy API for editors (lua-language-server). Not loaded by the host; docs/POLICY_API.md says the same in prose.
-- Put the folder that holds this file into the server's workspace.library.

---@alias hb.operand hb.vec|number

---A column: float32 numbers, computed with as a whole. Operators `+ - * /` and unary `-` take vectors of equal length and
---numbers. Nothing is computed before its values are needed. `x / 0` is 0.
---@class hb.vec
---@field [integer] number element, read only; nil outside
---@operator add(hb.operand): hb.vec
---@operator sub(hb.operand): hb.vec
---@operator mul(hb.operand): hb.vec
---@operator div(hb.operand): hb.vec
---@operator unm: hb.vec
---@operator len: integer
local vec = {}

---@param x hb.operand
---@return hb.vec # 1 where self < x, else 0
function vec:lt(x) end
---@param x hb.operand
---@return hb.vec
function vec:le(x) end
---@param x hb.operand
---@return hb.vec
function vec:gt(x) end
---@param x hb.operand
---@return hb.vec
function vec:ge(x) end
---@param x hb.operand
---@return hb.vec
function vec:eq(x) end
---@param x hb.operand
---@return hb.vec
function vec:ne(x) end

---@param x hb.operand
---@return hb.vec
function vec:add(x) end
---@param x hb.operand
---@return hb.vec
function vec:sub(x) end
---@param x hb.operand
---@return hb.vec
function vec:mul(x) end
---@param x hb.operand
---@return hb.vec
function vec:div(x) end
---@param x hb.operand
---@return hb.vec
function vec:min(x) end
---@param x hb.operand
---@return hb.vec
function vec:max(x) end

---@param low hb.operand
---@param high hb.operand
---@return hb.vec
function vec:clamp(low, high) end
---Where self is not 0 `a`, elsewhere `b`.
---@param a hb.operand
---@param b hb.operand
---@return hb.vec
function vec:where(a, b) end
---self + alpha * (x - self)
---@param x hb.operand
---@param alpha hb.operand
---@return hb.vec
function vec:ewma(x, alpha) end

---@return hb.vec
function vec:neg() end
---@return hb.vec
function vec:abs() end
---@return hb.vec # 0 below 0
function vec:sqrt() end
---@return hb.vec # saturates, never infinite
function vec:exp() end
---@return hb.vec # log(1 + x)
function vec:log1p() end

-- The same with a trailing underscore make `self` stand for the result and return it.
---@param x hb.operand
---@return hb.vec
function vec:add_(x) end
---@param x hb.operand
---@return hb.vec
function vec:sub_(x) end
---@param x hb.operand
---@return hb.vec
function vec:mul_(x) end
---@param x hb.operand
---@return hb.vec
function vec:div_(x) end
---@param x hb.operand
---@return hb.vec
function vec:min_(x) end
---@param x hb.operand
---@return hb.vec
function vec:max_(x) end
---@param x hb.operand
---@return hb.vec
function vec:lt_(x) end
---@param x hb.operand
---@return hb.vec
function vec:le_(x) end
---@param x hb.operand
---@return hb.vec
function vec:gt_(x) end
---@param x hb.operand
---@return hb.vec
function vec:ge_(x) end
---@param x hb.operand
---@return hb.vec
function vec:eq_(x) end
---@param x hb.operand
---@return hb.vec
function vec:ne_(x) end
---@param low hb.operand
---@param high hb.operand
---@return hb.vec
function vec:clamp_(low, high) end
---@param a hb.operand
---@param b hb.operand
---@return hb.vec
function vec:where_(a, b) end
---@param x hb.operand
---@param alpha hb.operand
---@return hb.vec
function vec:ewma_(x, alpha) end
---@return hb.vec
function vec:neg_() end
---@return hb.vec
function vec:abs_() end
---@return hb.vec
function vec:sqrt_() end
---@return hb.vec
function vec:exp_() end
---@return hb.vec
function vec:log1p_() end

---@return number
function vec:sum() end
---@return number # 0 of an empty vector
function vec:mean() end
---@return number? # nil of an empty vector
function vec:lowest() end
---@return number?
function vec:highest() end
---A vector of its own with these values; the way to keep a column for later calls.
---@return hb.vec
function vec:copy() end

---@class hb
---@field api integer the API's number, 1
---@field buckets integer length of `scores.histogram`, 64
hb = {}

---@param n integer length, 0 to 65536
---@param fill? number default 0
---@return hb.vec
---@overload fun(elements: number[]): hb.vec
function hb.vec(n, fill) end
---@param a hb.operand
---@param b hb.operand
---@return hb.vec
function hb.min(a, b) end
---@param a hb.operand
---@param b hb.operand
---@return hb.vec
function hb.max(a, b) end
---@param mask hb.operand
---@param a hb.operand
---@param b hb.operand
---@return hb.vec
function hb.where(mask, a, b) end
---The next number of a seeded sequence, 0 <= x < 1.
---@return number
function hb.random() end

---Candidate pages, one element a page in each column. Rates are per second of guest time.
---@class hb.pages
---@field n integer
---@field read_heat hb.vec decayed reads (or touches, where reads are sampled)
---@field write_heat hb.vec decayed writes
---@field age_s hb.vec since the last known access; 1e9: never seen
---@field version_age_s hb.vec since the page was last seen written; 1e9: never
---@field run_length hb.vec neighbours that are candidates too, this page included
---@field bytes_to_send hb.vec expected bytes on the wire

---@class hb.scored_pages: hb.pages
---@field predicted hb.vec the predictor's accesses within the horizon
---@field predicted_writes hb.vec the predictor's writes within the horizon

---@class hb.guest
---@field now_s number
---@field horizon_s number how far ahead a prediction looks
---@field pages number
---@field resident_pages number
---@field fresh_pages number
---@field stale_pages number
---@field absent_pages number
---@field dirty_bytes_per_s number
---@field epoch_s number
---@field draining boolean a migration was asked for

---@class hb.link
---@field latency_s number
---@field bytes_per_s number
---@field free_bytes_per_s number may be 0
---@field used_share number 0 to 1
---@field cap_bytes_per_s number 0: none

---@class hb.accuracy
---@field precision? number nil while unknown
---@field recall? number
---@field wasted_share? number
---@field hit number
---@field late number
---@field stale number
---@field wasted number

---@class hb.scores
---@field histogram number[] candidates per score bucket, hb.buckets of them over -1 to 1
---@field n number their sum
---@field previous number the cut of the last epoch

---@class hb.param
---@field default number
---@field min? number
---@field max? number
---@field help string

---@class hb.policy
---@field api integer
---@field kind "predictor"|"scorer"|"threshold"
---@field name string
---@field version string
---@field params? table<string, hb.param|number> declarations in the file; numbers when methods run

---@class hb.predictor: hb.policy
---@field predict fun(self: hb.predictor, pages: hb.pages, guest: hb.guest): hb.vec, hb.vec

---@class hb.scorer: hb.policy
---@field score fun(self: hb.scorer, pages: hb.scored_pages, link: hb.link, guest: hb.guest, accuracy: hb.accuracy): hb.vec

---@class hb.threshold: hb.policy
---@field threshold fun(self: hb.threshold, scores: hb.scores, link: hb.link, guest: hb.guest, accuracy: hb.accuracy): number
