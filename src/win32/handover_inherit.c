/* SPDX-License-Identifier: MIT */

/* Handing regions over to child processes, which inherit handles. */
#include "win32/os.h"

#include "base/stop.h"

shmap__os_status shmap__os_give_child(shmap__os_object *object,
                                      shmap__os_gift *gift)
{
    shmap__os_gift filled = *gift;
    HANDLE made;
    shmap__os_status status = shmap__win32_gift_make(object, &filled, &made);

    if (status.code < 0)
        return status;
    if (!SetHandleInformation(made, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT)) {
        status = shmap__win32_failed(GetLastError());
        CloseHandle(made);
        return status;
    }
    SHMAP__STOP("give.inheritable");
    *gift = filled;
    gift->native = (intptr_t)made;
    return status;
}

bool shmap__os_is_given_child(const shmap__os_object *object, int64_t native)
{
    uint64_t identity[2];

    return shmap__win32_identify((HANDLE)object->native, object->kind,
                                 identity) &&
           shmap__win32_can_be_gift(native, SHMAP__OS_TO_CHILD) &&
           shmap__win32_handle_matches((HANDLE)(intptr_t)native, object->kind,
                                       identity);
}

void shmap__os_give_child_end(const shmap__os_object *object, int64_t native)
{
    if (shmap__os_is_given_child(object, native))
        CloseHandle((HANDLE)(intptr_t)native);
}
