#include "shared/base/backoff.h"

#include "shared/base/ids.h"

static int64_t without_jitter_ms(const struct backoff *backoff)
{
    int64_t delay_ms = backoff->first_ms;
    for (unsigned i = 0; i < backoff->failures && delay_ms > 0; i++) {
        if (delay_ms > backoff->max_ms / 2)
            return backoff->max_ms; /* and no overflow, however many failures there were */
        delay_ms *= 2;
    }
    return delay_ms < backoff->max_ms ? delay_ms : backoff->max_ms;
}

int64_t backoff_next_ms(struct backoff *backoff)
{
    int64_t delay_ms = without_jitter_ms(backoff), quarter_ms = delay_ms / 4;
    uint64_t roll;

    random_bytes(&roll, sizeof(roll));
    if (backoff->failures < UINT32_MAX)
        backoff->failures++;
    return delay_ms - quarter_ms + (int64_t)(roll % (uint64_t)(2 * quarter_ms + 1));
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
