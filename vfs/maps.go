package vfs

import "runtime"

// MapsFreely says that a file may be truncated, renamed and removed while it is mapped.
// Windows refuses all three until the last mapping, in any process, is closed. Where
// MapsFreely is false, a file to which any of this can happen while others read it must
// not be mapped: segment files are truncated as they are sealed and removed as they are
// pruned, and spare files of the log are renamed.
const MapsFreely = runtime.GOOS != "windows"
