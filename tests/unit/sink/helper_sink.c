/* SPDX-License-Identifier: BSD-2-Clause */

/* See helper_sink.h. */

#include "sink/helper_sink.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sink/sink_internal.h"

bool helper_stepwise;
static atomic_int failures;
static _Thread_local struct vv_error error;

void
helper_failed(const char *file, int line, const char *what, const char *why)
{
    fprintf(stderr, "%s:%d: %s%s%s\n", file, line, what, why == NULL ? "" : ": ",
            why == NULL ? "" : why);
    atomic_fetch_add(&failures, 1);
}

int
helper_failures(void)
{
    return atomic_exchange(&failures, 0);
}

struct vv_error *
helper_error(void)
{
    return &error;
}

void
helper_error_reset(void)
{
    vv_error_clear(&error);
}

const char *
helper_message(void)
{
    return error.message;
}

void
scratch_make(struct scratch *s)
{
    (void)snprintf(s->path, sizeof(s->path), "/tmp/varve-sink-XXXXXX");
    if (mkdtemp(s->path) == NULL || chmod(s->path, 0777) != 0) {
        perror(s->path);
        abort();
    }
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void
scratch_remove(struct scratch *s)
{
    struct sink *sink = NULL;
    struct sink_fs_options o = {.target = "/tmp", .overwrite = SINK_ALWAYS};

    close(s->fd);
    if (CHECK_OK(sink_fs_new(&o, &sink, &error))) {
        CHECK_OK(sink_remove(sink, text(s->path + strlen("/tmp/")), &error));
    }
    sink_free(sink);
    CHECK(access(s->path, F_OK) != 0);
}

static void
count_event(struct vv_events *self, const struct vv_event *event)
{
    struct counting_events *e = (struct counting_events *)self;

    if (event->kind == VV_EVENT_PROBLEM) {
        e->problems++;
    }
    size_t used = strlen(e->all);
    (void)snprintf(e->all + used, sizeof(e->all) - used, "%s: %s\n", event->name, event->text);
}

void
counting_events_init(struct counting_events *e)
{
    memset(e, 0, sizeof(*e));
    e->base.emit = count_event;
}

struct vv_span
text(const char *s)
{
    return vv_span(s, strlen(s));
}

struct entry
make_entry(enum entry_type type, const char *path, uint32_t mode)
{
    return (struct entry){.path = text(path),
                          .type = type,
                          .mode = mode,
                          .uid = geteuid(),
                          .gid = getegid(),
                          .nlink = 1,
                          .mtime = {1234567890, 123456789}};
}

struct sink *
open_sink(const struct scratch *dir, enum sink_overwrite overwrite, struct counting_events *events)
{
    char target[96];
    struct sink *s = NULL;
    struct sink_fs_options o = {
        .target = target, .overwrite = overwrite, .events = events == NULL ? NULL : &events->base};

    (void)snprintf(target, sizeof(target), "%s/target", dir->path);
    if (!CHECK_OK(sink_fs_new(&o, &s, &error))) {
        abort();
    }
    s->stepwise = s->stepwise || helper_stepwise;
    return s;
}

enum vv_rc
put_file(struct sink *s, struct entry *e, const void *data, size_t len, struct vv_error *err)
{
    struct sink_file *f = NULL;
    enum vv_rc rc;

    if ((e->flags & ENTRY_HAS_EXTENTS) == 0) {
        e->size = len;
    }
    VV_TRY(sink_file_begin(s, e, &f, err));
    rc = sink_file_write(f, 0, vv_span(data, len), err);
    if (rc != VV_OK) {
        sink_file_abort(f);
        return rc;
    }
    return sink_file_finish(f, err);
}

/* The differences as text in ${out}. */
static bool
differences(struct sink *s, const struct entry *wanted, char *out, size_t size)
{
    struct vv_arena arena = {0};
    struct vv_buf list = {0};
    struct entry found;
    int fd = -1;
    bool done = false;

    helper_error_reset();
    if (sink_inspect(s, wanted->path, &arena, &found, &fd, &error) == VV_OK) {
        sink_compare(s, wanted, &found, &list);
        (void)snprintf(out, size, "%s", vv_buf_text(&list));
        done = true;
        CHECK((fd >= 0) == (found.type == ENTRY_FILE));
    } else {
        (void)snprintf(out, size, "%s", error.message);
    }
    if (fd >= 0) {
        close(fd);
    }
    vv_buf_release(&list);
    vv_arena_release(&arena);
    return done;
}

bool
agrees(struct sink *s, const struct entry *wanted)
{
    char list[1024];

    if (!differences(s, wanted, list, sizeof(list)) || list[0] != '\0') {
        helper_failed(__FILE__, __LINE__, (const char *)wanted->path.data, list);
        return false;
    }
    return true;
}

bool
differs_in(struct sink *s, const struct entry *wanted, const char *what)
{
    char list[1024];

    if (!differences(s, wanted, list, sizeof(list)) || strstr(list, what) == NULL) {
        helper_failed(__FILE__, __LINE__, what, list);
        return false;
    }
    return true;
}

uint64_t
count_temporary(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(copy);
    struct dirent *d;
    uint64_t count = 0;

    while (dir != NULL && (d = readdir(dir)) != NULL) {
        count += strncmp(d->d_name, ".varve-", 7) == 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

void
as_ordinary_user(void (*fn)(const struct scratch *dir), const struct scratch *dir)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        (void)helper_failures();
        if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
            setresuid(65534, 65534, 65534) != 0) {
            _exit(99);
        }
        fn(dir);
        _exit(helper_failures() == 0 ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
          WEXITSTATUS(status) == 0);
}
