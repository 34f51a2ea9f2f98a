/* SPDX-License-Identifier: MIT */

/* From errno to SHMAP_E..., where the call does not know better. */
#include "posix/os.h"

static const struct {
    int error;
    int code;
} codes[] = {
    {EACCES, SHMAP_EACCES},   {EPERM, SHMAP_EACCES},
    {EROFS, SHMAP_EACCES},    {ETXTBSY, SHMAP_EACCES},
    {ENOENT, SHMAP_ENOENT},   {ENOTDIR, SHMAP_ENOENT},
    {EEXIST, SHMAP_EEXIST},   {ENAMETOOLONG, SHMAP_ENAME},
    {EILSEQ, SHMAP_ENAME},    {EISDIR, SHMAP_ETYPE},
    {ELOOP, SHMAP_ETYPE},     {ENXIO, SHMAP_ETYPE},
    {ENODEV, SHMAP_ETYPE},    {EMFILE, SHMAP_EMFILE},
    {ENFILE, SHMAP_EMFILE},   {ENOLCK, SHMAP_EMFILE},
    {ENOMEM, SHMAP_ENOMEM},   {ENOSPC, SHMAP_ENOSPC},
    {EDQUOT, SHMAP_ENOSPC},   {EFBIG, SHMAP_E2BIG},
    {EOVERFLOW, SHMAP_E2BIG}, {EBADF, SHMAP_EINVAL},
    {EBUSY, SHMAP_EBUSY},     {EAGAIN, SHMAP_EBUSY},
    {ENOSYS, SHMAP_ENOTSUP},  {EOPNOTSUPP, SHMAP_ENOTSUP},
    {ENOTSUP, SHMAP_ENOTSUP},
};

shmap__os_status shmap__posix_failed(int error)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].error == error)
            return (shmap__os_status){codes[i].code, error,
                                      error == EBADF ? SHMAP__OS_LOST : NULL};
    }
    return (shmap__os_status){SHMAP_ESYSTEM, error};
}

shmap__os_status shmap__posix_belongs(int code, int error, uid_t user)
{
    if (user == (uid_t)-1)
        return (shmap__os_status){code, error};
    return (shmap__os_status){code, error, .reason = SHMAP__OS_OF_USER,
                              .user = (uint32_t)user};
}
