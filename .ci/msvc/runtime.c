/* SPDX-License-Identifier: MIT */

/* What a DLL needs of Microsoft's C run-time, which Debian does not have. */
#include <windows.h>

ULONG _tls_index;
int _fltused;

#pragma section(".tls", read, write)
#pragma section(".tls$ZZZ", read, write)
#pragma section(".CRT$XLA", read)
#pragma section(".CRT$XLZ", read)
#pragma section(".rdata$T", read)

__declspec(allocate(".tls")) static char first_variable;
__declspec(allocate(".tls$ZZZ")) static char last_variable;
__declspec(allocate(".CRT$XLA")) static PIMAGE_TLS_CALLBACK first_callback;
__declspec(allocate(".CRT$XLZ")) PIMAGE_TLS_CALLBACK shmap_last_callback;
__declspec(allocate(".rdata$T")) const IMAGE_TLS_DIRECTORY64 _tls_used = {
    (ULONGLONG)&first_variable,
    (ULONGLONG)&last_variable,
    (ULONGLONG)&_tls_index,
    (ULONGLONG)(&first_callback + 1),
    0,
    0};

/* What a DLL asks to be called when it is unloaded. */
enum { MOST = 32 };
typedef void(__cdecl *at_end)(void);
static at_end ends[MOST];
static int end_count;

static int __cdecl add_end(at_end end)
{
    if (end_count == MOST)
        return 1;
    ends[end_count++] = end;
    return 0;
}

int(__cdecl *__imp_atexit)(at_end) = add_end;

BOOL WINAPI DllMainCRTStartup(HINSTANCE library, DWORD reason, LPVOID reserved)
{
    (void)library, (void)reserved;
    while (reason == DLL_PROCESS_DETACH && end_count > 0)
        ends[--end_count]();
    return TRUE;
}
