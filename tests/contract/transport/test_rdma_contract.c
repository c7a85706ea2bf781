/* The page of transport.h for the rdma backend: the bodies of test_fetcher_contract over a verbs device.
 * Skipped where there is none (tests/integration/test_rdma*.sh runs it in a guest that has one). */
#define HB_BACKENDS_RDMA
#include "test_fetcher_contract.c"
