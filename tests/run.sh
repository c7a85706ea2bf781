#!/bin/bash
# tests/run.sh: builds and runs every test: as developed, under AddressSanitizer + UBSan, and under ThreadSanitizer.
#
#   --quick       the dev preset only
#   --preset P    one preset: dev, asan or tsan (may be given again)
#   --label L     only tests with this label: unit, contract, fuzz, faults, integration, screen (may be given again)
#   --no-install  never call apt
#
# Installs by apt what is missing (tests/support/packages.txt). The last line is "N passed, N failed, N skipped" over all
# presets; skipped tests are listed with their reasons before it. Exit code 0 only when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

usage() {
  sed -n '2,10s/^# \{0,1\}//p' tests/run.sh
  exit "$1"
}

presets=() labels=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) presets=(dev) ;;
    --preset) presets+=("${2:?--preset needs dev, asan or tsan}") && shift ;;
    --label) labels+=("${2:?--label needs a label}") && shift ;;
    --no-install) export HB_NO_INSTALL=1 ;;
    -h | --help) usage 0 ;;
    *) echo "tests/run.sh: unknown option $1" >&2 && usage 2 >&2 ;;
  esac
  shift
done
[ ${#presets[@]} -gt 0 ] || presets=(dev asan tsan)
for preset in "${presets[@]}"; do
  case $preset in
    dev | asan | tsan) ;;
    *) echo "tests/run.sh: no preset $preset to test: dev, asan, tsan" >&2 && exit 2 ;;
  esac
done
want=$(IFS='|' && echo "${labels[*]}")

passed=0 failed=0 skipped=0
failures=() skips=() again=()
jobs=$(nproc)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

broken() {
  failures+=("$1")
  failed=$((failed + 1))
}

# The sanitizers' tests leave out what would only take long there: real guests say nothing new under them.
selection() {
  case $1 in
    tsan) echo -L "^(unit|contract|fuzz)$" ;;
    asan) echo -LE "^long$" ;;
  esac
  # A second -L narrows the first.
  [ -z "$want" ] || echo -L "^($want)$"
}

build() {
  local preset=$1 log=$logs/$1.build
  echo "== $preset: configure and build"
  if ! cmake --preset "$preset" -G Ninja >"$log" 2>&1; then
    tail -n 30 "$log"
    broken "configure/$preset"
    return 1
  fi
  if ! cmake --build --preset "$preset" -- -j"$jobs" >"$log" 2>&1; then
    grep -E -A8 'FAILED|error:' "$log" | head -n 60
    broken "build/$preset"
    return 1
  fi
}

# gcc 12's ThreadSanitizer cannot place its shadow when the kernel scatters mappings over more than 28 bits: run without
# randomisation where that is permitted, and where it is neither permitted nor bearable say so instead of failing each test.
tsan_wrapper() {
  setarch -R true 2>/dev/null && echo "setarch -R"
}

tsan_works() {
  # shellcheck disable=SC2046 # two words or none
  ! $(tsan_wrapper) build-tsan/tests/unit_base_test_clock 2>&1 | grep -q "unexpected memory mapping"
}

# Reads ctest's report: lines of "passed|failed|skipped TAB name TAB reason". A skip is exit code 77, its reason the last line.
results() {
  awk '
    function text(s) {
      gsub(/&lt;/, "<", s); gsub(/&gt;/, ">", s); gsub(/&quot;/, "\"", s); gsub(/&apos;/, "\047", s); gsub(/&amp;/, "\\&", s)
      return s
    }
    function attribute(s, name) {
      if (!match(s, " " name "=\"[^\"]*\""))
        return ""
      return text(substr(s, RSTART + length(name) + 3, RLENGTH - length(name) - 4))
    }
    function line(s) {
      if (s ~ /[^ \t]/)
        last = s
      if (match(s, /\[ +SKIPPED *\] +[a-z_0-9]+$/)) {         # a case skipped inside a cmocka program
        sub(/.*\] +/, "", s)
        inner[++ninner] = s "\t" before
      } else if (s !~ /^\[/) {
        before = s
      }
    }
    /<testcase / { name = attribute($0, "name"); status = attribute($0, "status"); last = why = before = ""; ninner = 0 }
    /<skipped /  { why = attribute($0, "message") }
    /<failure /  { status = "fail"; failure = attribute($0, "message") }
    /<system-out>/ { inside = 1; sub(/.*<system-out>/, "") }
    inside {
      ends = sub(/<\/system-out>.*/, "")
      line($0)
      if (ends) inside = 0
    }
    /<\/testcase>/ {
      if (status == "run" && why == "")
        printf "passed\t%s\t\n", name
      else if (why ~ /^SKIP_/)
        printf "skipped\t%s\t%s\n", name, last == "" ? "no reason given" : text(last)
      else
        printf "failed\t%s\t%s\n", name, why != "" ? why : failure
      for (i = 1; i <= ninner && why == ""; i++)
        if (!seen[name inner[i]]++) {
          split(inner[i], part, "\t")
          printf "skipped\t%s: %s\t%s\n", name, part[1], part[2] == "" ? "no reason given" : text(part[2])
        }
    }' "$1"
}

