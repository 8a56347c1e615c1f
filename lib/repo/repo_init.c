/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a repository. */

#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "repo/pack_parity.h"
#include "repo/repo_internal.h"

/* Defaults chosen by measurement: lib/README.md, "Chunk sizes". */
#define DEFAULT_CHUNK_MIN (48u << 10)
#define DEFAULT_CHUNK_MAX (512u << 10)
#define DEFAULT_CHUNK_MEAN_TAIL (16u << 10) /* mean length behind the minimum */
#define PAGE_SIZE_DEFAULT (64u << 10)

static const char readme[] =
    "This directory is a varve repository (format version 1).\n"
    "\n"
    "It holds encrypted, deduplicated backups.  Do not rename, edit or delete anything here by\n"
    "hand: every file is checked by its content, and files belong together.\n"
    "\n"
    "To restore you need one of: the passphrase, the key file, or the 24 recovery words, and the\n"
    "program varve (or the small independent reader varve-read.py that comes with it):\n"
    "\n"
    "    varve -r THIS-DIRECTORY snapshots\n"
    "    varve -r THIS-DIRECTORY restore latest --target /some/empty/directory\n"
    "\n"
    "with --key-file FILE, --recovery-file FILE, or a prompt for the passphrase or the words.\n"
    "The format is described in the manual page varve-format(5); with it the data can be read\n"
    "without varve.  Whether the packs are undamaged can be checked without any key:\n"
    "the name of each file below packs/ begins with its SHA-256 (see sha256sum(1)).\n"
    "\n"
    "Repository id: ";

void
readme_text(const struct vv_uuid *repository, struct vv_buf *out)
{
    char id[VV_UUID_TEXT];
    uint8_t digest[32];
    char hex[65];

    vv_uuid_text(repository, id);
    vv_buf_put_text(out, readme);
    vv_buf_printf(out, "%s\n", id);
    sha256(out->data, out->len, digest);
    vv_hex(hex, digest, 32);
    vv_buf_printf(out, "SHA-256 of the lines above: %s\n", hex);
}

enum vv_rc
publish_readme(struct storage *st, const struct vv_uuid *repository, struct vv_error *err)
{
    struct vv_buf text = {0};
    enum vv_rc rc;

    readme_text(repository, &text);
    rc = vv_buf_check(&text, err);
    if (rc == VV_OK) {
        rc = storage_publish(st, "README", vv_buf_span(&text), err);
    }
    vv_buf_release(&text);
    return rc;
}

/** The space set aside: random bytes, so that no file system can compress or deduplicate them. */
enum vv_rc
publish_reserve(struct storage *st, uint64_t size, struct vv_error *err)
{
    struct vv_buf bytes = {0};
    enum vv_rc rc;

    if (size == 0) {
        return VV_OK;
    }
    VV_TRY(vv_buf_reserve(&bytes, (size_t)size, err));
    vv_random(bytes.data, (size_t)size);
    bytes.len = (size_t)size;
    rc = storage_publish(st, "reserve", vv_buf_span(&bytes), err);
    vv_buf_release(&bytes);
    return rc;
}

enum vv_rc
publish_site(struct storage *st, const struct vv_uuid *repository, int64_t now,
             struct vv_error *err)
{
    struct site site = {.time = now, .abilities = storage_abilities(st)};
    struct vv_buf object = {0};
    enum vv_rc rc;

    vv_random(site.id.b, sizeof(site.id.b));
    rc = site_encode(&site, repository, &object, err);
    if (rc == VV_OK) {
        rc = storage_publish(st, "site", vv_buf_span(&object), err);
    }
    vv_buf_release(&object);
    return rc;
}

/** Draw keys, fill config and bundle, and build the signed config object. */
static enum vv_rc
draw_keys(const struct repo_init_options *init, int64_t now, struct config *config,
          struct key_bundle *bundle, struct vv_buf *object, struct vv_error *err)
{
    uint8_t secret[64];
    uint8_t signature[64];

