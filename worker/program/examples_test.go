package program

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/record"
)

const root = "../.."

// tool skips a test whose language is not here.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil && (name == "python3" || name == "node") {
		err = exec.Command(path, "--version").Run() // a wrapper may be there without it
	}
	if err != nil && os.Getenv("PIPEPROC_CI") == "1" {
		t.Fatalf("this test must run here, but there is no %s: %v", name, err)
	}
	if err != nil {
		t.Skipf("SKIPPED: there is no %s here, so its example is not run: %v", name, err)
	}
	return path
}

// example is where one of the examples is.
func example(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExamplePython(t *testing.T) {
	p := start(t, Options{Command: []string{tool(t, "python3"), example(t, "processor-python/upper.py")}}, "")
	d := newDesk(t)
	d.say(p, "hello", "größe\u2028\n\"", "").wantOK(t, "out HELLO", "out GRÖSSE\u2028\n\"", "out ")
	d.say(p, "hello", `{"a":1}`).wantErr(t, "record 1700000000000-1: the body is not text")
	d.say(p, "\xff").wantErr(t, "the body is not text")
	d.say(p, "again").wantOK(t, "out AGAIN")
	if s := p.Stats(); s.Started != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestExampleShell(t *testing.T) {
	p := start(t, Options{Command: []string{tool(t, "sh"), example(t, "processor-shell/wrap.sh")}}, "")
	recs := bodied("hello", `{ "a" : [1, "\n"] }`, `back\slash "and" %s `+"\n\u2028", `},"body":1}`, "", "7")
	recs[0].Key = []byte(`a key,"body":`)
	recs[1].Headers = []record.Header{{Name: `,"body":`, Value: []byte(`,"body":`)}}
	d := newDesk(t)
	d.do(p, order{records: recs}).wantOK(t, `out {"seen":"hello"}`, `out {"seen":{"a":[1,"\n"]}}`,
		`out {"seen":"back\\slash \"and\" %s \n\u2028"}`, `out {"seen":"},\"body\":1}"}`, `out {"seen":""}`, `out {"seen":7}`)
	if s := p.Stats(); s.Started != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestExampleNode(t *testing.T) {
	p := start(t, Options{Command: []string{tool(t, "node"), example(t, "processor-node/total.js")}}, "")
	d := newDesk(t)
	recs := bodied(`{"items":[{"price":1.5},{"price":2}]}`, "{\"items\":[],\"note\":\"\u2028\u0085\r\"}", `{"items":[]}`)
	recs[0].Key = []byte("a")
	recs[1].Body = []byte("{\"items\":[],\"note\":\"\u2028\u2029\u0085\"}") // more than one line to some
	d.do(p, order{records: recs}).wantOK(t, `out a={"total":3.5}`, `out {"total":0}`, `out {"total":0}`)
	d.say(p, "text").wantErr(t, "record 1700000000000-0: ")
	if s := p.Stats(); s.Started != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestExampleGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "processor")
	cmd := exec.Command(tool(t, "go"), "build", "-o", path, "./examples/processor-go")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := start(t, Options{Command: []string{path}}, "")
	d := newDesk(t)
	d.say(p, "hello you", "", "größe", "1").wantOK(t, "out hello", "out you", "out größe")
	bodies := make([]string, 10_000)
	for i := range bodies {
		bodies[i] = "a b"
	}
	if o := d.say(p, bodies...); o.err != nil || len(o.out) != 20_000 {
		t.Errorf("%v, %d records", o.err, len(o.out))
	}
	if s := p.Stats(); s.Started != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestExampleComments: what each example says about how to try it works, from
// the root of the repository. Each is short.
func TestExampleComments(t *testing.T) {
	for file, need := range map[string]string{
		"processor-python/upper.py": "python3", "processor-shell/wrap.sh": "sh",
		"processor-node/total.js": "node", "processor-go/main.go": "go",
	} {
		t.Run(need, func(t *testing.T) {
			tool(t, need)
			b, err := os.ReadFile(example(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(b), "\n"); n > 36 {
				t.Errorf("it has %d lines", n)
			}
			_, command, ok := strings.Cut(string(b), "Try it: ")
			if !ok {
				t.Fatal("it does not say how to try it")
			}
			command, _, _ = strings.Cut(command, "\n")
			cmd := exec.Command("sh", "-c", command)
			cmd.Dir = root
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
			greeting := func() bool {
				_, err := checkGreeting([]byte(lines[0]))
				return err == nil
			}
			var answer struct {
				N     int
				Error *string
			}
			if len(lines) != 2 || !greeting() || json.Unmarshal([]byte(lines[1]), &answer) != nil || answer.N != 1 || answer.Error != nil {
				t.Errorf("%s\nsays\n%s", command, out)
			}
		})
	}
}
