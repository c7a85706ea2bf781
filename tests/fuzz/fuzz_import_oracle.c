/* fuzz_import_oracle: oracleGeneral records, packed ones too. See import_harness.h. */
#define FORMAT HB_IMPORT_ORACLE
#include "import_harness.h"
