#!/bin/bash
# tests/support/lint.sh [FILE...]: cppcheck over the product's C files (or those named), shellcheck over the scripts, luacheck over the policies.
#
# Each finding is printed with its file and line; exit code 1 when there is one. What is let pass says why where it stands.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/support/install-packages.sh style

rc=0
files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(find core transport tui trace_tools examples -name '*.c' | LC_ALL=C sort)
# Its own parser stumbles over some C that two compilers accept: syntax is theirs to judge. Include roots as in the build: a room's folder by the room's name. Without system headers cppcheck knows libc by itself.
rooms=$(mktemp -d)
trap 'rm -rf "$rooms"' EXIT
for dir in core/* transport transport/cert tui/* trace_tools/*; do
  [ -d "$dir" ] && ln -s "$PWD/$dir" "$rooms/$(basename "$dir")"
done
ln -s format "$rooms/trace"
cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
  --suppress=missingIncludeSystem --suppress=syntaxError --suppress=internalAstError -D_GNU_SOURCE -D__linux__ -D__x86_64__ -I "$rooms" -j "$(nproc)" "${files[@]}" || rc=1
if [ $# -eq 0 ]; then
  # Sourced files share variables (1090, 1091, 2034, 2154); awk programs are in single quotes on purpose (2016).
  find . -path './build*' -prune -o \( -name '*.sh' -o -path './.ci/run' \) -print0 | xargs -0 shellcheck -S warning -e 1007,1090,1091,2016,2034,2100,2154 || rc=1
  luacheck --quiet --no-color --config policies/.luacheckrc policies examples/policies || rc=1
fi
[ $rc -eq 0 ] && echo "lint: nothing found"
exit $rc
