/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting, ending and listening to a command. */
#include "source/command_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/child.h"
#include "core/file.h"

#define PIPE_BYTES (1 << 20)
#define AFTER_STOP 256u /* reads of standard error once the command has ended */
#define GRACE_MS 500u   /* between the request to end and the end */

extern char **environ;

/* ---- standard error ---- */

static void
keep_tail(struct command_process *p, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        p->tail[p->tail_at++] = data[i];
        if (p->tail_at == sizeof(p->tail)) {
            p->tail_at = 0;
            p->tail_full = true;
        }
    }
}

/* Thread: read standard error until its end, or until told to stop: then what is there. */
static void
drain_stderr(void *arg)
{
    struct command_process *p = arg;
    struct pollfd fds[2] = {{.fd = p->error_fd, .events = POLLIN},
                            {.fd = p->stop[0], .events = POLLIN}};
    unsigned left = AFTER_STOP; /* somebody in the background may write for ever */
    bool stopping = false;
    char buf[4096];

    while (left > 0) {
        if (!stopping && poll(fds, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        stopping = stopping || fds[1].revents != 0;
        left -= stopping ? 1 : 0;
        ssize_t got = read(p->error_fd, buf, sizeof(buf)); /* does not block */
        if (got > 0) {
            keep_tail(p, buf, (size_t)got);
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR) ||
                   (errno == EAGAIN && stopping)) {
            return;
        }
    }
}

static void
stop_draining(struct command_process *p)
{
    vv_fd_close(p->stop[1]);
    p->stop[1] = -1;
    vv_thread_join(&p->drain);
}

void
command_process_stderr(const struct command_process *p, char *out, size_t size)
{
    char text[COMMAND_STDERR_KEPT + 1];
    size_t len = 0;

    if (p->tail_full) {
        len = sizeof(p->tail) - p->tail_at;
        memcpy(text, p->tail + p->tail_at, len);
    }
    memcpy(text + len, p->tail, p->tail_at);
    len += p->tail_at;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\0')) {
        len--;
    }
    size_t start = len < size ? 0 : len - (size - 1);
    if (start > 0 || p->tail_full) {
        const char *newline = memchr(text + start, '\n', len - start);
        start = newline == NULL ? start : (size_t)(newline - text) + 1;
    }
    while (start < len && text[start] == '\n') {
        start++;
    }
    for (size_t i = start; i < len; i++) {
        *out = text[i];
        if (*out == '\0') {
            *out = '?';
        }
        out++;
    }
    *out = '\0';
}

/* ---- start ---- */

/* All it has of ours is what is named here: the attributes and file actions of the child. */
struct spawn_plan {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
};

static int
plan_spawn(struct spawn_plan *plan, int out, int error_fd)
{
    sigset_t none;
    sigset_t defaults;
    int rc;

    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE); /* we may ignore it; it must not */
    rc = posix_spawnattr_setflags(
        &plan->attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = rc != 0 ? rc : posix_spawnattr_setpgroup(&plan->attributes, 0);
    rc = rc != 0 ? rc : posix_spawnattr_setsigmask(&plan->attributes, &none);
    rc = rc != 0 ? rc : posix_spawnattr_setsigdefault(&plan->attributes, &defaults);
    /* Ours are above 2 (open_pipe) and close-on-exec: the copies made here are not. */
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&plan->actions, out, STDOUT_FILENO);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&plan->actions, error_fd, STDERR_FILENO);
    rc = rc != 0 ? rc
                 : posix_spawn_file_actions_addopen(&plan->actions, STDIN_FILENO, "/dev/null",
                                                    O_RDONLY, 0);
    return rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(&plan->actions, 3);
}

static int
spawn_shell(const char *command, int out, int error_fd, pid_t *ret)
{
    static const char bash[] = "bash";
    static const char option[] = "-o";
    static const char pipefail[] = "pipefail";
    static const char run[] = "-c";
    const char *words[] = {bash, option, pipefail, run, command, NULL};
    char *argv[VV_COUNT(words)];
    struct spawn_plan plan;
    int rc;

    memcpy(argv, words, sizeof(argv)); /* posix_spawn wants it without const, and changes nothing */
    rc = posix_spawnattr_init(&plan.attributes);
    if (rc != 0) {
        return rc;
    }
    rc = posix_spawn_file_actions_init(&plan.actions);
    if (rc == 0) {
        rc = plan_spawn(&plan, out, error_fd);
        rc = rc != 0 ? rc : posix_spawnp(ret, bash, &plan.actions, &plan.attributes, argv, environ);
        (void)posix_spawn_file_actions_destroy(&plan.actions);
    }
    (void)posix_spawnattr_destroy(&plan.attributes);
    return rc;
}

