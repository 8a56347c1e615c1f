/* SPDX-License-Identifier: BSD-2-Clause */
/* Private key files as they lie on this host. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "crypto/secret.h"
#include "ssh/ssh_plan_internal.h"

enum { KEY_FILE_MAX = 256 << 10 };

/* "ssh-ed25519 AAAA... comment" beside the private key. */
static void
look_beside(const char *path, struct ssh_key_file *f)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    struct vv_buf key = {0};

    vv_buf_printf(&name, "%s.pub", path);
    if (name.failed ||
        vv_file_read(AT_FDCWD, vv_buf_text(&name), KEY_FILE_MAX, &text, NULL) != VV_OK) {
        return;
    }
    const char *begin = strchr(vv_buf_text(&text), ' ');
    if (begin != NULL && ssh_base64_decode(&key, vv_span(begin + 1, strcspn(begin + 1, " \r\n")))) {
        f->type = ssh_key_type_of(vv_buf_span(&key));
        vv_buf_release(&f->public_key);
        f->public_key = key;
        return;
    }
    vv_buf_release(&key);
}

enum vv_rc
ssh_identity_read(const char *path, struct ssh_key_file *ret, struct vv_error *err)
{
    struct vv_buf text = {0};
    struct stat st;

    if (stat(path, &st) != 0) {
        return vv_error_sys(err, errno, "cannot read the key '%s'", path);
    }
    if ((st.st_mode & 077) != 0 && st.st_uid == geteuid()) { /* as ssh has it */
        (void)vv_error_set(err, VV_EAUTH,
                           "the key '%s' is not used: others may read it (mode %04o)", path,
                           st.st_mode & 07777);
        vv_error_hint(err, "chmod 600 '%s'", path);
        return VV_EAUTH;
    }
    VV_TRY(vv_file_read(AT_FDCWD, path, KEY_FILE_MAX, &text, err));
    enum vv_rc rc = ssh_key_file_parse(vv_buf_span(&text), ret, err);
    if (text.len > 0) {
        crypto_wipe(text.data, text.len);
    }
    vv_buf_release(&text);
    if (rc != VV_OK) {
        return vv_error_prefix(err, "the key '%s'", path);
    }
    if (ret->public_key.len == 0) {
        look_beside(path, ret);
    }
    return VV_OK;
}
