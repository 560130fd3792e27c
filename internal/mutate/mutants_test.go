package mutate_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

var flagMutants = flag.Bool("mutants", false, "remove each rule in turn and see the tests fail")

// Folders of tests, relative to the repository's root.
const (
	root      = "../.."
	model     = "tests/model"
	linear    = "tests/linear"
	kills     = "tests/kills"
	behaviour = "tests/behaviour"
	remote    = "tests/remote"
)

// mutants lists each rule and the test that must go red without it.
var mutants = []mutant{
	{"walsync", model, "TestMutantWALSync"},
	{"waldirsync", model, "TestMutantWALDirSync"},
	{"segsync", model, "TestMutantSegmentSync"},
	{"segsync", model, "TestMutantManySyncs"},
	{"segdirsync", model, "TestMutantSegmentDirSync"},
	{"snapsync", model, "TestMutantSnapshotSync"},
	{"storesync", model, "TestMutantStoreSync"},
	{"sparesync", model, "TestS16EverySync"},
	{"bodysum", model, "TestMutantBodySum"},
	{"blocksum", model, "TestMutantBlockSum"},
	{"framesum", model, "TestMutantFrameSum"},
	{"seed", model, "TestMutantSeed"},
	{"snaproom", model, "TestMutantSnapshotRoom"},
	{"snapsum", model, "TestMutantSnapshotSum"},
	{"storesum", model, "TestMutantStoreSum"},
	{"footersum", model, "TestMutantFooterSum"},
	{"order", model, "TestMutantOrder"},
	{"recycle", model, "TestMutantRecycle"},
	{"chunk", model, "TestMutantChunk"},
	{"pin", "topics", "TestPinned"},
	{"rewrite", model, "TestMutantRewrite"},
	{"repairfirst", model, "TestMutantRepairFirst"},
	{"links", behaviour, "TestHardLinksAreRefused"},
	{"inside", behaviour, "TestBackupIntoItself"},
	{"covering", behaviour, "TestS7RoomAgain"},
	{"thinning", behaviour, "TestS9KilledStarts"},
	{"snaproom", behaviour, "TestNextSnapshotHasRoom"},
	{"quota", behaviour, "TestS14Quota"},
	{"storefull", behaviour, "TestS15StoreWithoutRoom"},
	{"plain", "wal", "TestS15StoreFaults"},
	{"unmapped", "wal", "TestS17Unmapped"},
	{"gaps", "vfs", "TestS13AllocatedBlocksAreNotAskedForAgain"},
	{"isolation", behaviour, "TestS3MissingSegment"},
	{"kept", behaviour, "TestS3MissingSegment"},
	{"isolatedflag", behaviour, "TestS3Flag"},
	{"unlinkfirst", behaviour, "TestPrunedFilesGoLast"},
	{"garbagefirst", behaviour, "TestGarbageGoesLast"},
	{"forgetdead", behaviour, "TestPrunedAfterFailure"},
	{"letpanic", "tests/behaviour", "TestS22Open"},
	{"keepgone", "engine", "TestS24VerifyWhileSparesMove"},
	{"believeclock", "engine", "TestClockSteps"},
	{"token", model, "TestMutantToken"},
	{"seen", model, "TestMutantSeen"},
	{"openclaim", model, "TestMutantOpenClaim"},
	{"procreplay", model, "TestMutantProcReplay"},
	{"procsnap", model, "TestMutantProcSnapshot"},
	{"gcguard", model, "TestMutantGuard"},
	{"procorder", model, "TestMutantProcOrder"},
	{"procundo", model, "TestMutantUndo"},
	{"once", model, "TestMutantOnce"},
	{"keycheck", remote, "TestR1"},
	{"timertoken", model, "TestMutantTimerToken"},
	{"tokenepoch", model, "TestMutantTokenEpoch"},
	{"importalone", model, "TestBeginsInOneGroup"},
	{"retryheld", model, "TestRetryIsHeldAtOnce"},
	{"spent", model, "TestResumeUnderBurial"},
	{"dirlock", kills, "TestS11LockRemoved"},
	{"gone", kills, "TestS12OneLogFile"},
	{"place", kills, "TestS12CheckpointLooks"},
	{"foreign", behaviour, "TestS28Foreign"},
	{"mark", kills, "TestS2"},
	{"logfirst", kills, "TestS1"},
	{"storeage", kills, "TestOlderStore"},
	{"framechain", "wal", "TestFrameChain"},
	{"sectionssum", kills, "TestS27"},
	{"growndigest", kills, "TestS27"},
	{"quarantine", kills, "TestTornIsKept"},
	{"expect", model, "TestMutantExpect"},
	{"abort", model, "TestMutantAbort"},
	{"stickysync", "wal", "TestStickySyncFailure"},
	{"newwalsync", model, "TestMutantNewWALSync"},
	{"turn", remote, "TestN1"},
	{"storefirst", model, "TestMutantStoreFirst"},
	{"storecopies", model, "TestMutantStoreCopies"},
	{"twosnapshots", model, "TestMutantTwoSnapshots"},
	{"newnames", model, "TestMutantNewNames"},
	{"truncsync", model, "TestMutantTruncSync"},
	{"sealflush", model, "TestMutantSealFlush"},
	{"prunebound", model, "TestMutantPruneBound"},
	{"prunesegment", model, "TestMutantPruneSegment"},
	{"epoch", model, "TestMutantTokenEpoch"},
	{"lostnames", model, "TestMutantLostNames"},
	{"inheritsync", model, "TestMutantInheritSync"},
	{"filecheck", model, "TestMutantFileCheck"},
	{"snapmatch", model, "TestMutantSnapMatch"},
	{"digest", model, "TestMutantDigest"},
	{"damageend", "segment", "TestCheckDamagedEnd"},
	{"prunedread", "tests/damage", "TestDamageBelowTheStart"},
	{"repairlist", model, "TestMutantRepairList"},
	{"repairgap", model, "TestMutantRepairGap"},
	{"repairaside", model, "TestMutantRepairAside"},
	{"repairnumbers", model, "TestMutantRepairNumbers"},
	{"repairclamp", model, "TestMutantRepairClamp"},
	// The check for linearizability sees by itself that something is wrong.
	{"token", linear, "TestLinearizable"},
	{"openclaim", linear, "TestLinearizable"},
}

