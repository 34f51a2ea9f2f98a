/* SPDX-License-Identifier: MIT */

/* Facts about the system, Windows. */

#include "../support.h"

#include <windows.h>

bool os_has_leftovers(void)
{
    return false;
}

bool os_is_root(void)
{
    return false;
}

bool os_is_emulated(void)
{
    HMODULE module = GetModuleHandleW(L"ntdll.dll");
    return module != NULL && GetProcAddress(module, "wine_get_version") != NULL;
}

size_t os_page_size(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

size_t os_open_handles(void)
{
    DWORD count = 0;
    return GetProcessHandleCount(GetCurrentProcess(), &count) ? count : 0;
}

int os_process_id(void)
{
    return (int)GetCurrentProcessId();
}

void os_kill_self(void)
{
    /* What libuv's SIGKILL does, and what it reports for it. */
    TerminateProcess(GetCurrentProcess(), 1);
}

void os_ignore_broken_pipes(void) {}
