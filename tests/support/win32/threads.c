/* SPDX-License-Identifier: MIT */

/* What the tests of locks need, Windows. */

#include "../threads.h"

#include "win32/api.h"

void os_end_thread(void)
{
    ExitThread(0);
}

/* What debuggers use; no header has it. */
static bool call_for_process(const char *function, int process)
{
    typedef LONG(NTAPI * system_call)(HANDLE process);
    HMODULE module = GetModuleHandleW(L"ntdll.dll");
    FARPROC found = module == NULL ? NULL : GetProcAddress(module, function);
    HANDLE handle = OpenProcess(PROCESS_SUSPEND_RESUME, FALSE, (DWORD)process);
    bool done = false;

    if (found != NULL && handle != NULL)
        done = ((system_call)(void (*)(void))found)(handle) >= 0;
    if (handle != NULL)
        CloseHandle(handle);
    return done;
}

bool os_suspend(int process)
{
    return call_for_process("NtSuspendProcess", process);
}

bool os_resume(int process)
{
    return call_for_process("NtResumeProcess", process);
}

bool os_ask_to_end(int process)
{
    (void)process;
    return false;
}

int os_death_is_told_within(void)
{
    return 1000;
}

bool os_enter_pid_namespace(bool own_proc)
{
    (void)own_proc;
    return false;
}

bool os_choose_next_pid(int process)
{
    (void)process;
    return false;
}

bool os_lose_proc(void)
{
    return false;
}

bool os_lose_proc_of_others(void)
{
    return false;
}

bool os_lose_all_but_processes(void)
{
    return false;
}

bool os_prepare_dump(void)
{
    return false;
}

void os_dump_core(void) {}

void os_remove_dump(int process)
{
    (void)process;
}

bool os_is_dumping(int process)
{
    (void)process;
    return false;
}

/* The number is one that a thread has again, which began at another time. */
void os_put_before_restart(uint64_t *owner)
{
    *owner ^= UINT64_C(0x12345) << 32;
}

bool os_robust_make(void *at, bool inherits)
{
    (void)at;
    (void)inherits;
    return false;
}

int os_robust_lock(void *at)
{
    (void)at;
    return SHMAP_ENOTSUP;
}

int os_robust_unlock(void *at)
{
    (void)at;
    return SHMAP_ENOTSUP;
}

int os_robust_consistent(void *at)
{
    (void)at;
    return SHMAP_ENOTSUP;
}
