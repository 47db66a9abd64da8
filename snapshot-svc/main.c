/* snapshot-svc: see serve.c for what it is made of and settings.c for how it is told. */
#include <stdio.h>

#include "shared/base/signals.h"
#include "snapshot-svc/serve.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
    struct settings settings = {0};
    enum config_outcome outcome;
    struct error err = {0};

    signals_block();
    if (settings_load(&settings, argc, argv, &outcome, &err) < 0) {
        (void)fprintf(stderr, "snapshot-svc: %s\n", err.text);
        settings_done(&settings);
        return EXIT_USAGE;
    }
    int result = outcome == CONFIG_EXIT_OK ? 0 : snapshot_serve(&settings, &err);
    settings_done(&settings);
    if (result == 0)
        return 0;
    log_emit_error(LOG_ERROR, "cannot serve", &err, NULL, 0);
    return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
}