type mutant struct{ rule, pkg, test string }

// TestMutants shows that the tests can fail: with its rule removed each must go
// red, and with no rule removed be green. It runs when asked for.
func TestMutants(t *testing.T) {
	if !*flagMutants && os.Getenv("PIPEPROC_MUTANTS") != "1" {
		t.Skip("run with -mutants or PIPEPROC_MUTANTS=1")
	}
	binaries := map[string]binary{}
	for pkg, tests := range testsByPackage() {
		b := build(t, pkg)
		out, err := b.run(t, "", "^("+strings.Join(tests, "|")+")$", "-test.v")
		if err != nil {
			t.Fatalf("%s with no rule removed: %v\n%s", pkg, err, out)
		}
		for _, test := range tests {
			if !strings.Contains(out, "--- PASS: "+test+" ") {
				t.Errorf("with no rule removed %s did not pass:\n%s", test, out)
			}
		}
		out, err = b.run(t, "nosuchrule", "^$")
		if err == nil || !strings.Contains(out, `"nosuchrule"`) || !strings.Contains(out, mutants[0].rule+", ") {
			t.Errorf("%s takes the name of a rule that is none: %v\n%s", pkg, err, out)
		}
		binaries[pkg] = b
	}
	for _, m := range mutants {
		t.Run(m.rule+"/"+m.test, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			out, err := binaries[m.pkg].run(t, m.rule, "^"+m.test+"$")
			switch {
			case err == nil:
				t.Errorf("%s passes without the rule:\n%s", m.test, out)
			case errors.Is(err, errDeadline), !strings.Contains(out, "--- FAIL: "+m.test+" "):
				t.Errorf("%s did not fail by itself: %v\n%s", m.test, err, out)
			default:
				t.Logf("%s is red as it should be (%v): %s", m.test, time.Since(start).Round(time.Millisecond), said(out))
			}
		})
	}
}

// TestMutantRules checks that both builds have the same rules, that each rule has
// its test, and each test its rule.
func TestMutantRules(t *testing.T) {
	rules := ruleNames(t)
	for _, rule := range rules {
		if !slices.ContainsFunc(mutants, func(m mutant) bool { return m.rule == rule }) {
			t.Errorf("rule %s has no test", rule)
		}
	}
	for _, m := range mutants {
		if !slices.Contains(rules, m.rule) {
			t.Errorf("%s has no rule: there is none with the name %s", m.test, m.rule)
		}
	}
	for pkg, tests := range testsByPackage() {
		there := testsIn(t, pkg)
		for _, test := range tests {
			if !slices.Contains(there, test) {
				t.Errorf("no %s in %s", test, pkg)
			}
		}
		for _, test := range there {
			if strings.HasPrefix(test, "TestMutant") && !slices.Contains(tests, test) {
				t.Errorf("%s in %s has no rule", test, pkg)
			}
		}
	}
}

