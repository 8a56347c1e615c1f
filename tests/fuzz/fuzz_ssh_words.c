/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: what the ssh command prints: its configuration, and what it says when it fails. */
#include "fuzz_support.h"
#include "ssh/ssh_command_internal.h"

/* Is the first word of a list this one, and no other word? */
static bool
starts_once(struct vv_buf *list, const char *word)
{
    const char *at = vv_buf_text(list);
    size_t len = strlen(word);

    if (strncmp(at, word, len) != 0) {
        return false;
    }
    while ((at = strchr(at, ',')) != NULL) {
        at++;
        if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0')) {
            return false;
        }
    }
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ssh_command_said s;
    struct ssh_config c = {0};
    struct vv_buf ciphers = {0};
    char reason[SSH_REASON_SIZE];

    if (ssh_config_parse(vv_span(data, size), &c, NULL) == VV_OK) {
        fuzz_require(c.identities.count <= SSH_CONFIG_FILES && c.port <= 65535);
        if (ssh_config_needs_command(&c, reason)) {
            fuzz_require(strlen(reason) > 0);
        }
        if (ssh_config_ciphers(&c, &ciphers)) {
            /* Ours comes first and once, however often it was named. */
            fuzz_require(c.ciphers == NULL || starts_once(&ciphers, "aes128-gcm@openssh.com"));
        }
        vv_buf_release(&ciphers);
        ssh_config_release(&c);
    }
    ssh_command_said_parse(vv_span(data, size), &s);
    fuzz_require((s.key.len > 0) == (s.fingerprint[0] != '\0') || s.key.len == 0);
    (void)ssh_command_trouble(vv_buf_text(&s.text));
    ssh_command_said_release(&s);
    return 0;
}
