/* SPDX-License-Identifier: MIT */

/* A process puts itself in trouble, Windows: nothing of this is there. */

#include "../support.h"

bool os_limit_handles(unsigned further)
{
    (void)further;
    return false;
}

bool os_limit_handle_numbers(unsigned numbers)
{
    (void)numbers;
    return false;
}

bool os_limit_file_size(uint64_t bytes)
{
    (void)bytes;
    return false;
}

bool os_limit_memory(uint64_t further)
{
    (void)further;
    return false;
}

bool os_start_interval_timer(int microseconds)
{
    (void)microseconds;
    return false;
}

bool os_small_shared_memory(uint64_t bytes)
{
    (void)bytes;
    return false;
}

bool os_enter_huge_folder(const char *path, uint64_t *page)
{
    (void)path;
    (void)page;
    return false;
}

bool os_fill_mappings(void)
{
    return false;
}

void os_release_mappings(void) {}

bool os_refuse(const char *call, const char *error)
{
    (void)call;
    (void)error;
    return false;
}

bool os_forbid_set_id(void)
{
    return false;
}

bool os_forbid_links(void)
{
    return false;
}

bool os_enter_user_namespace(void)
{
    return false;
}

bool os_close_standard_streams(void)
{
    return false;
}

bool os_close_all_above_standard(void)
{
    return false;
}

bool os_drop_to_user(unsigned user)
{
    (void)user;
    return false;
}

bool os_become_user(unsigned user)
{
    (void)user;
    return false;
}

bool os_hide_process(void)
{
    return false;
}
