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
#include "service/relay_internal.h"

#define STEP_MS 50
#define GRACE_MS 10000u

extern char **environ;

static uint64_t
now_ms(void)
{
    const struct vv_clock *clock = vv_clock_system();

    return clock->monotonic(clock) / 1000000;
}

/* What a program gets as descriptors 0, 1 and 2. */
struct ends {
    int input;
    int output; /* -1: as error */
    int error;  /* -1: ours */
};

/* In the child; only what may be called there. */
static void
become(const struct process_spec *spec, pid_t parent, const struct ends *e, char **environment)
{
    static const char text[] = ": cannot be run\n";

    int error = e->error >= 0 ? e->error : STDERR_FILENO;

    if (!vv_child_detach(e->input, e->output >= 0 ? e->output : error, error) ||
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

static bool
is_hidden(const char *ours, const char *const *more, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strncmp(ours, more[i], strcspn(more[i], "=") + 1) == 0) {
            return true;
        }
    }
    return false;
}

/* Ours, and behind it what is wanted besides: of equal names the last counts for getenv of glibc only if
 * the first is left out. */
static enum vv_rc
make_environment(const char *const *more, size_t count, char ***ret, struct vv_error *err)
{
    size_t ours = 0;
    size_t at = 0;
    char **items;

    while (environ[ours] != NULL) {
        ours++;
    }
    items = vv_alloc_array(ours + count + 1, sizeof(*items));
    if (items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < ours; i++) {
        if (!is_hidden(environ[i], more, count)) {
            items[at++] = environ[i];
        }
    }
    for (size_t i = 0; i < count; i++) {
        items[at++] = (char *)(uintptr_t)more[i];
    }
    *ret = items;
    return VV_OK;
}

/* A file without a name: the program may take its time to read it, or not read it at all. */
static enum vv_rc
open_input(struct vv_span input, int *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int fd = -1;

    if (input.len == 0) {
        *ret = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return *ret >= 0 ? VV_OK : vv_error_sys(err, errno, "cannot open '/dev/null'");
    }
    VV_TRY(vv_memory_file(&fd, err));
    VV_TRY(vv_fd_pwrite_full(fd, input.data, input.len, 0, "standard input", err));
    *ret = fd;
    fd = -1;
    return VV_OK;
}

static enum vv_rc
start_with(const struct process_spec *spec, const struct ends *e, const struct relay *relay,
           pid_t *ret, struct vv_error *err)
{
    char texts[RELAY_ENVIRONMENT][96];
    const char *more[PROCESS_ENVIRONMENT_MOST + RELAY_ENVIRONMENT];
    size_t told = relay_environment(relay, spec->silent ? -1 : e->error, texts);
    char **environment = NULL;
    pid_t parent = getpid();
    size_t count = 0;

    while (spec->environment != NULL && spec->environment[count] != NULL) {
        if (count == PROCESS_ENVIRONMENT_MOST) {
            return vv_error_set(err, VV_ELIMIT, "too many variables for '%s'", spec->words[0]);
        }
        more[count] = spec->environment[count];
        count++;
    }
    for (size_t i = 0; i < told; i++) {
        more[count++] = texts[i];
    }
    VV_TRY(make_environment(more, count, &environment, err));
    vv_children_count();
    *ret = vv_child_fork();
    if (*ret == 0) {
        become(spec, parent, e, environment);
    }
    vv_free(environment);
    return *ret > 0 ? VV_OK : vv_error_sys(err, errno, "cannot start '%s'", spec->words[0]);
}

static enum vv_rc
start(const struct process_spec *spec, int *ret_output, struct relay *relay, pid_t *ret,
      struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int input = -1;
    VV_CLEANUP(vv_fd_closep) int error = -1;
    VV_CLEANUP(vv_fd_closep) int ours = -1;
    VV_CLEANUP(vv_fd_closep) int theirs = -1;
    int pair[2];

    VV_TRY(open_input(spec->input, &input, err));
    VV_TRY(relay_open(relay, spec->silent ? NULL : spec->tail, &error, err));
    if (spec->silent) {
        error = open("/dev/null", O_WRONLY | O_CLOEXEC);
    }
    if (spec->silent && error < 0) {
        return vv_error_sys(err, errno, "cannot open '/dev/null'");
    }
    if (spec->capture) {
        if (pipe2(pair, O_CLOEXEC) != 0) {
            return vv_error_sys(err, errno, "cannot start '%s'", spec->words[0]);
        }
        ours = pair[0];
        theirs = pair[1];
    }
    VV_TRY(start_with(spec, &(struct ends){input, theirs, error}, relay, ret, err));
    *ret_output = ours;
    ours = -1;
    return VV_OK;
}

/* What it has written; closed at the end. */
static void
take_captured(int *output, struct vv_buf *out)
{
    uint8_t some[65536];
    ssize_t n = read(*output, some, sizeof(some));

    if (n > 0) {
        size_t room = PROCESS_OUTPUT_MOST - out->len;
        vv_buf_put(out, some, (size_t)n < room ? (size_t)n : room);
    } else if (n == 0 || errno != EINTR) {
        vv_fd_close(*output);
        *output = -1;
    }
}

/* What it writes; and its end itself (${process} becomes readable then), for a while. */
static void
take_output(int process, int *output, struct relay *relay, struct vv_buf *out)
{
    struct pollfd p[] = {
        {.fd = process, .events = POLLIN}, {.fd = *output, .events = POLLIN}, relay_wants(relay)};

    if (poll(p, VV_COUNT(p), STEP_MS) <= 0) { /* negative descriptors are passed over */
        return;
    }
    relay_go_on(relay, &p[2]);
    if (*output >= 0 && p[1].revents != 0) {
        take_captured(output, out);
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
wait_for_end(pid_t pid, int *output, struct relay *relay, const struct process_spec *spec,
             struct vv_cancel *cancel, struct process_result *ret, struct vv_error *err)
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
        take_output(process, output, relay, &ret->output);
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
        take_captured(output, &ret->output);
    }
    if (ending != 0) {
        end_group(pid, ending);
    }
    ret->milliseconds = now_ms() - began;
    ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return rc;
}

enum vv_rc
process_run(const struct process_spec *spec, struct vv_cancel *cancel, struct process_result *ret,
            struct vv_error *err)
{
    struct relay relay = {.from = -1};
    int output = -1;
    pid_t pid = 0;
    enum vv_rc rc;

    *ret = (struct process_result){0};
    /* What it leaves behind becomes ours, so that its end can be waited for. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    rc = start(spec, &output, &relay, &pid, err);
    rc = rc == VV_OK ? wait_for_end(pid, &output, &relay, spec, cancel, ret, err) : rc;
    /* Who was ended for its time must not cost more of it. */
    relay_finish(&relay, rc == VV_OK && !ret->timed_out ? RELAY_PATIENT : RELAY_HURRIED, cancel);
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
