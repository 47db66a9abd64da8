/* node/logs.h - a container's log, and its growth until the container ends. */
#pragma once

#include "committer-agent/node/log_reader.h"
#include "committer-agent/node/node.h"

struct logs_request {
    const char *pod_uid, *container; /* as node_find_container gave them */
    const char *path;                /* node_log_path */
    int64_t tail_lines;
    bool follow;
    int stop_fd; /* an eventfd that becomes readable when nobody listens any more; -1: none */
};

/* ERR_NOT_FOUND: no log yet; ERR_CANCELLED by stop_fd. */
int logs_read(struct node *node, const struct logs_request *request, const struct log_sink *sink,
              struct error *err);
