/* refusal.h - refusals in the words of kube-apiserver, so that people and tests find the same text on both
 * backends. */
#pragma once

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

/* The two arguments of "%.*s" for a text from outside: cut short, at the end of a character. */
#define QUOTED(text_) quoted_length(text_), (text_)
int quoted_length(const char *text);

int refuse_not_found(struct error *err, enum cluster_kind kind, const char *name);
int refuse_exists(struct error *err, enum cluster_kind kind, const char *name);
/* The object moved since the caller read it. */
int refuse_stale(struct error *err, enum cluster_kind kind, const char *name);
int refuse_other_uid(struct error *err, enum cluster_kind kind, const char *name, const char *wanted,
                     const char *found);
/* Puts 'BatchSandbox.sandbox.opensandbox.io "demo" is invalid: ' before what err says. */
int refuse_invalid(struct error *err, enum cluster_kind kind, const char *name);
