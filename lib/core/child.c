/* SPDX-License-Identifier: BSD-2-Clause */
/* Between fork and exec. */
#include "core/child.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/macros.h"

pid_t
vv_child_fork(void)
{
    sigset_t all;
    sigset_t before;
    pid_t pid;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before); /* Linux: of this thread */
    pid = fork();
    if (pid != 0) {
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
    }
    return pid;
}

bool
vv_child_detach(int in, int out, int error)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ, SIGCHLD};
    sigset_t none;

    for (size_t i = 0; i < VV_COUNT(ours); i++) {
        (void)signal(ours[i], SIG_DFL);
    }
    (void)setsid();
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(error, STDERR_FILENO) < 0 || close_range(3, ~0u, 0) != 0) {
        return false;
    }
    (void)sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

bool
vv_child_end_with(pid_t parent, int signal)
{
    return prctl(PR_SET_PDEATHSIG, signal) == 0 && getppid() == parent;
}

void
vv_children_count(void)
{
    struct sigaction now;

    if (sigaction(SIGCHLD, NULL, &now) == 0 &&
        (now.sa_handler == SIG_IGN || (now.sa_flags & SA_NOCLDWAIT) != 0)) {
        now.sa_handler = SIG_DFL;
        now.sa_flags = 0;
        (void)sigaction(SIGCHLD, &now, NULL);
    }
}