func testsByPackage() map[string][]string {
	tests := map[string][]string{}
	for _, m := range mutants {
		if !slices.Contains(tests[m.pkg], m.test) {
			tests[m.pkg] = append(tests[m.pkg], m.test)
		}
	}
	return tests
}

// testsIn returns the names of the tests in a package.
func testsIn(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var tests []string
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunc.FindAllSubmatch(src, -1) {
			tests = append(tests, string(m[1]))
		}
	}
	return tests
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// ruleNames returns the names that the environment has for the rules. The two
// files that state the rules are never in one build, so it reads their text.
func ruleNames(t *testing.T) []string {
	t.Helper()
	var consts, vars, names []string
	eachValue(t, "rules.go", token.CONST, func(ident string, value ast.Expr) {
		if v, ok := value.(*ast.Ident); !ok || v.Name != "false" {
			t.Errorf("rules.go: %s is not false", ident)
		}
		consts = append(consts, ident)
	})
	eachValue(t, "rules_mutate.go", token.VAR, func(ident string, value ast.Expr) {
		if !ast.IsExported(ident) {
			return
		}
		name := ""
		if call, ok := value.(*ast.CallExpr); ok && len(call.Args) == 1 {
			if lit, ok := call.Args[0].(*ast.BasicLit); ok {
				name, _ = strconv.Unquote(lit.Value)
			}
		}
		if name == "" || slices.Contains(names, name) {
			t.Errorf("rules_mutate.go: %s has no name of its own", ident)
		}
		vars, names = append(vars, ident), append(names, name)
	})
	if len(consts) == 0 || !slices.Equal(consts, vars) {
		t.Errorf("rules.go and rules_mutate.go differ:\n%s\n%s", consts, vars)
	}
	return names
}

// eachValue calls fn for each constant or variable of a file that has a value.
func eachValue(t *testing.T, file string, tok token.Token, fn func(ident string, value ast.Expr)) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != tok {
			continue
		}
		for _, s := range d.Specs {
			s := s.(*ast.ValueSpec)
			for i, value := range s.Values {
				fn(s.Names[i].Name, value)
			}
		}
	}
}

// binary is the test binary of a package, built with the tag mutate.
type binary struct{ file, dir string }

func build(t *testing.T, pkg string) binary {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, pkg))
	if err != nil {
		t.Fatal(err)
	}
	b := binary{file: filepath.Join(t.TempDir(), "mutate.test"), dir: dir}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags=mutate", "-ldflags=-s -w", "-o", b.file, ".")
	cmd.Dir = b.dir // its module may be another
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return b
}

// runLimit is many times what a test takes.
const runLimit = 2 * time.Minute

var errDeadline = fmt.Errorf("no end within %v", runLimit)

// run runs tests without a rule, in their package's folder as go test does.
func (b binary) run(t *testing.T, rule, pattern string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit+10*time.Second) // for the traces
	defer cancel()
	args = append([]string{"-test.paniconexit0", "-test.timeout=" + runLimit.String(), "-test.run=" + pattern}, args...)
	cmd := exec.CommandContext(ctx, b.file, args...)
	cmd.Dir = b.dir
	cmd.Env = append(cmd.Environ(), mutate.Env+"="+rule)
	cmd.WaitDelay = 10 * time.Second // a child may hold the pipes
	text, err := cmd.CombinedOutput()
	out := string(text)
	if err != nil && (ctx.Err() != nil || strings.Contains(out, "panic: test timed out after ")) {
		err = errDeadline
	}
	return out, err
}

// said returns the first messages of a failing test, each cut short.
func said(out string) string {
	all := message.FindAllString(out, 3)
	if all == nil { // it panicked
		all = []string{out}
	}
	for i, line := range all {
		all[i] = fmt.Sprintf("%.200s", strings.TrimSpace(line))
	}
	return strings.Join(all, "\n")
}

var message = regexp.MustCompile(`(?m)^ +\S+\.go:\d+: .*`)
