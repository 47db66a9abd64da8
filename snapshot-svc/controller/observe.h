/* observe.h - what a planner looks at, read from the informers into typed views.
 * A scene owns everything its `seen` points to. Threads: a scene belongs to one worker. */
#pragma once

#include "snapshot-svc/controller/controller_priv.h"

struct pod_views {
    struct pod *pods;
    const struct pod **list;
    size_t count;
    bool unheard_of; /* the cache did not have them: it may never tell of their end either */
};

/* A Job by its name, and its pods. */
struct job_scene {
    struct object *object;
    struct object_list pod_objects;
    struct job job;
    struct pod_views pods;
};

struct sandbox_scene {
    struct object *sandbox_object, *snapshot_object;
    struct object_list pod_objects;
    struct batchsandbox sandbox;
    struct sandboxsnapshot snapshot;
    struct pod_views pods;
    struct commit_view commit;
    struct batchsandbox_observed seen;
};

struct snapshot_scene {
    struct object *snapshot_object, *sandbox_object, *pause_object;
    struct object_list pod_objects;
    struct sandboxsnapshot snapshot, pause;
    struct batchsandbox sandbox;
    struct pod_views pods;
    struct commit_view commit;
    struct job_scene commit_job, unpause_job;
    char *push_secret_type, *busy_with, *job_refused;
    struct sandboxsnapshot_observed seen;
};

/* 1: filled; 0: the object is gone; -1: ERR_INVALID, or a lookup failed. The scene was zeroed; it is done in every case. */
int observe_sandbox(struct controller *controller, const char *ns, const char *name,
                    struct sandbox_scene *scene, struct error *err);
int observe_snapshot(struct controller *controller, const char *ns, const char *name,
                     struct snapshot_scene *scene, struct error *err);

void sandbox_scene_done(struct sandbox_scene *scene);
void snapshot_scene_done(struct snapshot_scene *scene);
#define SCOPED_SANDBOX_SCENE  __attribute__((cleanup(sandbox_scene_done)))
#define SCOPED_SNAPSHOT_SCENE __attribute__((cleanup(snapshot_scene_done)))
