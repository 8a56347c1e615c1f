/* SPDX-License-Identifier: BSD-2-Clause */
/* Which sessions this host's processes are at; see session_mark.h. */
#include "repo/session_mark.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

#define PREFIX "session-"
#define MARK_NAME (sizeof(PREFIX) + VV_UUID_TEXT)

/** Descriptor of the state directory; -1: there is none. */
static int
directory_of(struct repo *r)
{
    const char *path;

    return repo_state(r) != NULL ? local_state_directory(repo_state(r), &path) : -1;
}

static void
mark_name(const struct vv_uuid *session, char out[MARK_NAME])
{
    memcpy(out, PREFIX, sizeof(PREFIX));
    vv_uuid_text(session, out + strlen(PREFIX));
}

int
session_mark_hold(struct repo *r, const struct vv_uuid *session)
{
    int dir = directory_of(r);
    char name[MARK_NAME];
    bool got = false;
    int fd;

    mark_name(session, name);
    fd = dir < 0 ? -1 : openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && (vv_file_lock(fd, true, &got, NULL) != VV_OK || !got)) {
        (void)unlinkat(dir, name, 0);
        vv_fd_close(fd);
        fd = -1;
    }
    return fd;
}

void
session_mark_release(struct repo *r, const struct vv_uuid *session, int fd, bool ended)
{
    char name[MARK_NAME];

    if (fd >= 0 && ended) {
        mark_name(session, name);
        (void)unlinkat(directory_of(r), name, 0);
    }
    vv_fd_close(fd);
}

static bool
is_left(int dir, const char *name)
{
    VV_CLEANUP(vv_fd_closep) int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool got = false;

    return fd >= 0 && vv_file_lock(fd, false, &got, NULL) == VV_OK && got;
}

bool
session_mark_left(struct repo *r, const struct vv_uuid *session)
{
    int dir = directory_of(r);
    char name[MARK_NAME];

    mark_name(session, name);
    return dir >= 0 && is_left(dir, name);
}

void
session_marks_sweep(struct repo *r, const struct open_sessions *open)
{
    int dir = directory_of(r);
    int fd = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (listing == NULL) {
        vv_fd_close(fd);
        return;
    }
    while ((entry = readdir(listing)) != NULL) {
        const char *text = entry->d_name + strlen(PREFIX);
        struct vv_uuid session;
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            vv_uuid_parse(text, strlen(text), &session) &&
            open_sessions_find(open, &session) == NULL && is_left(dir, entry->d_name)) {
            (void)unlinkat(dir, entry->d_name, 0);
        }
    }
    (void)closedir(listing);
}
