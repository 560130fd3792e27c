package mutate_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var flagMutants = flag.Bool("mutants", false, "build the store with each rule removed in turn and see the tests fail")

// mutants lists each tag (without "mutate_") and the test that must go red.
var mutants = []mutant{
	{"walsync", "TestMutantWALSync"},
	{"waldirsync", "TestMutantWALDirSync"},
	{"segsync", "TestMutantSegmentSync"},
	{"segsync", "TestMutantManySyncs"},
	{"segdirsync", "TestMutantSegmentDirSync"},
	{"snapsync", "TestMutantSnapshotSync"},
	{"storesync", "TestMutantStoreSync"},
	{"bodysum", "TestMutantBodySum"},
	{"blocksum", "TestMutantBlockSum"},
	{"framesum", "TestMutantFrameSum"},
	{"seed", "TestMutantSeed"},
	{"snaproom", "TestMutantSnapshotRoom"},
	{"snapsum", "TestMutantSnapshotSum"},
	{"storesum", "TestMutantStoreSum"},
	{"footersum", "TestMutantFooterSum"},
	{"order", "TestMutantOrder"},
	{"recycle", "TestMutantRecycle"},
	{"chunk", "TestMutantChunk"},
	{"pin", "TestPinned"},
	{"rewrite", "TestMutantRewrite"},
	{"token", "TestMutantToken"},
	{"seen", "TestMutantSeen"},
	{"openclaim", "TestMutantOpenClaim"},
	{"procreplay", "TestMutantProcReplay"},
	{"procsnap", "TestMutantProcSnapshot"},
	{"gcguard", "TestMutantGuard"},
	{"procorder", "TestMutantProcOrder"},
	{"procundo", "TestMutantUndo"},
	{"once", "TestMutantOnce"},
	{"timertoken", "TestMutantTimerToken"},
	{"tokenepoch", "TestMutantTokenEpoch"},
	{"importalone", "TestBeginsInOneGroup"},
	{"retryheld", "TestRetryIsHeldAtOnce"},
	{"spent", "TestResumeUnderBurial"},
	// The check for linearizability sees by itself that something is wrong.
	{"token", "TestLinearizable"},
	{"openclaim", "TestLinearizable"},
}

type mutant struct{ tag, test string }

// pkg returns the package that has the mutant's test.
func (m mutant) pkg() string {
	switch m.test {
	case "TestLinearizable":
		return "./internal/lintest"
	case "TestPinned":
		return "./topics"
	}
	return "./internal/modeltest"
}

// TestMutants shows that the tests can fail: with each rule removed by its
// build tag, its test must go red, and without the tag be green. It takes some
// minutes and runs when asked for.
func TestMutants(t *testing.T) {
	if !*flagMutants && os.Getenv("PIPEPROC_MUTANTS") != "1" {
		t.Skip("run with -mutants or PIPEPROC_MUTANTS=1")
	}
	names := map[string][]string{}
	for _, m := range mutants {
		names[m.pkg()] = append(names[m.pkg()], m.test)
	}
	for pkg, list := range names {
		out, err := goTest(t, pkg, "-run", "^("+strings.Join(list, "|")+")$", "-v")
		if err != nil {
			t.Fatalf("without a mutation: %v\n%s", err, out)
		}
		for _, name := range list {
			if !strings.Contains(out, "--- PASS: "+name+" ") {
				t.Errorf("without a mutation: %s did not pass\n%s", name, out)
			}
		}
	}
	for _, m := range mutants {
		t.Run(m.tag+"/"+m.test, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			out, err := goTest(t, m.pkg(), "-tags", "mutate_"+m.tag, "-run", "^"+m.test+"$")
			switch {
			case err == nil:
				t.Errorf("%s passes without the rule:\n%s", m.test, out)
			case !strings.Contains(out, "--- FAIL: "+m.test+" "):
				t.Errorf("%s did not fail by itself: %v\n%s", m.test, err, out)
			default:
				t.Logf("%s is red as it should be (%v): %s", m.test, time.Since(start).Round(time.Millisecond), firstLine(out))
			}
		})
	}
}

// TestMutantTags checks that each tag in this folder has its test.
func TestMutantTags(t *testing.T) {
	on, err := filepath.Glob("*_on.go")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, m := range mutants {
		have[m.tag] = true
		if _, err := os.Stat(m.tag + "_on.go"); err != nil {
			t.Errorf("no such mutation: %v", err)
		}
	}
	for _, f := range on {
		if tag := strings.TrimSuffix(f, "_on.go"); !have[tag] {
			t.Errorf("mutation %s has no test", tag)
		}
	}
}

func goTest(t *testing.T, pkg string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"test", "-count=1", "-vet=off", "-ldflags=-s -w"}, args...), pkg)...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// firstLine returns the first message of a failing test.
func firstLine(out string) string {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "    ") {
			return strings.TrimSpace(line)
		}
	}
	return fmt.Sprintf("%.200s", out)
}
