/* SPDX-License-Identifier: MIT */

/* Facts about the system, Windows. */

#include "../support.h"

#include "win32/api.h"

#include <sddl.h>

bool os_has_leftovers(void)
{
    return false;
}

bool os_has_lock_files(void)
{
    return false;
}

bool os_tells_without_proc(void)
{
    return true;
}

bool os_is_root(void)
{
    return false;
}

static bool is_sid(PSID sid, const char *number)
{
    char *text;
    if (!ConvertSidToStringSidA(sid, &text))
        return false;
    bool is = strcmp(text, number) == 0;
    LocalFree(text);
    return is;
}

/* An administrator's things can belong to the group. */
bool os_is_own_user(const char *number)
{
    union {
        TOKEN_USER user;
        TOKEN_OWNER owner;
        BYTE space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } found;
    DWORD size;
    HANDLE token;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return false;
    bool is =
        (GetTokenInformation(token, TokenUser, &found, sizeof found, &size) &&
         is_sid(found.user.User.Sid, number)) ||
        (GetTokenInformation(token, TokenOwner, &found, sizeof found, &size) &&
         is_sid(found.owner.Owner, number));
    CloseHandle(token);
    return is;
}

bool os_is_emulated(void)
{
    HMODULE module = GetModuleHandleW(L"ntdll.dll");
    return module != NULL && GetProcAddress(module, "wine_get_version") != NULL;
}

bool os_marks_the_dead(void)
{
    return false;
}

size_t os_page_size(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

/* Wine counts no handles for us, but tells which numbers are some: multiples of
 * four, from the lowest. */
static size_t count_one_by_one(void)
{
    enum { STEP = 4, FREE_IN_A_ROW = 128 };
    size_t count = 0;
    uintptr_t number = STEP;
    for (int free_numbers = 0; free_numbers < FREE_IN_A_ROW; number += STEP) {
        DWORD flags;
        bool open = GetHandleInformation((HANDLE)number, &flags) != 0;
        count += open;
        free_numbers = open ? 0 : free_numbers + 1;
    }
    return count;
}

size_t os_open_handles(void)
{
    DWORD count = 0;
    if (GetProcessHandleCount(GetCurrentProcess(), &count) && count > 0)
        return count;
    return count_one_by_one();
}

bool os_opens_handles(void)
{
    return true;
}

int os_process_id(void)
{
    return (int)GetCurrentProcessId();
}

void os_kill_self(void)
{
    TerminateProcess(GetCurrentProcess(), KILLED_ITSELF);
}

bool os_use_one_processor(unsigned which)
{
    DWORD_PTR allowed = 0;
    DWORD_PTR all;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &allowed, &all))
        return false;
    for (; which > 0; which--)
        allowed &= allowed - 1;
    return allowed != 0 &&
           SetProcessAffinityMask(GetCurrentProcess(),
                                  allowed & (~allowed + 1)) != 0;
}

void os_ignore_broken_pipes(void) {}

void os_heed_broken_pipes(void) {}
