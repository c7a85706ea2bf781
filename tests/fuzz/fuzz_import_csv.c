/* fuzz_import_csv: rows of CSV windows. See import_harness.h. */
#define FORMAT HB_IMPORT_CSV
#include "import_harness.h"
