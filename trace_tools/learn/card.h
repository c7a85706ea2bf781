/* card: what a model file says of itself, for people and scripts. */
#pragma once
#include "nn/model.h"

/* Reads and checks the whole file. `ret_bytes`: its size. */
int hb_card_read(const char *path, struct hb_model_info *ret, uint64_t *ret_bytes, struct hb_err *e);
