/* SPDX-License-Identifier: BSD-2-Clause */
/* varve key export --kit FILE: one page on paper that brings everything back. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "crypto/hash.h"
#include "crypto/passphrase.h"
#include "crypto/secret.h"
#include "key_commands.h"
#include "render.h"
#include "report/qr.h"

#define KIT_ROOM 32768 /* so that growing leaves no copy of the words behind */
#define KIT_HEADS 12

struct export_options {
    const char *kit;
};
static const struct option_spec specs[] = {
    {"kit", '\0', OPTION_TEXT, offsetof(struct export_options, kit), "FILE",
     "write the page to this new file (0400)", NULL},
    OPTION_END,
};

/** The administrator's key as people compare it. */
static void
put_fingerprint(const struct repo *r, struct vv_buf *out)
{
    uint8_t hash[32];

    sha256(keyring_admin_public(repo_keyring(r)), 32, hash);
    for (unsigned i = 0; i < 16; i += 2) {
        vv_buf_printf(out, "%s%02x%02x", i > 0 ? " " : "", hash[i], hash[i + 1]);
    }
}

static void
put_slots(struct app *app, struct vv_buf *out)
{
    struct slot_list list = {0};

    if (key_slots_list(app->storage, &list, NULL) != VV_OK) {
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        char when[VV_TIME_TEXT];
        vv_time_format(list.slots[i].created, when);
        vv_buf_printf(out, "    %s  %-14s  %s  ", list.slots[i].id,
                      render_slot_kind(list.slots[i].type), when);
        message_escape(out, list.slots[i].label);
        vv_buf_put_text(out, "\n");
    }
    slot_list_release(&list);
}

/** The newest snapshot of each client: what --expect-head takes. */
static void
put_heads(const struct snapshot_list *l, struct vv_buf *out)
{
    unsigned shown = 0;

    for (size_t i = l->count; i > 0 && shown < KIT_HEADS; i--) {
        const struct snapshot *s = &l->snapshots[i - 1];
        char head[HEAD_TEXT];
        char when[VV_TIME_TEXT];
        bool newer = false;
        for (size_t k = i; k < l->count && !newer; k++) {
            newer = vv_uuid_equal(&l->snapshots[k].client, &s->client);
        }
        if (newer) {
            continue;
        }
        head_text(&s->client, s->sequence, &s->hash, head);
        vv_time_format(s->time, when);
        vv_buf_printf(out, "    %s  %s  ", head, when);
        message_escape(out, s->body.host);
        vv_buf_put_text(out, "\n");
        shown++;
    }
}

/** The words as a QR code too, where varve was built with it: to be photographed back in. */
static void
put_qr(const struct secret_value *words, struct vv_buf *out)
{
    char text[RECOVERY_TEXT_MAX];
    size_t before = out->len;

    recovery_words_encode(secret_data(words->bytes), text);
    vv_buf_put_text(out, "\nThe same as a QR code\n\n");
    if (qr_text(text, "    ", out, NULL) != VV_OK) {
        out->len = before;
    }
    crypto_wipe(text, sizeof(text));
}

static void
put_page(struct app *app, const struct secret_value *words, const struct snapshot_list *l,
         struct vv_buf *out)
{
    const struct vv_clock *clock = repo_clock(app->repo);
    char id[VV_UUID_TEXT];
    char when[VV_TIME_TEXT];

