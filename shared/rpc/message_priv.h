/* message_priv.h - protobuf-c messages as gRPC byte buffers.
 *
 * Packed bytes are wiped when gRPC lets go of them: requests may carry push credentials.
 * Unpacking is hostile ground: two bytes on the wire can become a hundred in memory, so the memory of a
 * message is bounded by RPC_UNPACK_BUDGET(bytes on the wire), and its strings must be UTF-8. */
#pragma once

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#define RPC_UNPACK_BUDGET(wire_bytes) ((size_t)(wire_bytes)*64 + 65536)

/* The caller's, to be destroyed after the batch that sends it. */
grpc_byte_buffer *rpc_message_pack(const ProtobufCMessage *message);

/* NULL: not a valid message of that type. With a malloc'ing allocator (NULL) the answer is freed by
 * rpc_message_free. */
void *rpc_message_unpack(grpc_byte_buffer *buffer, const ProtobufCMessageDescriptor *type,
                         ProtobufCAllocator *allocator);
void *rpc_message_unpack_bytes(const void *bytes, size_t length, const ProtobufCMessageDescriptor *type);

void rpc_message_free(void *message); /* NULL is fine */
