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
    {0}};

BOOL WINAPI DllMainCRTStartup(HINSTANCE library, DWORD reason, LPVOID reserved)
{
    (void)library, (void)reason, (void)reserved;
    return TRUE;
}
