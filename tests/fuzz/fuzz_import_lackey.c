/* fuzz_import_lackey: what valgrind's lackey prints. See import_harness.h. */
#define FORMAT HB_IMPORT_LACKEY
#include "import_harness.h"
