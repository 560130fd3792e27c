// Package selfcheck says whether the engine decodes each command again, as a replay
// would, before it writes it. That costs as much as the commit. It is on in builds
// with the race detector, and tests and fuzz targets turn it on.
package selfcheck

// On may be changed before any store is open, by an init function.
var On = race
