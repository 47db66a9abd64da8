#include "snapshot-svc/cluster/kube/kube_priv.h"

struct http_stream *kube_take_stream(struct kube *kube)
{
    struct http_stream *stream = NULL;

    pthread_mutex_lock(&kube->lock);
    if (kube->stream_count > 0)
        stream = kube->streams[--kube->stream_count];
    pthread_mutex_unlock(&kube->lock);
    return stream ? stream : http_stream_new(kube->peer);
}

void kube_give_stream_back(struct kube *kube, struct http_stream *stream)
{
    pthread_mutex_lock(&kube->lock);
    if (kube->stream_count < KUBE_IDLE_STREAMS_MAX && !http_stream_is_stopped(stream))
        kube->streams[kube->stream_count++] = TAKE(stream);
    pthread_mutex_unlock(&kube->lock);
    http_stream_free(stream);
}
