/* openapi.h - the document that describes the REST door: openapi.json, which the build puts into the program. */
#pragma once

#include <stddef.h>

extern const char openapi_document[]; /* ends with a NUL that does not count */
extern const size_t openapi_document_length;
