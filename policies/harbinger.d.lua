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

---@return hb.vec # the next whole number below or equal
function vec:floor() end
---@return hb.vec
function vec:floor_() end

---The share q (0 to 1) of the elements lies below it.
---@param q number
---@return number? # nil of an empty vector
function vec:quantile(q) end
---The k-th largest element.
---@param k number its fraction is cut off
---@return number? # nil for k < 1, the lowest for k > #v
function vec:rank_cut(k) end
---@param k number its fraction is cut off
---@return hb.vec # 1 for the k largest, among equals those of lower index, else 0
function vec:topk(k) end
---@param k number
---@return hb.vec
function vec:topk_(k) end
---@param low number
---@param high number
---@param bins integer
---@return hb.vec # counts; the first and last bin are open
function vec:histogram(low, high, bins) end
---@param index hb.vec positions from 1 on
---@return hb.vec
function vec:gather(index) end
---@param index hb.vec
---@return hb.vec
function vec:gather_(index) end
---As gather: each element's segment's value.
---@param segment hb.vec
---@return hb.vec
function vec:spread_from(segment) end
---Numbers from 1 on for runs of equal neighbours.
---@return hb.vec segment
---@return integer n how many there are
function vec:segments() end
---@param segment hb.vec numbers from 1 to n
---@param n integer
---@return hb.vec # n elements; 0 of a segment without any
function vec:segment_sum(segment, n) end
---@param segment hb.vec
---@param n integer
---@return hb.vec
function vec:segment_mean(segment, n) end
---@param segment hb.vec
---@param n integer
---@return hb.vec
function vec:segment_max(segment, n) end
---@return hb.vec # running sums
function vec:cumsum() end
---@return hb.vec
function vec:cumsum_() end

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
---@param n integer
---@return hb.vec # the next n numbers
function hb.random_vec(n) end
---@param n integer
---@return hb.vec # 1, 2, ... n
function hb.iota(n) end
---@param n integer
---@param index hb.vec positions from 1 to n
---@param values hb.operand
---@return hb.vec # n zeros, to which each value is added at its position
function hb.scatter(n, index, values) end

---What that file of the policy folder returns; loaded once. A literal only: it belongs to the policy's version.
---@param name string "lib/contest", "predict/recency"
---@return any
function hb.use(name) end
---A line in the host's log: at most 200 characters, ten a second.
---@param text string
function hb.log(text) end
---A figure in the status; at most 32 names.
---@param name string
---@param value number
function hb.counter(name, value) end
---One line in the status: what the policy is doing now.
---@param text string
function hb.note(text) end
---Returns its argument; when an answer is explained, the page's value there is kept.
---@generic T: hb.operand
---@param name string
---@param value T
---@return T
function hb.term(name, value) end

---Candidate pages, one element a page in each column. Rates are per second of guest time.
---@class hb.pages
---@field n integer
---@field read_heat hb.vec decayed reads (or touches, where reads are sampled)
---@field write_heat hb.vec decayed writes
---@field age_s hb.vec since the last known access; 1e9: never seen
---@field version_age_s hb.vec since the page was last seen written; 1e9: never
---@field run_length hb.vec neighbours that are candidates too, this page included
---@field bytes_to_send hb.vec expected bytes on the wire
---@field heat hb.vec read_heat + write_heat
---@field known hb.vec 1: the target has these very bytes already
---@field block hb.vec number of the page's 2 MiB block; ascending
---@field offset hb.vec the page's place in its block, 0 to 511
---@field seen hb.vec windows (of a second) with an access; this and all below need history = true
---@field written hb.vec windows with a write
---@field first_s hb.vec since the first access
---@field returns hb.vec how often it came back after an absence of 2 windows or more
---@field gap_s hb.vec mean length of these absences
---@field gap_dev_s hb.vec their standard deviation
---@field around hb.vec share of its block accessed in the last 10 s
local pages = {}

---Share of the windows between so many seconds ago with an access.
---@param from_s number
---@param to_s number
---@return hb.vec
function pages:active(from_s, to_s) end
---@param from_s number
---@param to_s number
---@return hb.vec
function pages:active_writes(from_s, to_s) end
---The value where a page lies in a run, the largest if in several, else 0. Needs no history.
---@param runs hb.valued_run[]
---@return hb.vec
function pages:spread(runs) end
---The model's answer; nil without a model.
---@param horizon_s number
---@return hb.vec? accessed chance of an access
---@return hb.vec? written
---@return hb.vec? windows how many of them with an access
---@return hb.vec? windows_written
function pages:model(horizon_s) end

---@class hb.valued_run
---@field gfn integer
---@field pages integer
---@field value number

---@class hb.run
---@field gfn integer
---@field pages integer
---@field written boolean

---What was accessed in the epoch before.
---@class hb.epoch
---@field number integer
---@field now_s number
---@field accessed integer pages
---@field written integer pages
---@field cut boolean there were more runs
---@field runs hb.run[] ascending, at most 4096

---What became of the pages of a lesson.
---@class hb.outcome
---@field lesson integer the number that rehearse was given
---@field n integer
---@field asked_s number
---@field horizon_s number
---@field accessed hb.vec 1 where it was
---@field written hb.vec
---@field reads hb.vec windows with an access
---@field writes hb.vec windows with a write
---@field returning hb.vec 1: accessed before, but not in the horizon before the lesson
---@field new hb.vec 1: never accessed before
---@field budget number pages of the sample accessed in the horizon before
---@field budget_writes number

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
---@field confidence number in bytes_per_s, 0 (nothing was measured) to 1 (steady for a while)
---@field pace_loss number share of recent busy time in which the link moved clearly less than bytes_per_s, 0 to 1

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
---@field default number|boolean
---@field min? number
---@field max? number
---@field type? "number"|"integer"|"boolean"
---@field unit? string
---@field help string

---@class hb.policy
---@field api integer
---@field kind "predictor"|"scorer"|"threshold"
---@field name string
---@field version string
---@field params? table<string, hb.param|number|boolean> declarations in the file; values when methods run
---@field history? boolean it looks back: columns of the past are kept
---@field save? fun(self: hb.policy): any plain data, for the version after it
---@field restore? fun(self: hb.policy, data: any) what a policy of its kind saved; once, right after loading

---@class hb.predictor: hb.policy
---@field predict fun(self: hb.predictor, pages: hb.pages, guest: hb.guest): hb.vec, hb.vec
---@field observe? fun(self: hb.predictor, epoch: hb.epoch, guest: hb.guest)
---@field rehearse? fun(self: hb.predictor, pages: hb.pages, guest: hb.guest, lesson: integer)
---@field learn? fun(self: hb.predictor, outcome: hb.outcome, guest: hb.guest)

---@class hb.scorer: hb.policy
---@field score fun(self: hb.scorer, pages: hb.scored_pages, link: hb.link, guest: hb.guest, accuracy: hb.accuracy): hb.vec

---@class hb.threshold: hb.policy
---@field threshold fun(self: hb.threshold, scores: hb.scores, link: hb.link, guest: hb.guest, accuracy: hb.accuracy): number
