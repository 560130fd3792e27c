package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// upper answers each record with its body in upper case. On its second record it
// creates the file that SEEN names.
const upper = `
read -r greeting; echo '{"pipeproc":1}'
while read -r line; do
	n=${line#*:}; n=${n%%,*}
	body=${line##*\"body\":}; body=${body%\}}
	echo "saw $n" >&2
	if [ "$n" = 2 ] && [ -n "$SEEN" ]; then : > "$SEEN"; fi
	echo "{\"n\":$n,\"out\":[$(echo "$body" | tr a-z A-Z)]}"
done`

func TestRunAtNode(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		s := serve(t, "--memory", "--listen", socket(t))
		ok(t, "a\nb\n", "commit", "t", "--connect", s.addr)
		r := start(t, "run", "--name", "up", "--from", "t", "--to", "u", "--to", "v", "--count", "10", "--concurrency", "2", "--connect", s.addr, "--", "sh", "-c", upper)
		t.Cleanup(func() { _ = r.Process.Kill() })
		ok(t, "c\n", "commit", "t", "--connect", s.addr)
		within(t, "all records were processed", func() bool {
			return runs(t, "", "length", "v", "--connect", s.addr).out == "3\n"
		})
		for _, topic := range argv("u v") {
			got := strings.Fields(ok(t, "", "range", topic, "--output", "body", "--connect", s.addr))
			slices.Sort(got) // records without a key may be in any lane
			if !slices.Equal(got, argv("A B C")) {
				t.Errorf("%s: %q", topic, got)
			}
		}
		if got := ok(t, "", argv("system-procs --output json --connect "+s.addr)...); !strings.Contains(got, `"up"`) {
			t.Errorf("%s", got)
		}
		if err := r.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := r.code(t); code != exitOK || !strings.Contains(r.err.String(), "saw 1") {
			t.Errorf("%v: exit code %d, %s", sig, code, r.err.String())
		}
		fails(t, exitError, "", argv("run --name up --from t --to w --connect "+s.addr+" -- sh"), "--replace")
		s.stop(t, sig)
	}
}

func TestRunWithDirectory(t *testing.T) {
	dir := store(t, "a", "b")
	seen := filepath.Join(t.TempDir(), "seen")
	t.Setenv("SEEN", seen)
	r := start(t, "run", "--name", "up", "--from", "t", "--to", "u", "--dir", dir, "--", "sh", "-c", upper)
	t.Cleanup(func() { _ = r.Process.Kill() })
	// The second record is committed once the result of the first is there.
	within(t, "the program had its second record", func() bool {
		_, err := os.Stat(seen)
		return err == nil
	})
	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := r.code(t); code != exitOK {
		t.Errorf("exit code %d, %s", code, r.err.String())
	}
	if got := bodies(t, dir, "u"); len(got) == 0 || got[0] != "A" {
		t.Errorf("%q", got)
	}
}

func TestRunUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, text := range map[string]string{
		"run --from t -- cat":                              "--name is missing",
		"run --name n -- cat":                              "--from is missing",
		"run --name n --from t":                            "the program is missing",
		"run --name n --from t --":                         "the program is missing",
		"run --name n --from t cat":                        "behind --",
		"run --name n --from t --count 0 -- cat":           "--count",
		"run --name n --from t --concurrency 9999 -- cat":  "--concurrency must be 1024",
		"run --name n --from t --namespace x --dir d -- c": "exclude each other",
	} {
		fails(t, exitUsage, "", argv(args), text, "'pipeproc run --help'")
	}
	fails(t, exitError, "", argv("run --name n --from t -- nosuchprogram"), "nosuchprogram")
	if entries, _ := os.ReadDir("."); len(entries) > 0 {
		t.Errorf("something was made: %v", entries)
	}
}