    vv_uuid_text(repo_id(app->repo), id);
    vv_time_format(clock->realtime(clock), when);
    vv_buf_printf(out, "VARVE RECOVERY KIT                          %s\n\n", when);
    vv_buf_put_text(out, "Whoever has this page can read and change every backup described here.\n"
                         "Keep it on paper, away from the machines and from the repository.\n\n");
    vv_buf_printf(out, "Repository    %s\nAddress       ", id);
    message_escape(out, app->storage->url);
    vv_buf_put_text(out, "\n              on host ");
    message_escape(out, app_host());
    vv_buf_put_text(out, "\nOther copies  ________________________________________________\n"
                         "Key           ");
    put_fingerprint(app->repo, out);
    vv_buf_put_text(out, "  (SHA-256 of the administrator's public key)\n\nRecovery words\n\n");
    secret_words_text(words, "    ", out);
    put_qr(words, out);
    vv_buf_put_text(out, "\nKey slots when this was made\n\n");
    put_slots(app, out);
    vv_buf_put_text(out, "\nNewest snapshots when this was made (for --expect-head)\n\n");
    put_heads(l, out);
    vv_buf_put_text(out, "\nTo bring everything back, on any Linux machine\n\n"
                         "  1. Install varve, and attach the disk with the repository.\n"
                         "  2. See what there is; type the words above when asked:\n\n"
                         "       varve -r ");
    message_escape(out, app->storage->url);
    vv_buf_put_text(out, " snapshots\n\n"
                         "  3. Restore to an empty disk mounted at /mnt (HOST is in the list):\n\n"
                         "       varve -r ");
    message_escape(out, app->storage->url);
    vv_buf_put_text(out,
                    " restore latest@HOST --target /mnt\n\n"
                    "     Exit code 0 and \"all as in the snapshot\" mean that every byte was\n"
                    "     read back from the disk and compared.\n"
                    "  4. Make a new key: varve -r ... key add --new-key-file FILE\n");
}

/** The words: those that opened the repository, or new ones. */
static enum vv_rc
get_words(struct app *app, struct secret_value *ret, bool *ret_new)
{
    const struct secret_ways ways = app_secret_ways(app);

    *ret_new = repo_slot(app->repo)->type != KEY_SLOT_RECOVERY || ways.recovery_file == NULL;
    if (*ret_new) {
        return secret_new_random(KEY_SLOT_RECOVERY, ret, &app->err);
    }
    return secret_get(&ways, "the repository", &app->messages, ret, &app->err);
}

static enum vv_rc
write_page(struct app *app, const char *path, const struct secret_value *words,
           const struct snapshot_list *l)
{
    struct vv_buf page = {0};
    enum vv_rc rc = vv_buf_reserve(&page, KIT_ROOM, &app->err);

    if (rc == VV_OK) {
        put_page(app, words, l, &page);
        rc = vv_buf_check(&page, &app->err);
    }
    if (rc == VV_OK) {
        rc = vv_file_create(AT_FDCWD, path, vv_buf_span(&page), 0400, &app->err);
        if (rc == VV_EEXISTS) {
            vv_error_hint(&app->err, "name another file; an existing one is never overwritten");
        }
    }
    secret_buf_wipe(&page);
    return rc;
}

static enum vv_rc
export_kit(struct app *app, const struct export_options *o)
{
    struct secret_value words = {0};
    struct snapshot_list l = {0};
    struct slot_info slot;
    struct json *j;
    bool fresh = false;
    enum vv_rc rc;

    if (o->kit == NULL) {
        return app_usage(app, "give --kit FILE");
    }
    VV_TRY(app_open(app, APP_ADMIN));
    VV_TRY(app_snapshots(app, &l));
    slot = *repo_slot(app->repo);
    rc = get_words(app, &words, &fresh);
    if (rc == VV_OK) {
        rc = write_page(app, o->kit, &words, &l);
    }
    if (rc == VV_OK && fresh) {
        rc = key_make_slot(app, &words, "recovery kit", NULL, &slot);
        if (rc != VV_OK) {
            (void)unlink(o->kit);
        }
    }
    if (rc == VV_OK) {
        j = app_json(app);
        if (j != NULL) {
            json_put_text(j, "kit", o->kit);
            json_put_text(j, "slot", slot.id);
        } else if (!app->global.quiet) {
            printf("wrote the recovery kit to '");
            message_print(o->kit, stdout);
            printf("': print it, then remove the file\n");
            if (fresh) {
                printf("its recovery words are new: key slot %s; earlier ones still count\n",
                       slot.id);
            }
        }
    }
    snapshot_list_release(&l);
    secret_value_release(&words);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct export_options o = {0};
    struct arguments args = {0};

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    return app_finish(app, export_kit(app, &o), EXIT_DONE);
}

const struct command key_export = {
    .name = "export",
    .arguments = "--kit FILE",
    .summary = "write a page for paper: recovery words, addresses, and what to type",
    .details =
        "The words are those of --recovery-file if that opens the repository, else new ones,\n"
        "which become a key slot of their own.",
    .specs = specs,
    .run = run,
};