/* A pipe with both ends above 2, whatever of 0 to 2 our caller has closed. */
static int
open_pipe(int ends[2])
{
    int low[2];
    int error = 0;

    if (pipe2(low, O_CLOEXEC) != 0) {
        return errno;
    }
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
        error = ends[i] < 0 && error == 0 ? errno : error;
    }
    vv_fd_close(low[0]);
    vv_fd_close(low[1]);
    if (error != 0) {
        vv_fd_close(ends[0]);
        vv_fd_close(ends[1]);
        ends[0] = ends[1] = -1;
    }
    return error;
}

static void
close_all(struct command_process *p)
{
    vv_fd_close(p->out);
    vv_fd_close(p->error_fd);
    vv_fd_close(p->stop[0]);
    vv_fd_close(p->stop[1]);
    p->out = p->error_fd = p->stop[0] = p->stop[1] = -1;
}

enum vv_rc
command_process_start(struct command_process *p, const char *command, struct vv_error *err)
{
    int out[2] = {-1, -1};
    int error_out[2] = {-1, -1};
    int error;
    enum vv_rc rc;

    *p = (struct command_process){.out = -1, .error_fd = -1, .stop = {-1, -1}};
    error = open_pipe(out);
    error = error != 0 ? error : open_pipe(error_out);
    error = error != 0 ? error : open_pipe(p->stop);
    p->out = out[0];
    p->error_fd = error_out[0];
    if (error == 0) {
        (void)fcntl(p->out, F_SETPIPE_SZ, PIPE_BYTES); /* as far as allowed */
        (void)fcntl(p->error_fd, F_SETFL, O_NONBLOCK);
        vv_children_count();
        error = spawn_shell(command, out[1], error_out[1], &p->pid);
        p->pid = error == 0 ? p->pid : 0;
    }
    vv_fd_close(out[1]);
    vv_fd_close(error_out[1]);
    if (error != 0) {
        close_all(p);
        return vv_error_sys(err, error, "cannot start bash");
    }
    rc = vv_thread_start(&p->drain, "command stderr", drain_stderr, p, err);
    if (rc != VV_OK) {
        command_process_release(p);
    }
    return rc;
}

/* ---- end ---- */

/* Whether it has ended.  It stays a zombie, so that its number means it and nobody else. */
static bool
has_ended(struct command_process *p)
{
    siginfo_t how = {0};

    if (waitid(P_PID, (id_t)p->pid, &how, WEXITED | WNOHANG | WNOWAIT) != 0) {
        p->failed = p->failed || errno != EINTR;
        return errno != EINTR;
    }
    if (how.si_pid == 0) {
        return false;
    }
    p->how = how;
    return true;
}

/* Wait up to ${limit_ms} (UINT64_MAX: for ever) for its end. */
static enum vv_rc
await_end(struct command_process *p, uint64_t limit_ms, struct vv_cancel *cancel, bool *ret_ended,
          struct vv_error *err)
{
    uint64_t waited = 0;
    uint64_t step = 1;

    while (!(*ret_ended = has_ended(p)) && waited < limit_ms) {
        VV_TRY(vv_cancel_check(cancel, err));
        struct timespec pause = {.tv_nsec = (long)step * 1000000};
        (void)nanosleep(&pause, NULL);
        waited += step;
        step = step < 50 ? step * 2 : step;
    }
    return VV_OK;
}

static void
reap(struct command_process *p)
{
    int status;

    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
    }
    p->pid = 0;
}

enum vv_rc
command_process_wait(struct command_process *p, struct vv_cancel *cancel, struct vv_error *err)
{
    bool ended = false;

    if (p->pid != 0) {
        VV_TRY(await_end(p, UINT64_MAX, cancel, &ended, err));
        reap(p);
    }
    stop_draining(p);
    return VV_OK;
}

void
command_process_release(struct command_process *p)
{
    if (p->pid != 0) {
        bool ended = false;
        /* The group is named by a process not reaped yet: it cannot be anybody else's. */
        (void)kill(-p->pid, SIGTERM);
        (void)!await_end(p, GRACE_MS, NULL, &ended, NULL);
        if (!p->failed) {
            (void)kill(-p->pid, SIGKILL); /* also those who outlive their leader */
        }
        reap(p);
    }
    stop_draining(p);
    close_all(p);
}
