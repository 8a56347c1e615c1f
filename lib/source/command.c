/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command's output, or standard input, as the one file of a sequence.  Nothing of the command but
 * the name given to its output is ever told: a command line may hold a password.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/command_process.h"
#include "source/fs_internal.h"
#include "source/source.h"

#define POLL_MS 100 /* how soon a request to stop is seen */

enum command_state {
    COMMAND_NEW,
    COMMAND_GIVEN, /* next has given the item, and the command runs */
    COMMAND_ENDED, /* all of its output was read */
    COMMAND_BROKEN,
};

struct command_source {
    struct source base;
    struct source_file file;
    char *name;
    char *command; /* NULL: standard input */
    bool allow_empty;
    struct vv_cancel *cancel;
    enum command_state state;
    bool running;
    struct command_process process; /* if running */
    int fd;                         /* where the output is read from */
    uint64_t size;                  /* read so far */
    struct entry_time end;          /* when the output ended */
    struct vv_error error;          /* COMMAND_BROKEN: why */
    struct fs_names names;
};

static const char *
what(const struct command_source *c)
{
    return c->command == NULL ? "standard input" : "command";
}

static enum vv_rc command_end(struct source *s, struct vv_error *err);

static enum vv_rc
command_next(struct source *s, struct source_item *ret, bool *ret_end, struct vv_error *err)
{
    struct command_source *c = (struct command_source *)s;
    struct source_item item = {0};

    if (c->state == COMMAND_BROKEN) {
        return command_end(s, err);
    }
    if (c->state != COMMAND_NEW) {
        *ret_end = true;
        return VV_OK;
    }
    if (c->command != NULL) {
        enum vv_rc rc = command_process_start(&c->process, c->command, err);
        if (rc != VV_OK) {
            (void)vv_error_prefix(err, "command for '%s'", c->name);
            return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
        }
        c->running = true;
        c->fd = c->process.out;
    }
    c->state = COMMAND_GIVEN;
    item.entry = (struct entry){.path = vv_span(c->name, strlen(c->name)),
                                .type = ENTRY_FILE,
                                .flags = ENTRY_STREAM,
                                .mode = 0600,
                                .uid = geteuid(),
                                .gid = getegid(),
                                .nlink = 1};
    item.entry.user = fs_user_name(&c->names, item.entry.uid);
    item.entry.group = fs_group_name(&c->names, item.entry.gid);
    *ret = item;
    *ret_end = false;
    return VV_OK;
}

static void
command_item_release(struct source *s, struct source_item *item)
{
    (void)s;
    *item = (struct source_item){0};
}

/* From a source_file back to the source it is embedded in. */
static struct command_source *
source_of(struct source_file *f)
{
    return (struct command_source *)(void *)((char *)f - offsetof(struct command_source, file));
}

static enum source_status
command_open(struct source *s, struct source_item *item, struct vv_arena *arena,
             struct source_file **ret, struct source_problem *problem)
{
    struct command_source *c = (struct command_source *)s;

    (void)item;
    (void)arena;
    (void)problem;
    *ret = &c->file;
    return SOURCE_OK;
}

/* Reading is over for good; source_end tells why. */
static enum source_status
broken(struct command_source *c, struct source_problem *problem)
{
    c->state = COMMAND_BROKEN;
    (void)vv_error_origin(&c->error, VV_ORIGIN_SOURCE, c->error.rc);
    problem->sys = c->error.sys;
    (void)snprintf(problem->text, sizeof(problem->text), "%.*s", (int)sizeof(problem->text) - 1,
                   c->error.message);
    return SOURCE_UNREADABLE;
}

static void
note_end(struct command_source *c)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    c->end = (struct entry_time){.sec = now.tv_sec, .nsec = (uint32_t)now.tv_nsec};
    c->state = COMMAND_ENDED;
}

static enum source_status
command_read(struct source_file *f, uint64_t offset, uint8_t *buf, size_t len, size_t *ret_len,
             struct source_problem *problem)
{
    struct command_source *c = source_of(f);
    size_t done = 0;