# A test that failed beside others on a busy machine is run once more by itself. What then passes is counted, and named at the end: such a
# test is to be mended, but it is no reason to doubt the change at hand. A sanitizer's report is: races do not come every time.
run_again() {
  local preset=$1 n
  n=$(results "$logs/$preset.xml" | grep -c '^failed')
  [ "$n" -gt 0 ] && [ "$n" -le 6 ] || return 0
  ! grep -qE '(WARNING|ERROR): [A-Za-z]+Sanitizer|: runtime error: ' "$logs/$preset.xml" || return 0
  echo "== $preset: $n failed; once more, alone"
  "${wrapper[@]}" ctest --test-dir "build-$preset" -j1 --rerun-failed --output-on-failure --output-junit "$logs/$preset.again.xml" \
    --test-output-size-passed 262144 --test-output-size-failed 262144 || true
}

passes_alone() {
  [ -s "$logs/$1.again.xml" ] && results "$logs/$1.again.xml" | cut -f1,2 | grep -qxF "passed$(printf '\t')$2"
}

count() {
  local preset=$1 outcome name reason
  while IFS=$'\t' read -r outcome name reason; do
    case $outcome in
      passed) passed=$((passed + 1)) ;;
      failed)
        if passes_alone "$preset" "$name"; then
          passed=$((passed + 1))
          again+=("$name ($preset): first ${reason:-its output is above}")
        else
          broken "$name ($preset): ${reason:-its output is above}"
        fi
        ;;
      skipped)
        skipped=$((skipped + 1))
        skips+=("$name ($preset): $reason")
        ;;
    esac
  done < <(results "$logs/$preset.xml")
}

run() {
  local preset=$1
  local -a wrapper=() chosen=()
  mapfile -t chosen < <(selection "$preset" | xargs -n1)
  if [ "$preset" = tsan ]; then
    if ! tsan_works; then
      skipped=$((skipped + 1))
      skips+=("every test (tsan): this kernel's address randomisation is too wide for gcc's ThreadSanitizer and may not be switched off here; as root: sysctl vm.mmap_rnd_bits=28")
      return
    fi
    read -ra wrapper < <(tsan_wrapper) || true
  fi
  echo "== $preset: test"
  "${wrapper[@]}" ctest --test-dir "build-$preset" -j2 --output-on-failure --no-tests=error --output-junit "$logs/$preset.xml" \
    --test-output-size-passed 262144 --test-output-size-failed 262144 "${chosen[@]}" || echo "== $preset: ctest exit code $?"
  if [ -s "$logs/$preset.xml" ] && grep -q '<testcase ' "$logs/$preset.xml"; then
    run_again "$preset"
    count "$preset"
  elif [ -n "$want" ]; then
    echo "== $preset: no test has the label"
  else
    broken "ctest/$preset: no report"
  fi
}

export ASAN_OPTIONS=${ASAN_OPTIONS:-strict_string_checks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

tests/support/install-packages.sh build test guest verbs || exit 1
for preset in "${presets[@]}"; do
  build "$preset" && run "$preset"
done

if [ ${#skips[@]} -gt 0 ]; then
  echo "== skipped"
  printf '  %s\n' "${skips[@]}"
fi
if [ ${#again[@]} -gt 0 ]; then
  echo "== passed only when run again, alone"
  printf '  %s\n' "${again[@]}"
fi
if [ ${#failures[@]} -gt 0 ]; then
  echo "== failed"
  printf '  %s\n' "${failures[@]}"
fi
[ $((passed + failed)) -gt 0 ] || broken "no test was run"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
