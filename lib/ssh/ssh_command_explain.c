/* SPDX-License-Identifier: BSD-2-Clause */
/* What the ssh command says when it fails, as errors of our own. */
#include <stdio.h>
#include <string.h>

#include "ssh/ssh_command_internal.h"
#include "ssh/ssh_socket_internal.h"

/* ---- taking it apart ---- */

static void
take_told(char *line, struct ssh_command_said *s)
{
    char *rest = NULL;
    const char *type = strtok_r(line + strlen(SSH_COMMAND_TELLS), " ", &rest);
    const char *fingerprint = type == NULL ? NULL : strtok_r(NULL, " ", &rest);
    const char *key = fingerprint == NULL ? NULL : strtok_r(NULL, " ", &rest);

    vv_buf_reset(&s->key);
    if (key == NULL || !ssh_base64_decode(&s->key, vv_span(key, strlen(key))) || s->key.failed ||
        s->key.len == 0) {
        vv_buf_reset(&s->key);
        return;
    }
    (void)snprintf(s->type, sizeof(s->type), "%s",
                   ssh_key_type_label(ssh_key_type_of(vv_buf_span(&s->key))));
    ssh_key_fingerprint(vv_buf_span(&s->key), s->fingerprint);
}

/* Lines that only decorate. */
static bool
is_ornament(const char *line)
{
    return *line == '\0' || *line == '@' || strncmp(line, "Pseudo-terminal", 15) == 0 ||
           strncmp(line, "Warning: Permanently added", 26) == 0;
}

void
ssh_command_said_parse(struct vv_span raw, struct ssh_command_said *ret)
{
    struct vv_buf copy = {0};

    *ret = (struct ssh_command_said){0};
    vv_buf_put(&copy, raw.data, raw.len);
    vv_buf_put_u8(&copy, '\0');
    for (char *line = copy.failed ? NULL : (char *)copy.data; line != NULL && *line != '\0';) {
        char *end = line + strcspn(line, "\r\n");
        char *next = end + strspn(end, "\r\n");
        *end = '\0';
        if (strncmp(line, SSH_COMMAND_TELLS, strlen(SSH_COMMAND_TELLS)) == 0) {
            take_told(line, ret);
        } else if (!is_ornament(line)) {
            vv_buf_printf(&ret->text, "%s%s", ret->text.len > 0 ? "; " : "", line);
        }
        line = next;
    }
    vv_buf_release(&copy);
}

void
ssh_command_said_release(struct ssh_command_said *s)
{
    vv_buf_release(&s->text);
    vv_buf_release(&s->key);
}

/* ---- understanding it ---- */

enum ssh_command_trouble
ssh_command_trouble(const char *text)
{
    static const struct {
        const char *words;
        enum ssh_command_trouble trouble;
    } known[] = {
        /* The order matters: several may stand in one text. */
        {"REVOKED HOST KEY", SSH_TROUBLE_HOST_REVOKED},
        {"host key has been marked as revoked", SSH_TROUBLE_HOST_REVOKED},
        {"marked as revoked", SSH_TROUBLE_HOST_REVOKED},
        {"is revoked", SSH_TROUBLE_HOST_REVOKED},
        {"REMOTE HOST IDENTIFICATION HAS CHANGED", SSH_TROUBLE_HOST_CHANGED},
        {"Offending ", SSH_TROUBLE_HOST_CHANGED},
        {"host key is known for", SSH_TROUBLE_HOST_UNKNOWN},
        {"can't be established", SSH_TROUBLE_HOST_UNKNOWN},
        {"Host key verification failed", SSH_TROUBLE_HOST_KEY},
        {"Permission denied (", SSH_TROUBLE_DENIED},
        {"Too many authentication failures", SSH_TROUBLE_DENIED},
        {"Connection refused", SSH_TROUBLE_REFUSED},
        {"timed out", SSH_TROUBLE_TIMEOUT},
        {"Could not resolve hostname", SSH_TROUBLE_NAME},
        {"Unable to negotiate", SSH_TROUBLE_METHODS},
        {"no matching ", SSH_TROUBLE_METHODS},
        {"subsystem request failed", SSH_TROUBLE_SUBSYSTEM},
        {"command-line:", SSH_TROUBLE_USAGE},
        {"Bad configuration option", SSH_TROUBLE_USAGE},
        {"bad configuration options", SSH_TROUBLE_USAGE},
        {"Bad owner or permissions", SSH_TROUBLE_USAGE},
        {"usage: ", SSH_TROUBLE_USAGE},
    };

    for (size_t i = 0; i < VV_COUNT(known); i++) {
        if (strstr(text, known[i].words) != NULL) {
            return known[i].trouble;
        }
    }
    return SSH_TROUBLE_LOST;
}