    *ret_len = 0;
    if (c->state == COMMAND_BROKEN) {
        return broken(c, problem);
    }
    if (offset != c->size) {
        (void)vv_error_set(&c->error, VV_EUSAGE, "the output for '%s' can be read only once",
                           c->name);
        return broken(c, problem);
    }
    while (done < len && c->state != COMMAND_ENDED) {
        struct pollfd poll_fd = {.fd = c->fd, .events = POLLIN};
        if (vv_cancel_check(c->cancel, &c->error) != VV_OK) {
            return broken(c, problem);
        }
        if (poll(&poll_fd, 1, POLL_MS) <= 0) {
            continue;
        }
        ssize_t got = read(c->fd, buf + done, len - done);
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            (void)vv_error_sys(&c->error, errno, "cannot read %s for '%s'", what(c), c->name);
            return broken(c, problem);
        }
        if (got == 0) {
            note_end(c);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    c->size += done;
    *ret_len = done;
    return SOURCE_OK;
}

static enum source_status
command_close(struct source_file *f, struct entry *entry, struct source_problem *problem)
{
    struct command_source *c = source_of(f);

    if (c->state == COMMAND_BROKEN) {
        return broken(c, problem);
    }
    if (c->state != COMMAND_ENDED) { /* closed before its end: what is there is no whole */
        (void)vv_error_set(&c->error, VV_EIO, "%s for '%s' was not read to its end", what(c),
                           c->name);
        return broken(c, problem);
    }
    entry->size = c->size;
    entry->mtime = c->end;
    entry->ctime = c->end;
    return SOURCE_OK;
}

/* How a command failed, with the last it wrote to standard error. */
static enum vv_rc
report_failure(struct command_source *c, const siginfo_t *how, struct vv_error *err)
{
    char tail[sizeof(err->hint)];
    char reason[80];

    command_process_stderr(&c->process, tail, sizeof(tail));
    if (c->process.failed) {
        (void)snprintf(reason, sizeof(reason), "how it ended cannot be found out");
    } else if (how->si_code == CLD_EXITED) {
        (void)snprintf(reason, sizeof(reason), "exit status %d", how->si_status);
    } else {
        const char *name = sigabbrev_np(how->si_status);
        (void)snprintf(reason, sizeof(reason), "killed by signal %d (%s%s)", how->si_status,
                       name == NULL ? "" : "SIG", name == NULL ? "unknown" : name);
    }
    (void)vv_error_set(err, VV_EIO, "command for '%s' failed: %s", c->name, reason);
    if (tail[0] != '\0') {
        vv_error_hint(err, "%s", tail);
    }
    return VV_EIO;
}

static enum vv_rc
report_empty(struct command_source *c, struct vv_error *err)
{
    char tail[400] = "";

    (void)vv_error_set(err, VV_EREFUSED, "%s for '%s' %s", what(c), c->name,
                       c->command == NULL ? "is empty" : "ended without any output");
    if (c->command != NULL) {
        command_process_stderr(&c->process, tail, sizeof(tail));
    }
    vv_error_hint(err, "%s%suse --allow-empty if that is no mistake", tail,
                  tail[0] == '\0' ? "" : "\n");
    return VV_EREFUSED;
}

/* The verdict; origin and lasting copy are the caller's. */
static enum vv_rc
judge(struct command_source *c, struct vv_error *err)
{
    if (c->state == COMMAND_NEW || c->state == COMMAND_GIVEN) {
        return vv_error_set(err, VV_EIO, "%s for '%s' was not read to its end", what(c), c->name);
    }
    if (c->command != NULL) {
        const siginfo_t *how = &c->process.how;
        VV_TRY(command_process_wait(&c->process, c->cancel, err));
        if (c->process.failed || how->si_code != CLD_EXITED || how->si_status != 0) {
            return report_failure(c, how, err);
        }
    }
    if (c->size == 0 && !c->allow_empty) {
        return report_empty(c, err);
    }
    return VV_OK;
}

static enum vv_rc
command_end(struct source *s, struct vv_error *err)
{
    struct command_source *c = (struct command_source *)s;
    struct vv_error local = {0};
    enum vv_rc rc;

    if (c->state != COMMAND_BROKEN) {
        rc = judge(c, &local);
        if (rc == VV_OK) {
            return VV_OK;
        }
        c->error = local;
        c->state = COMMAND_BROKEN;
    }
    (void)vv_error_origin(&c->error, VV_ORIGIN_SOURCE, c->error.rc);
    if (err != NULL) {
        *err = c->error;
    }
    return c->error.rc;
}

static void
command_free(struct source *s)
{
    struct command_source *c = (struct command_source *)s;

    if (c->running) {
        command_process_release(&c->process);
    }
    fs_names_release(&c->names);
    vv_free(c->name);
    vv_free(c->command);
    vv_free(c);
}

static const struct source_ops command_ops = {
    .sequence = true,
    .next = command_next,
    .item_release = command_item_release,
    .open = command_open,
    .read = command_read,
    .close = command_close,
    .end = command_end,
    .free = command_free,
};

enum vv_rc
source_command_new(const struct source_command_options *o, struct source **ret,
                   struct vv_error *err)
{
    struct command_source *c;

    if (o->name[0] == '\0' || !path_valid(vv_span(o->name, strlen(o->name)))) {
        (void)vv_error_set(err, VV_EUSAGE, "'%s' is no name for %s", o->name,
                           o->command == NULL ? "standard input" : "a command's output");
        vv_error_hint(err, "give a relative path without '.', '..' and empty parts, "
                           "like 'databases/shop.sql'");
        return VV_EUSAGE;
    }
    c = vv_alloc_array(1, sizeof(*c));
    if (c == NULL) {
        return vv_error_nomem(err);
    }
    c->base.ops = &command_ops;
    c->file.ops = &command_ops;
    c->allow_empty = o->allow_empty;
    c->cancel = o->cancel;
    c->fd = STDIN_FILENO;
    fs_names_init(&c->names);
    VV_CLEANUP(source_freep) struct source *s = &c->base;
    c->name = vv_strdup(o->name);
    if (o->command != NULL) {
        c->command = vv_strdup(o->command);
    }
    if (c->name == NULL || (o->command != NULL && c->command == NULL)) {
        return vv_error_nomem(err);
    }
    *ret = TAKE(s);
    return VV_OK;
}
