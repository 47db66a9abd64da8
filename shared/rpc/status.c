#include "shared/rpc/status.h"

#include <grpc/slice.h>
#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/rpc/message_priv.h"
#include "shared/rpc/status_priv.h"
#include "shared/rpc/text_priv.h"

#define ERROR_DOMAIN    "stasis"
#define ERROR_INFO_TYPE "type.googleapis.com/google.rpc.ErrorInfo"
#define DETAILS_MAX     8192 /* bytes; core drops larger headers anyway */

DEFINE_FREEP(wire_status, Google__Rpc__Status, rpc_message_free)
DEFINE_FREEP(error_info, Google__Rpc__ErrorInfo, rpc_message_free)

static const grpc_status_code statuses[] = {
    [ERR_NONE] = GRPC_STATUS_OK,
    [ERR_INVALID] = GRPC_STATUS_INVALID_ARGUMENT,
    [ERR_NOT_FOUND] = GRPC_STATUS_NOT_FOUND,
    [ERR_EXISTS] = GRPC_STATUS_ALREADY_EXISTS,
    [ERR_CONFLICT] = GRPC_STATUS_ABORTED,
    [ERR_PRECONDITION] = GRPC_STATUS_FAILED_PRECONDITION,
    [ERR_DENIED] = GRPC_STATUS_PERMISSION_DENIED,
    [ERR_UNAUTHENTICATED] = GRPC_STATUS_UNAUTHENTICATED,
    [ERR_UNSUPPORTED] = GRPC_STATUS_UNIMPLEMENTED,
    [ERR_EXHAUSTED] = GRPC_STATUS_RESOURCE_EXHAUSTED,
    [ERR_UNAVAILABLE] = GRPC_STATUS_UNAVAILABLE,
    [ERR_TIMEOUT] = GRPC_STATUS_DEADLINE_EXCEEDED,
    [ERR_CORRUPT] = GRPC_STATUS_DATA_LOSS,
    [ERR_CANCELLED] = GRPC_STATUS_CANCELLED,
    [ERR_INTERNAL] = GRPC_STATUS_INTERNAL,
};
_Static_assert(sizeof(statuses) / sizeof(statuses[0]) == ERR_MAX, "every error code has a status");