/* ---- saying it ---- */

/* ssh does not say which lines and keys: known_hosts and what was told do. */
static enum vv_rc
explain_host_key(const struct ssh_plan *p, enum ssh_command_trouble trouble,
                 struct ssh_command_said *s, struct vv_buf *ret_key, struct vv_error *err)
{
    struct known_hosts_findings f = {0};
    const char *type = s->key.len > 0 ? s->type : NULL;
    const char *shown = s->key.len > 0 ? s->fingerprint : NULL;

    if (p->options->fingerprint != NULL) {
        vv_buf_put(ret_key, s->key.data, s->key.len);
        return ssh_say_wrong_fingerprint(p, type, shown, err);
    }
    if (s->key.len > 0) {
        VV_TRY(ssh_plan_search(p, vv_buf_span(&s->key), &f, err));
        if (f.verdict == KNOWN_HOSTS_REVOKED) {
            return ssh_say_revoked_host(p, type, shown, &f, err);
        }
        if (f.verdict == KNOWN_HOSTS_MISMATCH && trouble != SSH_TROUBLE_HOST_UNKNOWN) {
            return ssh_say_changed_host(p, type, shown, &f, err);
        }
    }
    if (trouble == SSH_TROUBLE_HOST_UNKNOWN || trouble == SSH_TROUBLE_HOST_KEY) {
        if (trouble == SSH_TROUBLE_HOST_UNKNOWN && f.verdict == KNOWN_HOSTS_UNKNOWN) {
            vv_buf_put(ret_key, s->key.data, s->key.len);
        }
        return ssh_say_unknown_host(p, type, shown, err);
    }
    (void)vv_error_set(err, VV_EAUTH, "the host key of '%s' is %s: %.700s", p->name,
                       trouble == SSH_TROUBLE_HOST_REVOKED ? "revoked" : "not the known one",
                       vv_buf_text(&s->text));
    vv_error_hint(err, "if the server was set up anew: ssh-keygen -R '%s'", p->host_name);
    return VV_EAUTH;
}

static enum vv_rc
explain_denied(const struct ssh_plan *p, const char *text, struct vv_error *err)
{
    const char *locked = NULL;
    const char *open = NULL;

    for (size_t i = 0; i < p->identities_count; i++) {
        struct ssh_key_file f = {0};
        enum vv_rc rc = ssh_identity_read(p->identities[i], &f, NULL);
        if (rc == VV_OK && f.encrypted && locked == NULL) {
            locked = p->identities[i];
        }
        if (rc == VV_EAUTH && open == NULL) {
            open = p->identities[i];
        }
        ssh_key_file_release(&f);
    }
    (void)vv_error_set(err, VV_EAUTH, "'%s' refuses to let us in, by the ssh command: %.700s",
                       p->login, text);
    if (open != NULL) {
        vv_error_hint(err, "the key '%s' is not used, since others may read it: chmod 600 '%s'",
                      open, open);
    } else if (locked != NULL) {
        vv_error_hint(
            err,
            "the key '%s' is encrypted: the ssh command needs it in an agent, it cannot be "
            "given a passphrase here: eval $(ssh-agent) && ssh-add '%s'",
            locked, locked);
    } else {
        vv_error_hint(err,
                      "is the key in ~%s/.ssh/authorized_keys there, and the user right? try: "
                      "ssh -v -p %u %s@%s",
                      p->user, p->port, p->user, p->host);
    }
    return VV_EAUTH;
}

