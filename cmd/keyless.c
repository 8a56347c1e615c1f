/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that need no key. */
#include "keyless.h"

enum vv_rc
app_open_keyless(struct app *app)
{
    struct repo_options options;

    VV_TRY(app_open_storage(app));
    VV_TRY(app_repo_options(app, APP_READ, &options));
    options.replicas = NULL;
    return repo_open_keyless(app->storage, &options, &app->repo, &app->err);
}
