/* sandbox.h - a pod of three busy containers on the test's containerd, and what its files were when it stopped.
 *
 *   main, helper    are committed; they write without pause and have a file of every kind
 *   bystander       is only frozen with them
 *
 * Failures end the test, by CMocka's assertions. */
#pragma once

#include <stdbool.h>

#include "committer-agent/containerd/containerd.h"
#include "shared/base/ids.h"
#include "shared/base/strbuf.h"

enum { SANDBOX_COMMITTED = 2, SANDBOX_MEMBERS };

struct node { /* the test's: containerd and the registry */
    struct containerd *containerd;
    char *ctr, *socket, *dir;
    const char *image, *registry;
};

int node_open(struct node *node); /* from the environment (tests/lib/with-containerd.sh); -1: there is none */
void node_close(struct node *node);

struct member {
    const char *name;
    char *id;
    char *layers;       /* as an overlay's lowerdir: its own files first */
    struct strbuf tree; /* sandbox_note_files() */
};

struct sandbox {
    const struct node *node;
    char uid[UUID_SIZE];
    struct member members[SANDBOX_MEMBERS];
    bool deleted;
};

void sandbox_start(const struct node *node, struct sandbox *sandbox);
void sandbox_done(struct sandbox *sandbox);

/* As a kubelet stops a pod and removes its containers. */
void sandbox_delete(struct sandbox *sandbox);

/* The repository that a member's image goes to, below the registry's host. The caller frees. */
char *sandbox_repository(const struct sandbox *sandbox, const struct member *member);

/* What is there now is what an image of it must hold. */
void sandbox_note_files(struct sandbox *sandbox);

/* Do all its containers run, and write on? */
bool sandbox_runs(const struct sandbox *sandbox);
unsigned sandbox_frozen(const struct sandbox *sandbox); /* so many of its containers are */

/* Fails unless the image in the registry, pulled and unpacked by a containerd that knows nothing of us, has the files that were
 * noted. */
void sandbox_assert_image(const struct sandbox *sandbox, const struct member *member, const char *tag);
/* The same for one that was made while the container ran on: what it has of the writer's file is how that began. */
void sandbox_assert_live_image(const struct sandbox *sandbox, const struct member *member, const char *tag);
/* The same for one that this node alone knows. */
void sandbox_assert_local_image(const struct sandbox *sandbox, const struct member *member,
                                const char *image);