static enum vv_rc
explain_other(const struct ssh_plan *p, enum ssh_command_trouble trouble, const char *text,
              struct vv_error *err)
{
    switch (trouble) {
    case SSH_TROUBLE_REFUSED:
        (void)vv_error_set(err, VV_ETRANSIENT, "cannot connect to '%s': Connection refused",
                           p->name);
        vv_error_hint(err, "is sshd running there, and is the port right? on the server: "
                           "systemctl status ssh; ss -ltn");
        return VV_ETRANSIENT;
    case SSH_TROUBLE_TIMEOUT:
        return ssh_say_timeout(p, "has not answered", err);
    case SSH_TROUBLE_NAME:
        (void)vv_error_set(err, VV_ETRANSIENT, "cannot find the address of '%s': %.600s", p->host,
                           text);
        vv_error_hint(err,
                      "is the name right, and does this host resolve names? try: getent hosts %s",
                      p->host);
        return VV_ETRANSIENT;
    case SSH_TROUBLE_METHODS:
        (void)vv_error_set(err, VV_EUNSUPPORTED, "cannot talk to '%s': %.800s", p->name, text);
        vv_error_hint(
            err, "one of the two is old, or set up to be strict; see ssh -Q help, and Ciphers, "
                 "MACs, KexAlgorithms, HostKeyAlgorithms in ssh_config(5)");
        return VV_EUNSUPPORTED;
    case SSH_TROUBLE_SUBSYSTEM:
        (void)vv_error_set(err, VV_EUNSUPPORTED, "'%s' has no SFTP server for '%s'", p->name,
                           p->user);
        vv_error_hint(err, "the server's sshd_config needs a line: Subsystem sftp internal-sftp");
        return VV_EUNSUPPORTED;
    case SSH_TROUBLE_USAGE:
        (void)vv_error_set(err, VV_EUSAGE, "'%s' does not run: %.800s", p->words[0], text);
        vv_error_hint(err, "mend ~/.ssh/config or /etc/ssh/ssh_config; try: ssh -G %s", p->host);
        return VV_EUSAGE;
    case SSH_TROUBLE_LOST:
    case SSH_TROUBLE_HOST_UNKNOWN:
    case SSH_TROUBLE_HOST_CHANGED:
    case SSH_TROUBLE_HOST_REVOKED:
    case SSH_TROUBLE_HOST_KEY:
    case SSH_TROUBLE_DENIED:
        break;
    }
    return vv_error_set(err, VV_ETRANSIENT, "'%s' closed the connection%s%.800s", p->name,
                        *text == '\0' ? "" : ": ", text);
}

enum vv_rc
ssh_command_explain(const struct ssh_plan *p, struct vv_span raw, struct vv_buf *ret_key,
                    struct vv_error *err)
{
    struct ssh_command_said s;
    struct vv_buf all = {0};
    enum vv_rc rc;

    vv_buf_reset(ret_key);
    vv_buf_put(&all, raw.data, raw.len);
    ssh_command_said_parse(raw, &s);
    enum ssh_command_trouble trouble = ssh_command_trouble(vv_buf_text(&all)); /* ornaments, too */
    switch (trouble) {
    case SSH_TROUBLE_HOST_UNKNOWN:
    case SSH_TROUBLE_HOST_CHANGED:
    case SSH_TROUBLE_HOST_REVOKED:
    case SSH_TROUBLE_HOST_KEY:
        rc = explain_host_key(p, trouble, &s, ret_key, err);
        break;
    case SSH_TROUBLE_DENIED:
        rc = explain_denied(p, vv_buf_text(&s.text), err);
        break;
    case SSH_TROUBLE_LOST:
    case SSH_TROUBLE_REFUSED:
    case SSH_TROUBLE_TIMEOUT:
    case SSH_TROUBLE_NAME:
    case SSH_TROUBLE_METHODS:
    case SSH_TROUBLE_SUBSYSTEM:
    case SSH_TROUBLE_USAGE:
    default:
        rc = explain_other(p, trouble, vv_buf_text(&s.text), err);
        break;
    }
    vv_buf_release(&all);
    ssh_command_said_release(&s);
    return rc;
}
