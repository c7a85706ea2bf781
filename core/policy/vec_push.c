/* vec_push: a column whose buffer is the state's own. Built on vec.h's invariants: a handle's user value 1 is
 * its node, a node's user value 1 its buffer. */
#include "policy/vec_push.h"
#include "policy/vec.h"

float *hb_vec_push_call(lua_State *L, uint32_t n) {
        float *buffer = hb_vec_push_new(L, n);
        struct hb_vec_node *node = hb_vec_test(L, -1);

        node->kind = HB_VEC_COLUMN;
        node->call = hb_vec_call(L);
        return buffer;
}