static const struct {
    const char *name;
    enum error_code code;
} wire[] = {
    [GRPC_STATUS_OK] = {"OK", ERR_NONE},
    [GRPC_STATUS_CANCELLED] = {"CANCELLED", ERR_CANCELLED},
    [GRPC_STATUS_UNKNOWN] = {"UNKNOWN", ERR_INTERNAL},
    [GRPC_STATUS_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", ERR_INVALID},
    [GRPC_STATUS_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", ERR_TIMEOUT},
    [GRPC_STATUS_NOT_FOUND] = {"NOT_FOUND", ERR_NOT_FOUND},
    [GRPC_STATUS_ALREADY_EXISTS] = {"ALREADY_EXISTS", ERR_EXISTS},
    [GRPC_STATUS_PERMISSION_DENIED] = {"PERMISSION_DENIED", ERR_DENIED},
    [GRPC_STATUS_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", ERR_EXHAUSTED},
    [GRPC_STATUS_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", ERR_PRECONDITION},
    [GRPC_STATUS_ABORTED] = {"ABORTED", ERR_CONFLICT},
    [GRPC_STATUS_OUT_OF_RANGE] = {"OUT_OF_RANGE", ERR_INVALID},
    [GRPC_STATUS_UNIMPLEMENTED] = {"UNIMPLEMENTED", ERR_UNSUPPORTED},
    [GRPC_STATUS_INTERNAL] = {"INTERNAL", ERR_INTERNAL},
    [GRPC_STATUS_UNAVAILABLE] = {"UNAVAILABLE", ERR_UNAVAILABLE},
    [GRPC_STATUS_DATA_LOSS] = {"DATA_LOSS", ERR_CORRUPT},
    [GRPC_STATUS_UNAUTHENTICATED] = {"UNAUTHENTICATED", ERR_UNAUTHENTICATED},
};

static bool status_is_known(grpc_status_code status)
{
    return (unsigned)status < sizeof(wire) / sizeof(wire[0]);
}

grpc_status_code rpc_status_of(enum error_code code)
{
    return (unsigned)code < ERR_MAX ? statuses[code] : GRPC_STATUS_INTERNAL;
}

enum error_code rpc_error_code_of(grpc_status_code status)
{
    return status_is_known(status) ? wire[status].code : ERR_INTERNAL;
}

const char *rpc_status_name(grpc_status_code status)
{
    return status_is_known(status) ? wire[status].name : "UNKNOWN";
}

/* google.rpc.Status with one google.rpc.ErrorInfo in it. */
static grpc_slice details_pack(grpc_status_code status, const char *text, const char *reason)
{
    uint8_t packed_info[256];
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT, *details[] = {&any};
    Google__Rpc__Status message = GOOGLE__RPC__STATUS__INIT;
    char clean[sizeof(((struct error *)0)->reason)];

    rpc_text_copy(clean, sizeof(clean), reason, strlen(reason));
    info.reason = clean;
    info.domain = (char *)ERROR_DOMAIN;
    any.type_url = (char *)ERROR_INFO_TYPE;
    any.value.data = packed_info;
    any.value.len = google__rpc__error_info__pack(&info, packed_info);
    message.code = (int32_t)status;
    message.message = (char *)text;
    message.n_details = 1;
    message.details = details;

    grpc_slice slice = grpc_slice_malloc(google__rpc__status__get_packed_size(&message));
    (void)google__rpc__status__pack(&message, GRPC_SLICE_START_PTR(slice));
    return slice;
}

void rpc_status_encode(const struct error *err, struct rpc_wire_status *out)
{
    char text[RPC_TEXT_MAX + 1];

    *out = (struct rpc_wire_status){.status = GRPC_STATUS_OK, .text = grpc_empty_slice()};
    if (!err)
        return;
    out->status = err->code == ERR_NONE ? GRPC_STATUS_INTERNAL : rpc_status_of(err->code);
    rpc_text_copy(text, sizeof(text), err->text, strnlen(err->text, sizeof(err->text)));
    out->text = grpc_slice_from_copied_string(text);
    if (err->reason[0] == '\0')
        return;
    out->has_details = true;
    out->details.key = grpc_slice_from_static_string(RPC_DETAILS_KEY);
    out->details.value = details_pack(out->status, text, err->reason);
}

void rpc_wire_status_done(struct rpc_wire_status *status)
{
    grpc_slice_unref(status->text);
    if (status->has_details)
        grpc_slice_unref(status->details.value);
    *status = (struct rpc_wire_status){.text = grpc_empty_slice()};
}

static void reason_from_any(const Google__Protobuf__Any *any, struct error *err)
{
    if (strcmp(any->type_url, ERROR_INFO_TYPE) != 0)
        return;
    SCOPED(error_info)
    Google__Rpc__ErrorInfo *info =
        rpc_message_unpack_bytes(any->value.data, any->value.len, &google__rpc__error_info__descriptor);
    if (info && strcmp(info->domain, ERROR_DOMAIN) == 0)
        rpc_text_copy(err->reason, sizeof(err->reason), info->reason, strlen(info->reason));
}

static void reason_from_details(grpc_slice bytes, struct error *err)
{
    if (GRPC_SLICE_LENGTH(bytes) > DETAILS_MAX)
        return;
    SCOPED(wire_status)
    Google__Rpc__Status *status = rpc_message_unpack_bytes(
        GRPC_SLICE_START_PTR(bytes), GRPC_SLICE_LENGTH(bytes), &google__rpc__status__descriptor);
    for (size_t i = 0; status && i < status->n_details && !err->reason[0]; i++)
        reason_from_any(status->details[i], err);
}

int rpc_status_decode(grpc_status_code status, grpc_slice text, const grpc_metadata_array *trailers,
                      struct error *err)
{
    *err = (struct error){.code = rpc_error_code_of(status)};
    rpc_text_copy(err->text, sizeof(err->text), (const char *)GRPC_SLICE_START_PTR(text),
                  GRPC_SLICE_LENGTH(text));
    if (!err->text[0])
        rpc_text_copy(err->text, sizeof(err->text), rpc_status_name(status), strlen(rpc_status_name(status)));
    for (size_t i = 0; i < trailers->count; i++)
        if (grpc_slice_str_cmp(trailers->metadata[i].key, RPC_DETAILS_KEY) == 0)
            reason_from_details(trailers->metadata[i].value, err);
    return -1;
}
