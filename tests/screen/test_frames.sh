#!/bin/bash
# label: long
# timeout: 60
# The screens in docs/OPERATING.md are what the console shows.
exec "${HB_SOURCE:?}/tests/screen/frames.sh" --check
