#!/bin/bash
# tests/fuzz/run.sh [SECONDS] [FUZZER...]: each fuzzer under libFuzzer, AddressSanitizer and UBSan for SECONDS (default 60).
#
# New inputs grow a private copy of the corpus in build-fuzz/corpus; the tree's own corpus is read, never written. An input
# that fails is kept in build-fuzz/crashes: run it again with build-fuzz/tests/FUZZER FILE, and once mended add it to
# tests/fuzz/corpus/FUZZER so that it stays a test. Exit code 0 when every fuzzer ran its time without a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
[ $# -eq 0 ] || shift
case $seconds in
  '' | *[!0-9]* | 0) echo "usage: tests/fuzz/run.sh [SECONDS] [FUZZER...]" >&2 && exit 2 ;;
esac
tests/support/install-packages.sh build test fuzz

if ! echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d[n] * 0; }' |
  clang -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null; then
  echo "tests/fuzz/run.sh: clang here has no libFuzzer: apt-get install clang libclang-rt-14-dev" >&2
  exit 1
fi

build=build-fuzz
mkdir -p "$build/crashes"
cmake -G Ninja -S . -B "$build" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DHB_FUZZ=ON \
  -DHB_SANITIZE=address,undefined >"$build/configure.log" || { tail -n 30 "$build/configure.log" && exit 1; }

fuzzers=("$@")
if [ ${#fuzzers[@]} -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.c; do
    fuzzers+=("$(basename "$source" .c)")
  done
fi
cmake --build "$build" -- "${fuzzers[@]}" >"$build/build.log" || { tail -n 40 "$build/build.log" && exit 1; }

export ASAN_OPTIONS=${ASAN_OPTIONS:-strict_string_checks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
failed=()
for fuzzer in "${fuzzers[@]}"; do
  own=$build/corpus/$fuzzer log=$build/$fuzzer.log seeds=()
  mkdir -p "$own"
  [ ! -d "tests/fuzz/corpus/$fuzzer" ] || seeds=("tests/fuzz/corpus/$fuzzer")
  if "$build/tests/$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$build/crashes/$fuzzer-" "$own" "${seeds[@]}" >"$log" 2>&1; then
    awk -v name="$fuzzer" '
      /number_of_executed_units/ { runs = $2 }
      / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
      END { printf "%s: %d runs, %d places reached: no failure\n", name, runs, cov }' "$log"
  else
    failed+=("$fuzzer")
    grep -E -A12 'ERROR|SUMMARY|runtime error' "$log" | head -n 30 || tail -n 20 "$log"
    echo "$fuzzer: FAILED, its whole output is in $log"
  fi
done
echo "$((${#fuzzers[@]} - ${#failed[@]})) fuzzers without failure, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
[ ${#failed[@]} -eq 0 ]
