/* SPDX-License-Identifier: BSD-2-Clause */
/* Logging in with a password, asked for by the method "password" or "keyboard-interactive". */
#include <string.h>

#include "core/alloc.h"
#include "crypto/secret.h"
#include "ssh/ssh_session_internal.h"

enum { PASSWORD_TRIES = 3 };

/* Every question whose answer must not be shown is answered with the password. */
static LIBSSH2_USERAUTH_KBDINT_RESPONSE_FUNC(answer)
{
    const struct vv_buf *password = *abstract;

    (void)name;
    (void)name_len;
    (void)instruction;
    (void)instruction_len;
    for (int i = 0; i < num_prompts; i++) {
        responses[i].text = NULL;
        responses[i].length = 0;
        if (prompts[i].echo == 0) {
            responses[i].text = vv_memdup(password->data, password->len); /* libssh2 frees it */
            responses[i].length = responses[i].text == NULL ? 0 : (unsigned)password->len;
        }
    }
}

static enum vv_rc
try_password(struct ssh_attempts *a, bool interactive, struct vv_buf *password,
             struct vv_error *err)
{
    LIBSSH2_SESSION *session = a->s->session;
    const char *user = a->s->plan->user;
    const char *text = vv_buf_text(password);
    bool again;

    VV_TRY(vv_buf_check(password, err));
    a->count++;
    ssh_session_step(a->s);
    *libssh2_session_abstract(session) = password;
    do {
        int rc = interactive ? libssh2_userauth_keyboard_interactive_ex(
                                   session, user, (unsigned)strlen(user), answer)
                             : libssh2_userauth_password_ex(session, user, (unsigned)strlen(user),
                                                            text, (unsigned)strlen(text), NULL);
        VV_TRY(ssh_attempt_result(a, rc, &again, err));
    } while (again);
    return VV_OK;
}

enum vv_rc
ssh_attempt_password(struct ssh_attempts *a, const char *methods, struct vv_error *err)
{
    const struct ssh_plan *p = a->s->plan;
    /* A list of words none of which contains another of these. */
    bool plain = strstr(methods, "password") != NULL;
    bool interactive = strstr(methods, "keyboard-interactive") != NULL;
    enum vv_rc rc = VV_OK;

    if (p->options->secret == NULL || (!plain && !interactive)) {
        return VV_OK;
    }
    for (unsigned attempt = 0; attempt < PASSWORD_TRIES && !a->in && rc == VV_OK; attempt++) {
        struct vv_buf password = {0};
        struct vv_error none = {0};
        rc = p->options->secret(p->options->secret_ctx, SSH_PASSWORD, p->login, attempt, &password,
                                &none);
        if (rc == VV_OK) {
            rc = try_password(a, !plain, &password, err);
            if (attempt == 0) {
                ssh_attempt_note(a, "a password");
            }
        } else if (rc != VV_ENOTFOUND && err != NULL) {
            *err = none;
        }
        if (password.len > 0) {
            crypto_wipe(password.data, password.len);
        }
        vv_buf_release(&password);
    }
    return rc == VV_ENOTFOUND ? VV_OK : rc;
}
