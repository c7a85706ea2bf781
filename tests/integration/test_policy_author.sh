#!/bin/bash
# timeout: 300
# Policies from their first file on: new, check, test, bench; the specifications of all shipped policies and of the examples; what is
# wrong with a policy is said with file and line; every command of "Your first policy in ten minutes" (docs/POLICY_API.md).
set -euo pipefail
: "${HB_BUILD:?the build folder}" "${HB_SOURCE:?the source folder}"
work=$(mktemp -d "${TMPDIR:-/tmp}/hb-author.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$HB_BUILD/harbinger" "$work/bin/harbinger"
PATH=$work/bin:$PATH
cd "$work"

fail() { echo "FAIL: $*"; tail -n 30 said 2>/dev/null; exit 1; }
# code N COMMAND... : runs it, its output in `said`, and expects that exit code.
code() {
  local want=$1 rc=0
  shift
  "$@" >said 2>&1 || rc=$?
  [ $rc -eq "$want" ] || fail "$*: exit code $rc, expected $want"
}
for tool in jq busted lua5.4; do
  command -v $tool >/dev/null || { echo "skipped: no $tool" && exit 77; }
done
# The interpreter is not sanitized, so what is loaded into it brings its runtime along.
sanitized=$(grep -c '^HB_SANITIZE:STRING=..*' "$HB_BUILD/CMakeCache.txt" || true)

# ---- new: works as it stands, never overwrites ----
for kind in predictor scorer threshold; do
  code 0 harbinger policy new $kind "first_$kind" --dir mine
  file=$(head -n 1 said)
  code 0 harbinger policy check "$file"
  grep -q ': sound$' said || fail "a new $kind is not sound"
  code 6 harbinger policy new $kind "first_$kind" --dir mine
done
code 2 harbinger policy new oracle x --dir mine
code 2 harbinger policy new scorer ../x --dir mine
[ "$(find mine -name '*.lua' | wc -l)" -eq 6 ] || fail "not six files"
echo "new: three kinds, sound, not overwritten"

# ---- check: what is wrong, with file and line ----
mkdir -p bad/score bad/predict bad/threshold
policy() { # policy KIND NAME BODY: a scorer whose method has the body
  local method=score
  [ "$1" = predictor ] && method=predict
  printf 'local p = { api = 1, kind = "%s", name = "%s", version = "1" }\nfunction p:%s(pages, a)\n%s\nend\nreturn p\n' \
    "$1" "$2" $method "$3"
}
wrong() { # wrong FILE PATTERN...: each pattern is on a line of what check says
  local file=$1 pattern
  shift
  code 7 harbinger policy check "$file"
  for pattern; do grep -q "$pattern" said || fail "$file: nothing like '$pattern'"; done
}
policy scorer syntax '  return pages.predicted +' >bad/score/syntax.lua
wrong bad/score/syntax.lua '^bad/score/syntax.lua:4: load: '
policy scorer column '  return pages.predictd * 2' >bad/score/column.lua
wrong bad/score/column.lua "^bad/score/column.lua:3: load: .*predictd"
policy scorer lengths '  return pages.predicted + hb.vec(pages.n + 1)' >bad/score/lengths.lua
wrong bad/score/lengths.lua '^bad/score/lengths.lua:3: load: add: vectors of'
policy scorer nan '  return hb.vec(pages.n, 1 / a.free_bytes_per_s)' >bad/score/nan.lua
wrong bad/score/nan.lua '^bad/score/nan.lua:2: load: .*NaN or infinity'
policy scorer io '  return io.open("/etc/passwd")' >bad/score/io.lua
wrong bad/score/io.lua "^bad/score/io.lua:3: load: unknown name 'io'"
policy scorer loop '  while true do end' >bad/score/loop.lua
wrong bad/score/loop.lua 'stopped after .* its deadline is 50.0 ms'
policy scorer name '  return pages.predicted' >bad/score/other.lua
wrong bad/score/other.lua "^bad/score/other.lua: load: name is 'name', the file's is 'other'"
policy predictor api '  return pages.heat, pages.heat' | sed 's/api = 1/api = 2/' >bad/predict/api.lua
wrong bad/predict/api.lua 'policy API 2.0, this host has 1'
policy predictor late '  if a.now_s > 100 and a.now_s < 200 then error("too late") end return pages.heat, pages.heat' >bad/predict/late.lua
wrong bad/predict/late.lua '^bad/predict/late.lua:3: run: too late' # only a long life shows it
policy predictor slow '  local x = pages.heat for _ = 1, 400 do x = (x + 1):log1p() end return x, x' >bad/predict/slow.lua
wrong bad/predict/slow.lua 'slow.lua'
code 7 harbinger policy check bad/score/column.lua --json
jq -e '.ok == false and (.problems | any(.check == "load" and .line == 3 and .file == "bad/score/column.lua"))' said >/dev/null ||
  fail "the problem is not in the JSON"
code 3 harbinger policy check bad/score/none.lua
if command -v luacheck >/dev/null; then
  policy scorer lint '  local unused = 1 return pages.predicted' >bad/score/lint.lua
  wrong bad/score/lint.lua "^bad/score/lint.lua:3:9: lint: (W211) unused variable 'unused'"
else
  code 0 harbinger policy check mine/score/first_scorer.lua
  grep -q 'luacheck did not look at it: not installed' said || fail "it does not say that luacheck is missing"
fi
echo "check: every mistake with file and line"

# Costs are for builds that are meant to be quick.
quick=false
grep -qE '^CMAKE_BUILD_TYPE:STRING=Rel' "$HB_BUILD/CMakeCache.txt" && [ "$sanitized" = 0 ] && quick=true
# ---- all that is shipped, and the examples ----
for file in "$HB_SOURCE"/policies/{predict,score,threshold}/*.lua "$HB_SOURCE"/examples/policies/{predict,score,threshold}/*.lua; do
  [ "$sanitized" = 0 ] || case $file in */calm.lua | */ewma.lua | */adaptive.lua) ;; *) continue ;; esac
  harbinger policy check "$file" --json >said || [ $? -eq 7 ] || fail "$file"
  jq -e --argjson quick "$quick" '.budget != null and ([.problems[] | select($quick or .check != "cost")] == [])' said >/dev/null ||
    fail "$file is not sound"
