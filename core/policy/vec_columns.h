/* vec_columns: the loops under hb.vec that look at a whole column: ranks, histograms, indices, segments. Pure
 * C, bit-equal on every machine: sums run in double from the first element to the last. Indices are floats
 * from 1 on, as Lua counts. Time is linear in n, whatever the values. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The element that `below` others come before in ascending order (0: the smallest; below < n). NaN comes
 * first, -0 is 0. */
float hb_vec_rank(const float *a, size_t n, size_t below);
/* d = 1 for the k <= n largest elements, among equals those of lower index, else 0. */
void hb_vec_topk(float *d, const float *a, size_t n, size_t k);
/* Adds 1 to d[bin] for each element that is a number; the first and last of `bins` equal bins over [low,
 * high) are open to the outside. */
void hb_vec_histogram(float *d, size_t bins, const float *a, size_t n, float low, float high);

/* All whole numbers from 1 to `top`; else false and the position (from 0) of the first that is not. */
bool hb_vec_indices_ok(const float *index, size_t n, size_t top, size_t *ret_bad);
/* The indices of all below are checked. d overlaps no source. */
void hb_vec_gather(float *d, const float *a, const float *index, size_t n);
void hb_vec_scatter_add(float *d, const float *index, const float *a, size_t n);
/* Rooms of `segments` doubles: sum, and how many; both zeroed before. */
void hb_vec_segment_sum(double *sum, const float *segment, const float *a, size_t n);
void hb_vec_segment_count(double *count, const float *segment, size_t n);
/* d = the largest of each segment, 0 of one without elements. */
void hb_vec_segment_max(float *d, size_t segments, const float *segment, const float *a, size_t n);
/* Numbers runs of equal neighbours from 1 on; returns how many there are. */
size_t hb_vec_segments(float *d, const float *a, size_t n);

void hb_vec_iota(float *d, size_t n); /* 1, 2, ... */
void hb_vec_cumsum(float *d, const float *a, size_t n);
void hb_vec_random(float *d, size_t n, uint64_t *state); /* [0, 1), SplitMix64; one step an element */
