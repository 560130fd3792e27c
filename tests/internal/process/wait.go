package process

import (
	"context"
	"os"
	"testing"
	"time"
)

// Patience is how long tests wait for what must happen soon.
const Patience = time.Minute

// Soon returns a context that ends when what must happen soon has not.
func Soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Until waits for ok to become true.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.After(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("it has not come to this: %s", what)
		}
	}
}

// Need skips a test that this machine cannot run, or fails it where it must run.
func Need(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("PIPEPROC_CI") == "1" {
		t.Fatalf("this test must run here, but it needs %s: %v", what, err)
	}
	t.Skipf("SKIPPED: it needs %s: %v", what, err)
}
