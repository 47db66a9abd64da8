/* login.h - how to reach an API server and who we are there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct login_bytes {
    char *bytes; /* NULL: none; wiped when freed */
    size_t length;
};

struct login {
    char *server;   /* "https://10.0.0.1:6443", without a slash at its end */
    char *tls_name; /* the name that the server's certificate must have; NULL: the host of `server` */
    bool insecure_tls;
    struct login_bytes ca, cert, key; /* PEM */
    char *token;                      /* NULL: none */
    char *token_file;                 /* wins over token, and is read again when it changes; NULL: none */
};

void login_free(struct login *login);
DEFINE_FREEP(login, struct login, login_free)

/* The kubeconfig's current context. *ret_login is the caller's.
 * ERR_NOT_FOUND, ERR_DENIED: the file, or one it names; ERR_INVALID: what is in it; ERR_UNSUPPORTED: a way to log in that
 * is none of ours; the text names the entry and what to use instead. */
int login_from_kubeconfig(const char *path, struct login **ret_login, struct error *err);
/* The same from text; relative paths start in `folder`. */
int login_from_kubeconfig_text(const char *text, size_t length, const char *path, const char *folder,
                               struct login **ret_login, struct error *err);

/* The pod's service account. dir NULL: where kubelet mounts it. ERR_NOT_FOUND: this is no pod. */
int login_from_pod(const char *dir, struct login **ret_login, struct error *err);

/* Reads a file of at most 1 MiB; for PEM. */
int login_read_file(const char *path, struct login_bytes *ret_bytes, struct error *err);
