/* diagnostics_text.h - a sandbox's description as plain text for people. Pure; any thread. Spec: contract rest-api.md §14.
 *
 * Texts are bounded by the limit of the buffer that they are appended to: what no longer fits is left out. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/describe.h"
#include "shared/base/strbuf.h"

/* The sandbox, its pods and their containers, its conditions, labels and snapshots. */
void text_of_inspection(const orch_description *description, struct strbuf *text);

/* The newest `limit` Events, oldest first; "(no events)". */
void text_of_events(const orch_description *description, int64_t limit, struct strbuf *text);

/* A heading as a summary has it. */
void text_add_heading(struct strbuf *text, const char *heading);
