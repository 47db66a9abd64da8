#include "committer-agent/layer/recipe.h"

#include "committer-agent/layer/content.h"
#include "committer-agent/layer/tempfile.h"
#include "shared/base/alloc.h"

struct step { /* in the file of steps: first so many bytes as they are, then so many of the content file */
    uint64_t literal_length;
    uint64_t offset, length;
};

struct recipe {
    struct tempfile *steps, *literals;
    uint64_t literal_length; /* since the last step */
    uint64_t length;
};

int recipe_new(const char *dir, struct recipe **ret_recipe, struct error *err)
{
    SCOPED(recipe) struct recipe *recipe = xcalloc(1, sizeof(*recipe));

    if (tempfile_new(dir, &recipe->steps, err) < 0 || tempfile_new(dir, &recipe->literals, err) < 0)
        return -1;
    *ret_recipe = TAKE(recipe);
    return 0;
}

void recipe_free(struct recipe *recipe)
{
    if (!recipe)
        return;
    tempfile_free(recipe->steps);
    tempfile_free(recipe->literals);
    free(recipe);
}

static int append_literal(void *arg, const void *bytes, size_t length, struct error *err)
{
    struct recipe *recipe = arg;

    if (tempfile_write(recipe->literals, bytes, length, err) < 0)
        return -1;
    recipe->literal_length += length;
    recipe->length += length;
    return 0;
}

struct byte_sink recipe_sink(struct recipe *recipe)
{
    return (struct byte_sink){.write = append_literal, .arg = recipe};
}

int recipe_refer(struct recipe *recipe, uint64_t offset, uint64_t length, struct error *err)
{
    const struct step step = {.literal_length = recipe->literal_length, .offset = offset, .length = length};

    if (tempfile_write(recipe->steps, &step, sizeof(step), err) < 0)
        return -1;
    recipe->literal_length = 0;
    recipe->length += length;
    return 0;
}

uint64_t recipe_length(const struct recipe *recipe)
{
    return recipe->length;
}

int recipe_seal(struct recipe *recipe, struct error *err)
{
    if (recipe_refer(recipe, 0, 0, err) < 0) /* the step of the literals at the end */
        return -1;
    return tempfile_flush(recipe->steps, err) < 0 ? -1 : tempfile_flush(recipe->literals, err);
}

int recipe_play(struct recipe *recipe, int content_fd, struct pipeline *pipeline, const bool *cancelled,
                struct error *err)
{
    const struct content_context into = {.to = content_into_pipeline(pipeline), .cancelled = cancelled};
    SCOPED(tempfile_reader) struct tempfile_reader *steps = tempfile_reader_new(recipe->steps);
    int literals_fd = tempfile_get_fd(recipe->literals), more;
    uint64_t literals_at = 0;
    struct step step;

    while ((more = tempfile_reader_read(steps, &step, sizeof(step), err)) > 0) {
        if (content_copy_range(&into, literals_fd, (off_t)literals_at, (off_t)step.literal_length, err) < 0 ||
            content_copy_range(&into, content_fd, (off_t)step.offset, (off_t)step.length, err) < 0)
            return error_wrap(err, "assembling the layer");
        literals_at += step.literal_length;
    }
    return more;
}
