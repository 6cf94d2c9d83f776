/* Preloaded into a server, keeps what a power cut would leave of its database: only what was synced.
 *
 * Whenever a file in FIRE_DATA has reached the disk, it is copied to FIRE_DISK; what is deleted there is deleted
 * here. A copy may hold bytes of a neighbour that were not synced yet, so this can excuse a server, but never
 * accuses one wrongly. Syncs of directories are not modelled.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name of a file directly in FIRE_DATA, NULL for any other. */
static const char *name_of(const char *path)
{
    const char *data = getenv("FIRE_DATA");
    size_t length = data ? strlen(data) : 0;
    if (!length || strncmp(path, data, length) || path[length] != '/' || strchr(path + length + 1, '/'))
        return NULL;
    return path + length + 1;
}

static void on_disk(char *path, const char *name, const char *suffix)
{
    snprintf(path, PATH_MAX, "%s/%s%s", getenv("FIRE_DISK"), name, suffix);
}

/* Without it, two processes put older copies in the place of newer ones. */
static int lock(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.lock", getenv("FIRE_DISK"));
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX))
        abort();
    return lock;
}

static void keep(int file)
{
    char link[64], path[PATH_MAX], copy[PATH_MAX], unfinished[PATH_MAX];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return;
    path[length] = 0;
    const char *name = name_of(path);
    if (!name || fstat(file, &status) || !S_ISREG(status.st_mode) || !status.st_nlink)
        return;
    on_disk(copy, name, "");
    on_disk(unfinished, name, ".unfinished");
    int held = lock();
    int target = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (target < 0)
        abort();
    /* By the descriptor that is there: closing another one would give up SQLite's own locks on the file. */
    off_t offset = 0;
    ssize_t copied;
    while ((copied = sendfile(target, file, &offset, 1 << 30)) > 0)
        ;
    close(target);
    if (copied < 0 || rename(unfinished, copy))
        abort();
    close(held);
}

int fsync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int result = real(file);
    if (!result)
        keep(file);
    return result;
}

int fdatasync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = real(file);
    if (!result)
        keep(file);
    return result;
}

int unlink(const char *path)
{
    int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    const char *name = name_of(path);
    char copy[PATH_MAX];
    if (!name)
        return real(path);
    int held = lock();
    int result = real(path);
    if (!result) {
        on_disk(copy, name, "");
        real(copy);
    }
    close(held);
    return result;
}
