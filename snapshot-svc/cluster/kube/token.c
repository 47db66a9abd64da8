#include "snapshot-svc/cluster/kube/token.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"

enum { TOKEN_MAX_BYTES = 64 << 10 };

struct token {
    char *file; /* NULL: fixed */

    pthread_mutex_t lock; /* guards everything below */
    char *text;           /* NULL: none */
    struct stat read_of;  /* the file that `text` came from */
};

static void text_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void token_header_free(char **value)
{
    text_free(*value);
    *value = NULL;
}

struct token *token_new(const char *fixed, const char *file)
{
    struct token *token = xcalloc(1, sizeof(*token));

    token->file = file ? xstrdup(file) : NULL;
    token->text = fixed && !file ? xstrdup(fixed) : NULL;
    pthread_mutex_init(&token->lock, NULL);
    return token;
}

void token_free(struct token *token)
{
    if (!token)
        return;
    pthread_mutex_destroy(&token->lock);
    text_free(token->text);
    free(token->file);
    free(token);
}

/* kubelet swaps a link to a new folder: another inode at least. */
static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int read_text(const char *file, char **ret_text, struct error *err)
{
    struct strbuf content = STRBUF_INIT;

    if (file_read(file, TOKEN_MAX_BYTES, &content, err) < 0)
        return -1;
    while (content.length > 0 && strchr(" \t\r\n", content.bytes[content.length - 1]))
        content.bytes[--content.length] = '\0';
    *ret_text = strbuf_take(&content);
    return 0;
}

/* With the lock held. */
static int refresh(struct token *token, struct error *err)
{
    struct stat now = {0};
    char *text;

    if (stat(token->file, &now) < 0)
        return error_sys(err, errno, "token file %s", token->file);
    if (token->text && is_same_file(&now, &token->read_of))
        return 0;
    if (read_text(token->file, &text, err) < 0)
        return error_wrap(err, "token file");
    text_free(token->text);
    token->text = text;
    token->read_of = now;
    return 0;
}

/* Only visible ASCII can stand in a header, and a token has nothing else. */
static bool is_token(const char *text)
{
    if (!*text)
        return false;
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return true;
}

int token_header(struct token *token, char **ret_value, struct error *err)
{
    struct error failure = {0};
    int result = 0;

    pthread_mutex_lock(&token->lock);
    if (token->file && refresh(token, &failure) < 0 && !token->text)
        result = error_set(err, ERR_DENIED, "%s", failure.text);
    else if (token->text && !is_token(token->text))
        result = error_set(err, ERR_DENIED, "%s: want a token without blanks",
                           token->file ? token->file : "token");
    else
        *ret_value = token->text ? xasprintf("Bearer %s", token->text) : NULL;
    pthread_mutex_unlock(&token->lock);
    return result;
}
