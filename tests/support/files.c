/* SPDX-License-Identifier: MIT */

/* Files by their UTF-8 paths. */

#include "files.h"

#include <fcntl.h>

#include <uv.h>

uint64_t file_size(const char *path)
{
    uv_fs_t request;
    int result = uv_fs_stat(NULL, &request, path, NULL);
    uint64_t size = result == 0 ? request.statbuf.st_size : UINT64_MAX;
    uv_fs_req_cleanup(&request);
    return size;
}

bool file_exists(const char *path)
{
    uv_fs_t request;
    int result = uv_fs_lstat(NULL, &request, path, NULL);
    uv_fs_req_cleanup(&request);
    return result == 0;
}

bool file_resize(const char *path, uint64_t size)
{
    uv_fs_t request;
    uv_file file = uv_fs_open(NULL, &request, path, O_RDWR, 0, NULL);
    uv_fs_req_cleanup(&request);
    if (file < 0)
        return false;
    int result = uv_fs_ftruncate(NULL, &request, file, (int64_t)size, NULL);
    uv_fs_req_cleanup(&request);
    uv_fs_close(NULL, &request, file, NULL);
    uv_fs_req_cleanup(&request);
    return result == 0;
}

bool file_set_mode(const char *path, int mode)
{
    uv_fs_t request;
    int result = uv_fs_chmod(NULL, &request, path, mode, NULL);
    uv_fs_req_cleanup(&request);
    return result == 0;
}

bool file_remove(const char *path)
{
    uv_fs_t request;
    file_set_mode(path, 0600);
    int result = uv_fs_unlink(NULL, &request, path, NULL);
    uv_fs_req_cleanup(&request);
    return result == 0;
}

bool file_rename(const char *path, const char *to)
{
    uv_fs_t request;
    int result = uv_fs_rename(NULL, &request, path, to, NULL);
    uv_fs_req_cleanup(&request);
    return result == 0;
}

bool folder_enter(const char *path)
{
    return uv_chdir(path) == 0;
}

bool folder_make(const char *path)
{
    uv_fs_t request;
    int result = uv_fs_mkdir(NULL, &request, path, 0700, NULL);
    uv_fs_req_cleanup(&request);
    return result == 0;
}

bool folder_remove(const char *path)
{
    uv_fs_t request;
    int result = uv_fs_rmdir(NULL, &request, path, NULL);
    uv_fs_req_cleanup(&request);
    return result == 0;
}
