#!/bin/sh
# label: long
# The four laws of coherency and ownership, checked by Spin over every interleaving of the model; then each rule the model can break, broken:
# a checker that finds nothing there would have found nothing at all.
set -eu
model=${HB_SOURCE:?}/tests/unit/move/handover.pml
for tool in spin gcc; do
        if ! command -v $tool >/dev/null; then
                echo "SKIP: $tool is not installed (apt-get install spin gcc)"
                exit 77
        fi
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# search BREAK: prints Spin's verdict; needs about 1 GiB at most
search() {
        spin -DBREAK="$1" -a "$model" >spin.out 2>&1 || { cat spin.out; exit 1; }
        gcc -w -O2 -DSAFETY -DCOLLAPSE -o pan pan.c
        ./pan -m100000 -w24 >pan.out 2>&1 || true
        grep -q "max search depth too small\|out of memory\|Search not completed" pan.out && ! grep -q "errors: 1" pan.out && {
                cat pan.out
                exit 1
        }
        sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.out
}

errors=$(search 0)
states=$(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' pan.out)
if [ "$errors" != 0 ]; then
        cat pan.out
        spin -DBREAK=0 -t -p -k ./*.trail "$model" | tail -60
        exit 1
fi
echo "the laws hold in $states states"
for rule in 1 2 3 4 5 6; do
        if [ "$(search $rule)" != 1 ]; then
                echo "rule $rule was broken and Spin found nothing:"
                cat pan.out
                exit 1
        fi
        echo "rule $rule broken: $(sed -n 's/^pan:1: //p' pan.out)"
done
