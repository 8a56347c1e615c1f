/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether libssh2 can serve, or the ssh command must. */
#include <stdio.h>
#include <string.h>

#include "ssh/ssh_config.h"

bool
ssh_config_needs_command(const struct ssh_config *c, char reason[SSH_REASON_SIZE])
{
    const struct {
        const char *value;
        const char *name;
    } settings[] = {
        {c->proxy_jump, "ProxyJump"},
        {c->proxy_command, "ProxyCommand"},
        {c->control_path, "ControlPath"},
        {c->certificates.count > 0 ? c->certificates.items[0] : NULL, "CertificateFile"},
        {c->known_hosts_command, "KnownHostsCommand"},
        {c->revoked_host_keys, "RevokedHostKeys"},
        {c->pkcs11_provider, "PKCS11Provider"},
        {c->bind_address, "BindAddress"},
        {c->bind_interface, "BindInterface"},
        {c->verify_host_key_dns ? "yes" : NULL, "VerifyHostKeyDNS"},
    };

    for (size_t i = 0; i < VV_COUNT(settings); i++) {
        if (settings[i].value != NULL) {
            (void)snprintf(reason, SSH_REASON_SIZE, "the ssh configuration sets %s '%s'",
                           settings[i].name, settings[i].value);
            return true;
        }
    }
    return false;
}

bool
ssh_host_keys_need_command(ssh_key_types types, bool authority, char reason[SSH_REASON_SIZE])
{
    if ((types & SSH_KEY_TYPES_LIBSSH2) != 0) {
        return false;
    }
    if (authority) {
        (void)snprintf(
            reason, SSH_REASON_SIZE,
            "known_hosts trusts a certificate authority (@cert-authority) for this host");
        return true;
    }
    if (types == 0) {
        return false;
    }
    const char *label = (types & 1u << SSH_KEY_RSA) != 0   ? "an RSA"
                        : (types & 1u << SSH_KEY_DSA) != 0 ? "a DSA"
                                                           : "an unusual";
    (void)snprintf(
        reason, SSH_REASON_SIZE,
        "known_hosts has only %s key of this host, and libssh2 knows RSA with SHA-1 only", label);
    return true;
}

bool
ssh_key_needs_command(enum ssh_key_type type, const char *path, char reason[SSH_REASON_SIZE])
{
    switch (type) {
    case SSH_KEY_RSA:
    case SSH_KEY_DSA:
        (void)snprintf(reason, SSH_REASON_SIZE,
                       "'%s' is of type %s, which libssh2 can use with SHA-1 only", path,
                       ssh_key_type_label(type));
        return true;
    case SSH_KEY_SK_ED25519:
    case SSH_KEY_SK_ECDSA:
        (void)snprintf(reason, SSH_REASON_SIZE,
                       "'%s' is on a security key (%s), which libssh2 cannot use", path,
                       ssh_key_type_label(type));
        return true;
    case SSH_KEY_CERTIFICATE:
        (void)snprintf(reason, SSH_REASON_SIZE,
                       "there is a certificate for '%s', which libssh2 cannot use", path);
        return true;
    case SSH_KEY_UNKNOWN:
    case SSH_KEY_ED25519:
    case SSH_KEY_ECDSA_256:
    case SSH_KEY_ECDSA_384:
    case SSH_KEY_ECDSA_521:
    case SSH_KEY_TYPES:
        break;
    }
    return false;
}

/* ---- ciphers ---- */

static bool
lists(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (; *list != '\0'; list += strcspn(list, ","), list += *list == ',') {
        if (strncmp(list, word, len) == 0 && (list[len] == ',' || list[len] == '\0')) {
            return true;
        }
    }
    return false;
}

bool
ssh_config_ciphers(const struct ssh_config *c, struct vv_buf *out)
{
    static const char fast[] = "aes128-gcm@openssh.com";
    static const char *const usual[] = {
        "chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr",
        "aes256-gcm@openssh.com",        fast};

    if (c->ciphers == NULL) {
        vv_buf_printf(out, "^%s", fast); /* in front of the program's own list */
        return !c->known;
    }
    for (size_t i = 0; i < VV_COUNT(usual); i++) {
        if (!lists(c->ciphers, usual[i])) {
            return false; /* somebody has chosen */
        }
    }
    if (strncmp(c->ciphers, usual[0], strlen(usual[0])) != 0) {
        return false;
    }
    vv_buf_put_text(out, fast);
    for (const char *at = c->ciphers; *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len != sizeof(fast) - 1 || strncmp(at, fast, len) != 0) {
            vv_buf_put_text(out, ",");
            vv_buf_put(out, at, len);
        }
        at += len + (at[len] == ',');
    }
    return true;
}
