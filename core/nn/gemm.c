/* gemm: products of matrices through CBLAS, for training, where the last bit does not matter. One thread: the
 * trainer is a background worker and must not take the other processors from the guests.
 * The only file that knows CBLAS. */
#include "nn/nn.h"
#include <cblas.h>

int blas_thread_shutdown_(void)
        __attribute__((weak)); /* OpenBLAS with threads has it, and no header for it */

/* OpenBLAS starts threads when it is loaded, before any program of ours can block signals. One of them would
 * take SIGINT or SIGTERM from whoever waits for it, and end the process. */
__attribute__((constructor)) static void stay_alone(void) {
        openblas_set_num_threads(1);
        if (blas_thread_shutdown_)
                blas_thread_shutdown_();
}

void hb_nn_gemm(bool ta, bool tb, uint32_t m, uint32_t n, uint32_t k, const float *a, const float *b,
                float *c, bool add) {
        if (m == 0 || n == 0)
                return;
        if (openblas_get_num_threads() != 1)
                openblas_set_num_threads(1);
        cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m,
                    (int)n, (int)k, 1.0f, a, ta ? (int)m : (int)k, b, tb ? (int)k : (int)n, add ? 1.0f : 0.0f,
                    c, (int)n);
}