done
echo "check: shipped policies and examples are sound"

# ---- bench ----
code 0 harbinger policy bench --json
jq -e '.pages_per_s > 0 and .ns_per_page > 0 and .c_ns_per_page > 0 and .ratio > 0' said >/dev/null || fail "bench lacks a field"
code 0 harbinger policy bench fixed
code 0 harbinger policy bench mine/predict/first_predictor.lua --json
code 3 harbinger policy bench nonesuch
echo "bench: default $(harbinger policy bench --json | jq -r '"\(.ns_per_page * 100 | round / 100) ns a page, \(.ratio * 100 | round / 100) x the C loop"')"

# ---- specifications ----
if [ "$sanitized" != 0 ]; then
  echo "specifications: left out, the Lua interpreter is not sanitized"
  exit 0
fi
code 0 harbinger policy test mine/score/first_scorer.lua mine/spec/first_threshold_spec.lua
code 0 harbinger policy test mine/spec "$HB_SOURCE/examples/policies/spec" --json
jq -e '.failed == 0 and .errors == 0 and .passed >= 15' said >/dev/null || fail "specifications of the examples"
code 0 harbinger policy test "$HB_SOURCE/tests/unit/author/module/spec" # of the module itself
code 0 harbinger policy test "$HB_SOURCE/policies/spec" --json
jq -e '.failed == 0 and .errors == 0 and .passed >= 15' said >/dev/null || fail "specifications of the shipped policies"
echo "test: $(jq .passed said) specifications of the shipped policies hold"
sed -i 's/return (0.3/return (-0.3/' mine/score/first_scorer.lua
sed -i 's/assert.is_true(scores\[1\] > scores\[2\])/assert.is_true(scores[1] < scores[2])/' mine/spec/first_scorer_spec.lua
code 1 harbinger policy test mine/spec/first_scorer_spec.lua
grep -q 'first_scorer_spec.lua:' said || fail "a failed specification is not named with its line"
code 3 harbinger policy test mine/spec/none_spec.lua
policy scorer orphan '  return pages.predicted' >bad/score/orphan.lua
code 3 harbinger policy test bad/score/orphan.lua
grep -q 'no specification' said || fail "a policy without a specification is not told of"
rc=0
PATH=$work/bin harbinger policy test mine/spec >said 2>&1 || rc=$?
[ $rc -eq 3 ] && grep -q 'apt-get install lua-busted' said || fail "without busted: exit code $rc"
echo "test: failures are failures"

# ---- the page's own words ----
# Every command line of the section runs, in its order, in a folder of its own.
mkdir first && cd first
awk '/^## Your first policy in ten minutes/ { on = 1; next } /^## / { on = 0 } on' "$HB_SOURCE/docs/POLICY_API.md" >section
awk '/^```$/ { if (inside) inside = 0; else inside = 1; next } /^```/ { inside = 2; next } inside == 1 && /^harbinger /' section >commands
[ "$(wc -l <commands)" -ge 4 ] || fail "the section has no commands"
awk '/^```lua/ { n++; inside = 1; next } /^```/ { inside = 0 } inside { print > (n == 1 ? "calm.text" : "calm_spec.text") }' section
while read -r line; do
  case $line in
    *" policy new "*)
      code 0 bash -c "$line"
      cp calm.text my/score/calm.lua # the page's own texts take the place of the first files
      cp calm_spec.text my/spec/calm_spec.lua ;;
    *"trace replay"*)
      "$HB_BUILD/tests/trace_synth" vm1.hbt --pages 512 --epochs 40 --seed 1 --shape mix
      code 0 bash -c "$line" ;;
    *) code 0 bash -c "$line" ;;
  esac
done <commands
cmp -s calm.text my/score/calm.lua || fail "the page's policy was not tried"
cmp -s <(tail -n +2 "$HB_SOURCE/examples/policies/score/calm.lua") calm.text || fail "the page's policy is not that of the examples"
cmp -s "$HB_SOURCE/examples/policies/spec/calm_spec.lua" calm_spec.text || fail "the page's specification is not that of the examples"
echo "the first ten minutes: $(wc -l <commands) commands"
