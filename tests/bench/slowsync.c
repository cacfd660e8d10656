/* Makes every fsync and fdatasync take SLOWSYNC_US microseconds longer: a tired SD card on a fast disk.
 *   cc -shared -fPIC -O2 -o slowsync.so slowsync.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void pause_first(void) {
    const char *told = getenv("SLOWSYNC_US");
    if (told != NULL)
        usleep((useconds_t)atol(told));
}

int fsync(int fd) {
    static int (*real)(int);
    if (real == NULL)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    pause_first();
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (real == NULL)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    pause_first();
    return real(fd);
}
