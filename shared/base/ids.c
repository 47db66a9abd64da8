#include "shared/base/ids.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *out, size_t length)
{
    uint8_t *at = out;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            (void)fputs("fatal: the kernel gives no random bytes\n", stderr);
            abort();
        }
        at += got;
        length -= (size_t)got;
    }
}

void uuid_of(const unsigned char bytes[16], char out[UUID_SIZE])
{
    unsigned char b[16];

    memcpy(b, bytes, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
    (void)snprintf(out, UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

void uuid_v4(char out[UUID_SIZE])
{
    unsigned char bytes[16];

    random_bytes(bytes, sizeof(bytes));
    uuid_of(bytes, out);
}

void hex_id(char out[HEX_ID_SIZE])
{
    uint64_t halves[2];

    random_bytes(halves, sizeof(halves));
    (void)snprintf(out, HEX_ID_SIZE, "%016llx%016llx", (unsigned long long)halves[0],
                   (unsigned long long)halves[1]);
}
