/* A wrong wall clock and a kernel that says what the drill wants, for one process (LD_PRELOAD).
 *
 * The file named by WRONG_CLOCK is mapped: three 64-bit numbers that the drill writes while the process runs.
 *   [0] added to the wall clock, microseconds     [1] taken from the time since boot, microseconds
 *   [2] the kernel's bound of its error, microseconds; -1: not synchronised
 * CLOCK_MONOTONIC, by which loops and threads wait, is left alone (libfaketime's sleeps do not survive that).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *told;

__attribute__((constructor)) static void map_told(void)
{
    const char *path = getenv("WRONG_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 24, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort(); /* a drill with the right clock would prove nothing */
    told = map;
}

static void add(struct timespec *at, int64_t us)
{
    int64_t ns = at->tv_nsec + us % 1000000 * 1000;
    at->tv_sec += us / 1000000 + (ns >= 1000000000) - (ns < 0);
    at->tv_nsec = (ns + 1000000000) % 1000000000;
}

int clock_gettime(clockid_t id, struct timespec *at)
{
    int failed = syscall(SYS_clock_gettime, id, at);
    if (failed || !told)
        return failed;
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        add(at, told[0]);
    if (id == CLOCK_BOOTTIME)
        add(at, -told[1]);
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int adjtimex(struct timex *state)
{
    unsigned modes = state->modes;
    memset(state, 0, sizeof *state);
    if (modes)
        abort(); /* the gateway never sets the clock */
    state->status = told[2] < 0 ? STA_UNSYNC : STA_PLL;
    state->maxerror = told[2] < 0 ? 16000000 : told[2];
    return told[2] < 0 ? TIME_ERROR : TIME_OK;
}

int clock_settime(clockid_t id, const struct timespec *at)
{
    (void)id, (void)at;
    abort();
}

int settimeofday(const struct timeval *at, const struct timezone *zone)
{
    (void)at, (void)zone;
    abort();
}