    memset(config, 0, sizeof(*config));
    memset(bundle, 0, sizeof(*bundle));
    vv_random(config->repository.b, sizeof(config->repository.b));
    config->created = now;
    config->chunker_suite = 1;
    config->chunk_min = init->chunk_min != 0 ? init->chunk_min : DEFAULT_CHUNK_MIN;
    config->chunk_max = init->chunk_max != 0 ? init->chunk_max : DEFAULT_CHUNK_MAX;
    config->chunk_threshold = init->chunk_threshold != 0 ? init->chunk_threshold
                                                         : UINT64_MAX / DEFAULT_CHUNK_MEAN_TAIL + 1;
    config->page_size = PAGE_SIZE_DEFAULT;
    config->id_suite = 1;
    bundle->role = KEY_ROLE_ADMIN;
    vv_random(bundle->master, sizeof(bundle->master));
    vv_random(bundle->admin_seed, sizeof(bundle->admin_seed));
    ed25519_from_seed(bundle->admin_seed, bundle->admin_public, secret);
    memcpy(config->admin_public, bundle->admin_public, 32);
    VV_TRY(config_encode(config, object, err));
    ed25519_sign(secret, vv_buf_span(object), signature);
    crypto_wipe(secret, sizeof(secret));
    vv_buf_put(object, signature, sizeof(signature));
    VV_TRY(container_finish(object, err));
    sha256(object->data, object->len, bundle->config_hash);
    return VV_OK;
}

/** What can be refused is refused before anything is written: a failed init leaves a place that the
 *  next one refuses. */
static enum vv_rc
check_options(const struct repo_init_options *init, struct vv_error *err)
{
    if (init->reserve > LIMIT_PACK) {
        return vv_error_set(err, VV_EUSAGE, "--reserve is at most 1 GiB");
    }
    VV_TRY(key_slots_check(init->secret, init->label, &init->cost, err));
    return init->recovery == NULL ? VV_OK
                                  : key_slots_check(init->recovery, "recovery words", NULL, err);
}

static enum vv_rc
refuse_existing(struct storage *st, struct vv_error *err)
{
    uint64_t size;
    enum vv_rc rc = storage_size(st, "config", &size, NULL);

    if (rc == VV_OK) {
        rc = vv_error_set(err, VV_EREFUSED, "there is already a varve repository at '%s'", st->url);
        vv_error_hint(err, "use it, or choose another place; nothing was changed");
        return rc;
    }
    return VV_OK;
}

enum vv_rc
repo_init(struct storage *st, const struct repo_init_options *init,
          const struct repo_options *options, struct repo **ret, struct vv_error *err)
{
    VV_CLEANUP(repo_freep) struct repo *r = NULL;
    const struct vv_clock *clock = options->clock != NULL ? options->clock : vv_clock_system();
    struct config config;
    struct key_bundle bundle;
    struct slot_info slot = {0};
    struct vv_buf object = {0};
    int64_t now = clock->realtime(clock);
    enum vv_rc rc;

    VV_TRY(crypto_init(err));
    VV_TRY(check_options(init, err));
    VV_TRY(refuse_existing(st, err));
    rc = draw_keys(init, now, &config, &bundle, &object, err);
    if (rc == VV_OK) {
        rc = storage_make_layout(st, err);
    }
    if (rc == VV_OK) {
        rc = key_slots_add(st, init->secret, init->label, &init->cost, &bundle,
                           vv_buf_span(&object), now, &slot, err);
    }
    if (rc == VV_OK && init->recovery != NULL) {
        rc = key_slots_add(st, init->recovery, "recovery words", NULL, &bundle,
                           vv_buf_span(&object), now, NULL, err);
    }
    if (rc == VV_OK) {
        rc = publish_readme(st, &config.repository, err);
    }
    if (rc == VV_OK) {
        rc = publish_reserve(st, init->reserve, err);
    }
    if (rc == VV_OK) {
        rc = publish_site(st, &config.repository, now, err);
    }
    if (rc == VV_OK) {
        rc = storage_publish(st, "config", vv_buf_span(&object), err); /* the commit point */
    }
    if (rc == VV_OK) {
        rc = repo_make(st, &bundle, &config, &slot, options, &r, err);
    }
    crypto_wipe(&bundle, sizeof(bundle));
    vv_buf_release(&object);
    VV_TRY(rc);
    VV_TRY(repo_load_site(r, err));
    if (init->parity) {
        VV_TRY(parity_decide(r, true, err));
    }
    *ret = TAKE(r);
    return VV_OK;
}
