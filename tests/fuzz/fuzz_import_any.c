/* fuzz_import_any: anything, its format guessed. See import_harness.h. */
#define FORMAT HB_IMPORT_GUESS
#include "import_harness.h"
