#include "shared/rpc/message_priv.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/rpc/text_priv.h"

/* Packed bytes on their way out. gRPC frees them on a thread of its own; `filled` orders our writes before
 * that. */
struct packed {
    atomic_int filled;
    size_t length;
    uint8_t bytes[];
};

static void packed_free(void *self)
{
    struct packed *packed = self;

    (void)atomic_load_explicit(&packed->filled, memory_order_acquire);
    explicit_bzero(packed->bytes, packed->length);
    free(packed);
}

grpc_byte_buffer *rpc_message_pack(const ProtobufCMessage *message)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    struct packed *packed = xcalloc(1, sizeof(*packed) + length);

    packed->length = protobuf_c_message_pack(message, packed->bytes);
    atomic_store_explicit(&packed->filled, 1, memory_order_release);
    grpc_slice slice = grpc_slice_new_with_user_data(packed->bytes, packed->length, packed_free, packed);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice); /* the buffer took its own reference */
    return buffer;
}

static bool strings_are_utf8(const ProtobufCMessage *message);

static bool value_is_utf8(const ProtobufCFieldDescriptor *field, const void *value)
{
    if (!value)
        return true;
    return field->type == PROTOBUF_C_TYPE_STRING ? rpc_text_valid(value) : strings_are_utf8(value);
}

static bool field_is_utf8(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    const void *member = base + field->offset, *quantifier = base + field->quantifier_offset;

    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        bool elsewhere =
            (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *(const uint32_t *)quantifier != field->id;
        return elsewhere || value_is_utf8(field, *(void *const *)member);
    }
    size_t count = *(const size_t *)quantifier;
    void *const *values = *(void *const *const *)member;
    for (size_t i = 0; i < count; i++)
        if (!value_is_utf8(field, values[i]))
            return false;
    return true;
}

/* protobuf-c does not look; proto3 demands it, and what we pass on to Go peers they would refuse. */
static bool strings_are_utf8(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        bool holds_text = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
        if (holds_text && !field_is_utf8(message, field))
            return false;
    }
    return true;
}

static void *budget_alloc(void *self, size_t size)
{
    size_t *left = self;

    if (size > *left)
        return NULL;
    *left -= size;
    return malloc(size ? size : 1);
}

static void budget_free(void *self, void *memory)
{
    (void)self; /* freed memory is not given back to the budget: it bounds the work as well */
    free(memory);
}

static void *unpack(const void *bytes, size_t length, const ProtobufCMessageDescriptor *type,
                    ProtobufCAllocator *allocator)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(type, allocator, length, bytes);

    if (!message || strings_are_utf8(message))
        return message;
    protobuf_c_message_free_unpacked(message, allocator);
    return NULL;
}

void *rpc_message_unpack_bytes(const void *bytes, size_t length, const ProtobufCMessageDescriptor *type)
{
    size_t left = RPC_UNPACK_BUDGET(length);
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &left};

    return unpack(bytes, length, type, &allocator);
}

/* The bytes in one piece; a buffer of one slice is not copied. The slice is the caller's. */
static grpc_slice flatten(grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    grpc_slice slice = grpc_empty_slice();

    if (!grpc_byte_buffer_reader_init(&reader, buffer))
        return slice;
    if (buffer->data.raw.slice_buffer.count == 1)
        (void)grpc_byte_buffer_reader_next(&reader, &slice);
    else
        slice = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    return slice;
}

void *rpc_message_unpack(grpc_byte_buffer *buffer, const ProtobufCMessageDescriptor *type,
                         ProtobufCAllocator *allocator)
{
    grpc_slice bytes = flatten(buffer);
    const uint8_t *start = GRPC_SLICE_START_PTR(bytes);
    size_t length = GRPC_SLICE_LENGTH(bytes);
    void *message =
        allocator ? unpack(start, length, type, allocator) : rpc_message_unpack_bytes(start, length, type);

    grpc_slice_unref(bytes);
    return message;
}

void rpc_message_free(void *message)
{
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}
