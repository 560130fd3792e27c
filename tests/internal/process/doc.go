// Package process holds what tests do with real processes: building the repository's
// programs, starting children of the test binary, reading what they say, killing
// them, and waiting for what must happen.
//
// A package whose test binary has children says in TestMain which ones:
//
//	process.Main(map[string]func(args []string) error{"commit": commitChild})
//
// and starts them:
//
//	c := process.Start(t, process.Command(ctx, nil, "commit", dir))
//	for line, ok := c.Line(); ok; line, ok = c.Line() { … }
//	err := c.Wait()
package process
