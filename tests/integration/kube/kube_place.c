#include "tests/integration/kube/kube_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

void place_need(void)
{
    if (getenv("STASIS_KUBE_DIR") && getenv("STASIS_TEST_NAMESPACE"))
        return;
    fputs("SKIP: run it by tests/lib/with-kube-apiserver.sh tests/integration/kube/prepared.sh\n", stderr);
    exit(77);
}

const char *place_ns(void)
{
    return getenv("STASIS_TEST_NAMESPACE");
}

const char *place_dir(void)
{
    return getenv("STASIS_KUBE_DIR");
}

struct cluster *place_open(void)
{
    const struct cluster_kube_options options = {
        .kubeconfig = getenv("KUBECONFIG"), .qps = 1000, .burst = 1000};
    struct cluster *cluster = NULL;
    struct error err = {0};

    assert_ok(cluster_kube_open(&options, &cluster, &err));
    return cluster;
}

static char *format_args(const char *format, va_list args)
{
    char *text = NULL;
    assert_true(vasprintf(&text, format, args) >= 0);
    return text;
}

void place_run(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    SCOPED(string) char *command = format_args(format, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("%s", command);
}

char *place_output(const char *format, ...)
{
    SCOPED_STRBUF struct strbuf output = STRBUF_INIT;
    va_list args;
    int c;

    va_start(args, format);
    SCOPED(string) char *command = format_args(format, args);
    va_end(args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while ((c = fgetc(pipe)) != EOF)
        strbuf_addc(&output, (char)c);
    if (pclose(pipe) != 0)
        fail_msg("%s", command);
    while (output.length > 0 && output.bytes[output.length - 1] == '\n')
        output.bytes[--output.length] = '\0';
    return strbuf_take(&output);
}

void place_apiserver(const char *verb)
{
    place_run("\"$STASIS_KUBE_APISERVER\" %s", verb);
}

/* By etcd's JSON gateway: the client is a package of its own. */
void place_compact_etcd(void)
{
    place_run("etcd=http://127.0.0.1:$(cat %s/etcd.port)/v3/kv\n"
              "newest=$(curl -fsS $etcd/range -d '{\"key\":\"AA==\"}' | jq -r .header.revision)\n"
              "curl -fsS $etcd/compaction -d '{\"revision\":\"'$newest'\",\"physical\":true}' >/dev/null",
              place_dir());
}
