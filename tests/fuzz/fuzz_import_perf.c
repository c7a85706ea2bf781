/* fuzz_import_perf: samples as perf script prints them. See import_harness.h. */
#define FORMAT HB_IMPORT_PERF
#include "import_harness.h"
