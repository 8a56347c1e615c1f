/* SPDX-License-Identifier: BSD-2-Clause */
/* Running other programs, and waiting for their end. */
#include "service/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/child.h"
#include "core/clock.h"
#include "core/file.h"

#define STEP_MS 50
#define GRACE_MS 10000u

extern char **environ;

static uint64_t
now_ms(void)
{
    const struct vv_clock *clock = vv_clock_system();

    return clock->monotonic(clock) / 1000000;
}

/* In the child; only what may be called there. */
static void
become(const struct process_spec *spec, pid_t parent, int nothing, int output, char **environment)
{
    static const char text[] = ": cannot be run\n";

    if (!vv_child_detach(nothing, output >= 0 ? output : STDERR_FILENO, STDERR_FILENO) ||
        !vv_child_end_with(parent, SIGTERM)) {
        _exit(126);
    }
    (void)execvpe(spec->words[0], (char *const *)(uintptr_t)spec->words, environment);
    if (write(STDERR_FILENO, spec->words[0], strlen(spec->words[0])) < 0 ||
        write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        /* the exit code says it */
    }
    _exit(127);
}

/* Ours, and behind it what is wanted besides: of equal names the last counts for getenv of glibc only if
 * the first is left out. */
static enum vv_rc
make_environment(const struct process_spec *spec, char ***ret, struct vv_error *err)
{
    size_t ours = 0;
    size_t more = 0;
    size_t at = 0;
    char **items;

    while (environ[ours] != NULL) {
        ours++;
    }
    while (spec->environment != NULL && spec->environment[more] != NULL) {
        more++;
    }
    items = vv_alloc_array(ours + more + 1, sizeof(*items));
    if (items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < ours; i++) {
        bool hidden = false;
        for (size_t j = 0; j < more && !hidden; j++) {
            size_t len = strcspn(spec->environment[j], "=") + 1;
            hidden = strncmp(environ[i], spec->environment[j], len) == 0;
        }
        if (!hidden) {
            items[at++] = environ[i];
        }
    }
    for (size_t j = 0; j < more; j++) {
        items[at++] = (char *)(uintptr_t)spec->environment[j];
    }
    *ret = items;
    return VV_OK;
}

static enum vv_rc
start(const struct process_spec *spec, int *ret_output, pid_t *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char **environment = NULL;
    int ends[2] = {-1, -1};
    pid_t parent = getpid();

    if (nothing < 0 || (spec->capture && pipe2(ends, O_CLOEXEC) != 0)) {
        return vv_error_sys(err, errno, "cannot start '%s'", spec->words[0]);
    }
    if (make_environment(spec, &environment, err) != VV_OK) {
        vv_fd_close(ends[0]);
        vv_fd_close(ends[1]);
        return VV_ENOMEM;
    }
    vv_children_count();
    *ret = vv_child_fork();
    if (*ret == 0) {
        become(spec, parent, nothing, ends[1], environment);
    }
    vv_free(environment);
    vv_fd_close(ends[1]);
    if (*ret < 0) {
        vv_fd_close(ends[0]);
        return vv_error_sys(err, errno, "cannot start '%s'", spec->words[0]);
    }
    *ret_output = ends[0];
    return VV_OK;
}

/* What it writes, closed at the end; and its end itself (${process} becomes readable then), for a while. */
static void
take_output(int process, int *output, struct vv_buf *out)
{
    struct pollfd p[] = {{.fd = process, .events = POLLIN}, {.fd = *output, .events = POLLIN}};
    uint8_t some[65536];
    ssize_t n;

    (void)poll(p, VV_COUNT(p), STEP_MS); /* negative descriptors are passed over */
    if (*output < 0 || p[1].revents == 0) {
        return;
    }
    n = read(*output, some, sizeof(some));
    if (n > 0) {
        size_t room = PROCESS_OUTPUT_MOST - out->len;
        vv_buf_put(out, some, (size_t)n < room ? (size_t)n : room);
    } else if (n == 0 || errno != EINTR) {
        vv_fd_close(*output);
        *output = -1;
    }
}

/* It leads its session, and is not reaped: neither number can be anybody else's. */
static void
press(pid_t pid, uint64_t ended_for_ms)
{
    int signal = ended_for_ms >= GRACE_MS ? SIGKILL : SIGTERM;

    (void)kill(-pid, signal);
    (void)kill(pid, signal); /* before it has made its group */
}

/* What it had started, and has outlived it.  A group's number belongs to it as long as it has members. */
static void
end_group(pid_t pid, uint64_t ending)
{
    const struct timespec pause = {.tv_nsec = STEP_MS * 1000000L};

    for (;;) {
        while (waitpid(-pid, NULL, WNOHANG) > 0) { /* they are our children now */
        }
        if (kill(-pid, 0) != 0) {
            return;
        }
        if (now_ms() - ending >= GRACE_MS) {
            (void)kill(-pid, SIGKILL);
        }
        (void)nanosleep(&pause, NULL);
    }
}

/* Until it has ended, and, if somebody has inherited its standard output, not longer. */
static enum vv_rc
wait_for_end(pid_t pid, int *output, const struct process_spec *spec, struct vv_cancel *cancel,
             struct process_result *ret, struct vv_error *err)
{
    /* Without one its end is noticed a little later. */
    VV_CLEANUP(vv_fd_closep) int process = (int)syscall(SYS_pidfd_open, pid, 0);
    uint64_t began = now_ms();
    uint64_t ending = 0; /* since when it is told to end */
    uint64_t pressed = 0;
    enum vv_rc rc = VV_OK;
    pid_t got = 0;
    int status = 0;

    while (got != pid) {
        uint64_t now;
        take_output(process, output, &ret->output);
        now = now_ms();
        if (ending == 0 && vv_cancel_check(cancel, err) != VV_OK) {
            rc = VV_ECANCELLED;
            ending = now;
        } else if (ending == 0 && spec->limit_ms != 0 && now - began >= spec->limit_ms) {
            ret->timed_out = true;
            ending = now;
        }
        if (ending != 0 && (pressed == 0 || now - ending >= GRACE_MS)) {
            press(pid, now - ending);
            pressed = now;
        }
        got = waitpid(pid, &status, WNOHANG);
    }
    while (*output >= 0) { /* what is left in the pipe */
        struct pollfd p = {.fd = *output, .events = POLLIN};
        if (poll(&p, 1, 0) <= 0) {
            break;
        }
        take_output(-1, output, &ret->output);
    }
    if (ending != 0) {
        end_group(pid, ending);
    }
    ret->milliseconds = now_ms() - began;
    ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return rc;
}

enum vv_rc
process_run(const struct process_spec *spec, struct vv_cancel *cancel, struct process_result *ret,
            struct vv_error *err)
{
    int output = -1;
    pid_t pid = 0;
    enum vv_rc rc;

    *ret = (struct process_result){0};
    /* What it leaves behind becomes ours, so that its end can be waited for. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    VV_TRY(start(spec, &output, &pid, err));
    rc = wait_for_end(pid, &output, spec, cancel, ret, err);
    vv_fd_close(output);
    VV_TRY(rc);
    return vv_buf_check(&ret->output, err);
}

void
process_result_release(struct process_result *r)
{
    vv_buf_release(&r->output);
    *r = (struct process_result){0};
}
