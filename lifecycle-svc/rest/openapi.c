#include "lifecycle-svc/rest/openapi.h"

#include "lifecycle-svc/rest/handlers.h"
#include "lifecycle-svc/rest/rest_call.h"

int rest_openapi(struct rest_call *call, struct error *err)
{
    (void)err; /* it was built in */
    http_answer(call->exchange, 200, "application/json", openapi_document, openapi_document_length);
    return 0;
}
