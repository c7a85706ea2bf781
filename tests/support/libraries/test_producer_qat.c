/* test_producer_qat: the same library under the names of Intel's QAT plugin. */
#define QAT_NAMES
#include "test_producer.c"
