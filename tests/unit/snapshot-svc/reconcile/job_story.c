#include "job_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world *with_mode(enum commit_mode mode)
{
    static struct world world;
    world_init(&world, "Succeed");
    world.config.commit_mode = mode;
    (void)snapshot_appears(&world, "");
    return &world;
}

void done(struct world *world)
{
    if (world->broken_law)
        fail_msg("law broken: %s", world->broken_law);
    world_done(world);
}

struct world *with_job(void)
{
    struct world *world = with_mode(COMMIT_MODE_JOB);
    assert_string_equal(pass_snapshot_once(world), BEGIN);
    job_controller_acts(world);
    return world;
}

struct world *with_running_job(void)
{
    struct world *world = with_job();
    job_pods_start(world);
    assert_true(world->commits[0].frozen);
    return world;
}

const char *image_digest(const json_t *snapshot)
{
    return text_at(json_array_get(json_object_get(json_object_get(snapshot, "status"), "containers"), 0),
                   "imageDigest");
}

const char *stopping(struct world *world)
{
    return condition_text(SNAPSHOT, "Stopping", "message");
}

void settles_as_failed(struct world *world, const char *message)
{
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), ASK);
    assert_string_equal(phase_of(SNAPSHOT), "Committing");
    job_controller_acts(world);
    job_pods_start(world);
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "reason"), "CommitJobFailed");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "message"), message);
    assert_false(has_condition(SNAPSHOT, "Stopping"));
    assert_false(anything_is_frozen(world));
}

struct world *with_dead_job(void)
{
    struct world *world = with_running_job();

    for (int i = 0; i < 4; i++) {
        job_pods_end(world, JOB_END_DEATH);
        world->now_ms += 20 * SECOND_MS;
        job_controller_acts(world);
        job_pods_start(world);
    }
    assert_true(anything_is_frozen(world));
    return world;
}
