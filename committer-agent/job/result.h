/* result.h - how a Job tells what came of it: lines for a log, and one JSON line for the termination log.
 *
 * The kubelet cuts a termination message at 4096 bytes, and a cut one cannot be read: a message that would be as long
 * goes without its images, or is not written at all. What is not there is tolerated, what is broken is not. */
#pragma once

#include "committer-agent/commit/request.h"
#include "shared/base/strbuf.h"

enum { JOB_MESSAGE_MAX_BYTES = 4095 };

/* "SNAPSHOT_DIGEST_<NAME>=<digest>" for each, "SNAPSHOT_DIGEST=" with the first. */
void job_digest_lines(const struct commit_result *results, size_t count, struct strbuf *out);

/* {"containers":[{"name","image","digest"}]}; NULL: too many for any form. The caller frees. */
char *job_success_message(const struct commit_result *results, size_t count);
/* {"message","reason","retryable"} */
char *job_failure_message(const struct error *failed);

/* Into the existing file at path, in place: the kubelet has mounted it. */
int job_message_write(const char *path, const char *message, struct error *err);
