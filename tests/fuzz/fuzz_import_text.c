/* fuzz_import_text: lines of [time] r|w address [size]. See import_harness.h. */
#define FORMAT HB_IMPORT_TEXT
#include "import_harness.h"
