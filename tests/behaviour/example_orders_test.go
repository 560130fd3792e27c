package behaviour_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// The example does what its comment says, and a second start continues: it takes in
// nothing, processes nothing twice, and prints the same.
func TestExampleOrders(t *testing.T) {
	program, dir := process.Build(t, "./examples/orders"), t.TempDir()
	run := func(input string) string {
		t.Helper()
		cmd := exec.CommandContext(process.Soon(t), program, "-dir", dir)
		cmd.Stdin = strings.NewReader(input)
		var out, log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &log
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, &log)
		}
		return out.String()
	}
	var orders strings.Builder
	const n, bad = 300, 3
	for i := range n {
		quantity := 1 + i%3
		if i%100 == 50 {
			quantity = 0
		}
		fmt.Fprintf(&orders, `{"id":"o-%d","customer":"c%d","item":"tea","quantity":%d,"price":10}`+"\n", i, i%2, quantity)
	}
	first := run(orders.String() + "no order\n")
	head, rest, _ := strings.Cut(first, "\n")
	if want := fmt.Sprintf("%d orders taken in, 1 invalid lines", n); head != want {
		t.Errorf("%q, want %q", head, want)
	}
	for what, want := range map[string]int{"\ninvoice ": n - bad, ": quantity 0\n": bad} {
		if got := strings.Count("\n"+rest, what); got != want {
			t.Errorf("%d times %q, want %d", got, what, want)
		}
	}
	_, again, _ := strings.Cut(run(""), "\n")
	if again != rest {
		t.Errorf("a second start prints\n%s\nafter\n%s", again, rest)
	}
}
