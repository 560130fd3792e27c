package vfs

import "runtime"

// MapsFreely says that a file may be truncated, renamed and removed while it is
// mapped. Windows refuses all three until the last mapping is closed. Where
// MapsFreely is false, files that can change in these ways must not be mapped.
const MapsFreely = runtime.GOOS != "windows"
