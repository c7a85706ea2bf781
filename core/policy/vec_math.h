/* vec_math: the scalar rules of hb.vec are those of the base room; sqrt(x < 0) is 0 besides. */
#pragma once
#include "base/f32_math.h"
