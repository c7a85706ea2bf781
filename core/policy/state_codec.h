/* state_codec: what a policy saves, as bytes, and back. Only core/policy's Lua files include this.
 *
 *   "HBST" u8 version, value
 *   value: u8 tag, then: false, true: nothing; integer: zigzag varint; number: f64, finite; string: varint
 *   length, bytes; vector: varint length, f32 each; table: varint count, pairs of key and value
 *
 * Keys are integers, numbers, strings and booleans, in the order of pairs; a key stands once. Equal data give
 * equal bytes. */
#pragma once
#include <lua.h>
#include <stddef.h>

#define HB_STATE_MAX   (1u << 20) /* bytes */
#define HB_STATE_DEPTH 8

/* Inside a call: the value on top of the stack into `room` bytes at `out`; returns how many. Raises an error
 * that names the key of what cannot be saved. */
size_t hb_policy_state_encode(lua_State *L, void *out, size_t room);
/* Inside a call: pushes the value. Raises an error if the bytes are damaged. */
void hb_policy_state_decode(lua_State *L, const void *data, size_t size);
