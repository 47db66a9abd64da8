#include "committer-agent/commit/rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/base/strbuf.h"

#define BIT(capability) (1ULL << (capability))

static const struct {
    unsigned long long any_of;
    const char *name, *what_for;
    bool to_kill; /* only then */
} needs[] = {
    {BIT(CAP_SYS_ADMIN), "SYS_ADMIN", "seeing overlayfs's own attributes", false},
    {BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_DAC_OVERRIDE), "DAC_READ_SEARCH", "reading everybody's files", false},
    {BIT(CAP_KILL), "KILL", "killing everybody's processes", true},
};

int commit_check_capabilities(unsigned long long effective, bool kills, struct error *err)
{
    SCOPED_STRBUF struct strbuf missing = STRBUF_INIT;

    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
        if (!(effective & needs[i].any_of) && (kills || !needs[i].to_kill))
            strbuf_addf(&missing, "%s%s (%s)", missing.length ? ", " : "", needs[i].name, needs[i].what_for);
    if (missing.length == 0)
        return 0;
    return error_set(err, ERR_DENIED, "this process lacks the capabilities %s: run it as root and add them",
                     strbuf_text(&missing));
}

int commit_check_rights(bool kills, struct error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

    if (syscall(SYS_capget, &header, data) < 0)
        return error_sys(err, errno, "asking for this process's capabilities");
    return commit_check_capabilities(data[0].effective | (unsigned long long)data[1].effective << 32, kills,
                                     err);
}
